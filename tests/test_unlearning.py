"""What every algorithm promises, for all of ALGORITHMS; and each algorithm against the formula in its source."""

import copy
import importlib
import inspect
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import nn
from torch.nn import functional as F

from unlearn_core import unlearning
from unlearn_core.data import Data, load
from unlearn_core.models import Classifier
from unlearn_core.params import BadValue, params
from unlearn_core.progress import Cancelled
from unlearn_core.training import Training, predict, train
from unlearn_core.unlearning import ALGORITHMS, GradientUnlearner, Request, Unlearner
from unlearn_core.unlearning.base import Batch, Fresh, Step, random_labels
from unlearn_core.unlearning.fine_tune import FineTune
from unlearn_core.unlearning.l1_sparse import L1Sparse
from unlearn_core.unlearning.neggrad import NegGrad
from unlearn_core.unlearning.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.random_label import RandomLabel
from unlearn_core.unlearning.salun import SalUn
from unlearn_core.unlearning.scrub import Scrub

GRADIENT = {name: cls for name, cls in ALGORITHMS.items() if issubclass(cls, GradientUnlearner)}
EPOCHS, BATCH, FORGET, RETAIN = 2, 32, 40, 260  # of tiny_request: 300 images, 40 of them forgotten

every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)
every_gradient_algorithm = pytest.mark.parametrize("name", GRADIENT)


def quick(name, **changes):
    """An algorithm in a short form."""
    short = {"epochs": EPOCHS, "batch": BATCH} if name in GRADIENT else {}
    return ALGORITHMS[name](**short | changes)


def weights(model):
    return [p.detach() for p in model.parameters()]


def same(a, b):
    """Whether all weights are equal, bit for bit."""
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def finite(model):
    return all(bool(torch.isfinite(v).all()) for v in model.state_dict().values())


@pytest.fixture
def asked(tiny, tiny_training, tiny_request):
    """asked(...) -> a Request on `tiny` with a recipe, for any algorithm; the rows it trained on are in asked.rows."""

    def recipe(rows, seed, tell):
        make.rows.append(rows)
        fresh = train(tiny_training.but(seed=seed, epochs=2), tiny, rows, tell).model
        return Fresh(fresh, 20, 2 * len(rows))

    def make(**changes):
        return tiny_request(**{"recipe": recipe} | changes)

    make.rows = []
    return make


# -- the contents page -------------------------------------------------------------------------------------------------


def test_every_algorithm_has_a_file_and_every_file_is_listed():
    folder = Path(unlearning.__file__).parent
    found = set()
    for file in folder.glob("*.py"):
        module = importlib.import_module(f"unlearn_core.unlearning.{file.stem}")
        own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
        found |= {c for c in own if issubclass(c, Unlearner) and hasattr(c, "title")}
    assert found == set(ALGORITHMS.values()) and len(found) == len(ALGORITHMS)
    files = [inspect.getmodule(c).__name__ for c in found]
    assert len(set(files)) == len(files)  # one file each


@every_algorithm
def test_it_says_what_it_is(name):
    cls = ALGORITHMS[name]
    doc = inspect.getdoc(cls)
    assert "Source:" in doc and "arXiv:" in doc
    assert cls.title and cls.group and set(cls.needs) <= {"retain", "forget", "labels", "recipe"}
    assert cls.scope in ("samples", "classes", "both")
    assert [c.title for c in ALGORITHMS.values()].count(cls.title) == 1


@every_algorithm
def test_hyperparameters_out_of_range_are_refused(name):
    cls = ALGORITHMS[name]
    for p in params(cls):
        bad = [float("nan"), "x"] if p.kind in (int, float) else ["x"] if p.kind is bool else [0, "no such choice"]
        bad += [p.low - 1] if p.low is not None else []
        bad += [p.high + 1] if p.high is not None else []
        for value in bad:
            with pytest.raises(BadValue, match=rf"^{p.name.replace('_', ' ').capitalize()} must be .*\.$"):
                cls(**{p.name: value})
        for value in [v for v in (p.low, p.high, *(p.choices or ())) if v is not None]:
            cls(**{p.name: value})


# -- what is asked -----------------------------------------------------------------------------------------------------

BAD_REQUESTS = {
    "nothing to forget": ({"forget": np.zeros(0, np.int64), "retain": np.arange(5)}, "The forget set is empty"),
    "nothing to keep": ({"forget": np.arange(5), "retain": np.zeros(0, np.int64)}, "No images are left to keep"),
    "overlap": ({"forget": np.arange(5), "retain": np.arange(4, 9)}, "both forgotten and kept"),
    "forget twice": ({"forget": np.array([1, 1, 2]), "retain": np.arange(5, 9)}, "The forget set names a row twice"),
    "keep twice": ({"forget": np.array([1]), "retain": np.array([5, 5])}, "The retain set names a row twice"),
    "forget too high": (
        {"forget": np.array([300]), "retain": np.arange(5)},
        "forget set names a row that does not exist",
    ),
    "keep too high": ({"forget": np.array([1]), "retain": np.array([2, 300])}, "retain set names a row that does not"),
    "negative": ({"forget": np.array([-1]), "retain": np.arange(5)}, "forget set names a row that does not exist"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_request_that_cannot_be_met_is_refused(tiny_request, case):
    changes, says = BAD_REQUESTS[case]
    with pytest.raises(BadValue, match=says) as error:
        tiny_request(**changes)
    assert str(error.value).endswith(".")


def test_retraining_needs_a_recipe(tiny_model, tiny_request):
    with pytest.raises(BadValue, match="needs the recipe"):
        quick("retrain")(tiny_model, tiny_request())


# -- the contract ------------------------------------------------------------------------------------------------------


@every_algorithm
def test_what_it_is_given_stays_as_it_was(name, tiny_model, asked):
    original = copy.deepcopy(tiny_model).train()
    original.head.requires_grad_(False)
    before = copy.deepcopy(original.state_dict())
    request = asked()
    x, y, forget, retain = request.x.clone(), request.y.clone(), request.forget.copy(), request.retain.copy()
    result = quick(name)(original, request).model
    assert all(torch.equal(v, before[k]) for k, v in original.state_dict().items())
    assert original.training and [p.requires_grad for p in original.parameters()] == [True, True, False, False]
    assert all(p.grad is None for p in original.parameters())
    assert torch.equal(request.x, x) and torch.equal(request.y, y)
    assert (request.forget == forget).all() and (request.retain == retain).all()
    theirs, ours = ({p.data_ptr() for p in m.parameters()} for m in (original, result))
    assert not theirs & ours


@every_algorithm
def test_it_moves_the_weights(name, tiny_model, asked):
    moved = not same(quick(name)(tiny_model, asked()).model, tiny_model)
    assert moved == (name != "original")


@every_gradient_algorithm
def test_a_model_that_was_frozen_is_unlearned_all_the_same(name, tiny_model, asked):
    frozen = copy.deepcopy(tiny_model).requires_grad_(False)
    assert same(quick(name)(frozen, asked()).model, quick(name)(tiny_model, asked()).model)
    assert not any(p.requires_grad for p in frozen.parameters())


@every_algorithm
def test_the_same_seed_gives_the_same_bits(name, tiny_model, asked):
    a = quick(name)(tiny_model, asked(seed=5)).model
    torch.manual_seed(99)  # plays no part
    np.random.seed(99)  # nor does this
    assert same(a, quick(name)(tiny_model, asked(seed=5)).model)
    assert same(a, quick(name)(tiny_model, asked(seed=6)).model) == (name == "original")


@every_algorithm
def test_the_result_is_ready_to_be_asked(name, tiny_model, asked, tiny):
    model = quick(name)(tiny_model, asked()).model
    assert not any(m.training for m in model.modules()) and finite(model)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert np.isfinite(predict(model, tiny.test).logits).all()


@every_algorithm
def test_it_never_touches_what_it_does_not_declare(name, tiny_model, asked):
    """Rows it may not see hold NaN and a label that no class has: one look and the weights are not finite."""
    cls = ALGORITHMS[name]
    aside = np.arange(200, 220)  # in neither set: an earlier request of a stream
    request = asked()
    retain = np.setdiff1d(request.retain, aside)
    x = request.x.float() / 255

    def poisoned(*rows):
        dirty, labels = x.clone(), request.y.clone()
        for r in rows:
            dirty[r], labels[r] = torch.nan, -100_000
        return asked(x=dirty, y=labels, retain=retain)

    undeclared = [aside] + [
        rows for kind, rows in (("forget", request.forget), ("retain", retain)) if kind not in cls.needs
    ]
    clean, dirty = quick(name)(tiny_model, poisoned()), quick(name)(tiny_model, poisoned(*undeclared))
    assert dirty.cost.diverged_at is None and finite(dirty.model)
    assert same(clean.model, dirty.model)
    for kind, rows in (("forget", request.forget), ("retain", retain)):
        if kind in cls.needs and name != "retrain":  # what it declares it does look at
            with pytest.raises((IndexError, RuntimeError, AssertionError)):
                broken = quick(name)(tiny_model, poisoned(rows))
                assert broken.cost.diverged_at is None


def test_retraining_asks_for_the_retain_rows_only(tiny_model, asked):
    request = asked()
    quick("retrain")(tiny_model, request)
    (rows,) = asked.rows
    assert (rows == request.retain).all()


PER_EPOCH = math.ceil(RETAIN / BATCH)
ROUND = [32, 8]  # batches of one round through the forget set
COSTS = {  # steps, gradients on forget, gradients on retain
    "original": (0, 0, 0),
    "retrain": (20, 0, 2 * RETAIN),
    "fine-tune": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "l1-sparse": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "neggrad": (EPOCHS * 2, EPOCHS * FORGET, 0),
    "neggrad-plus": (EPOCHS * PER_EPOCH, EPOCHS * sum((ROUND * 5)[:PER_EPOCH]), EPOCHS * RETAIN),
    "random-label": (EPOCHS * math.ceil(300 / BATCH), EPOCHS * FORGET, EPOCHS * RETAIN),
    "salun": (EPOCHS * math.ceil(300 / BATCH), (EPOCHS + 1) * FORGET, EPOCHS * RETAIN),  # and once for the mask
    "scrub": (EPOCHS * (PER_EPOCH + 2), EPOCHS * FORGET, EPOCHS * RETAIN),
}


@every_algorithm
def test_the_cost_is_what_was_done(name, tiny_model, asked):
    cost = quick(name)(tiny_model, asked()).cost
    assert (cost.steps, cost.forget_gradients, cost.retain_gradients) == COSTS[name]
    assert cost.seconds > 0 and cost.peak_megabytes > 0 and cost.diverged_at is None


@every_gradient_algorithm
def test_progress_is_told_and_can_stop_it(name, tiny_model, asked):
    told = []
    quick(name)(tiny_model, asked(tell=lambda *what: told.append(what)))
    steps = COSTS[name][0]
    assert told == [("unlearn", s, steps) for s in range(1, steps + 1)]

    def stop(stage, done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        quick(name)(tiny_model, asked(tell=stop))


# -- runs that go wrong ------------------------------------------------------------------------------------------------


@every_gradient_algorithm
@pytest.mark.parametrize("top", [{}, {"momentum": 0.999, "weight_decay": 0.1}], ids=["rate", "rate and more"])
def test_a_run_that_diverges_stops_at_its_last_finite_state(name, top, tiny_model, asked):
    highest = next(p.high for p in params(ALGORITHMS[name]) if p.name == "lr")
    extra = {"alpha": 0.0} if name == "neggrad-plus" else {}
    unlearned = quick(name, lr=highest, epochs=60, **top, **extra)(tiny_model, asked())
    cost = unlearned.cost
    assert cost.diverged_at == cost.steps < quick(name, epochs=60).steps_in(asked())
    assert finite(unlearned.model)


def test_a_diverging_last_step_is_seen(tiny_model, asked):
    """Fewer steps than the model is looked at: the end is looked at all the same."""
    unlearned = NegGrad(lr=10.0, epochs=7, batch=64, momentum=0.999)(tiny_model, asked())
    assert unlearned.cost.steps == 7 and finite(unlearned.model)
    blown = copy.deepcopy(tiny_model)
    with torch.no_grad():
        blown.head.weight.copy_(blown.head.weight.sign() * 3e38)
    unlearned = FineTune(epochs=1, batch=512)(blown, asked())
    assert unlearned.cost.diverged_at == 1 and same(unlearned.model, blown)


@every_algorithm
@pytest.mark.parametrize("keep", [1, 33])
def test_odd_sizes_are_no_trouble(name, keep, tiny_model, asked):
    """One image to forget; a retain set of one image, or with a last batch of one."""
    rows = np.arange(100, 100 + keep)
    unlearned = quick(name)(
        tiny_model, asked(forget=np.array([7]), retain=rows, recipe=lambda *a: Fresh(tiny_model, 1, 1))
    )
    assert finite(unlearned.model)


@every_gradient_algorithm
def test_a_whole_class_can_be_forgotten(name, tiny_model, asked, tiny):
    gone = np.flatnonzero(tiny.train.y.numpy() == 2)
    unlearned = quick(name)(tiny_model, asked(forget=gone, retain=np.setdiff1d(np.arange(300), gone)))
    assert unlearned.cost.diverged_at is None and finite(unlearned.model)


# -- BatchNorm ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_batch_norm(tiny):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        return Classifier(trunk, nn.Linear(144, 4), tiny.mean, tiny.std).eval()


@every_gradient_algorithm
@pytest.mark.parametrize("bn", ["train", "frozen"])
def test_batch_statistics_move_only_where_they_may(name, bn, with_batch_norm, asked):
    before = {k: v.clone() for k, v in with_batch_norm.named_buffers()}
    unlearned = quick(name, bn=bn)(with_batch_norm, asked()).model
    after = dict(unlearned.named_buffers())
    assert torch.equal(after["trunk.1.running_mean"], before["trunk.1.running_mean"]) == (bn == "frozen")
    assert torch.equal(after["trunk.1.running_var"], before["trunk.1.running_var"]) == (bn == "frozen")
    assert all(torch.equal(v, before[k]) for k, v in with_batch_norm.named_buffers())
    assert torch.equal(after["mean"], before["mean"])
    assert not same(unlearned, with_batch_norm)


def test_what_sees_the_forget_set_only_keeps_the_statistics():
    for cls in GRADIENT.values():
        assert (cls().bn == "frozen") == ("retain" not in cls.needs)


# -- whether it forgets ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_digits(tmp_path_factory):
    """(images, a model that fits them, a request to forget 60)."""
    images = load(Data(train=800, test=200), tmp_path_factory.mktemp("data"))
    n = len(images.train.y)
    forget = np.sort(np.random.default_rng(0).choice(n, 60, replace=False))
    model = train(Training(epochs=12), images, np.arange(n)).model
    return images, model, Request(images.train.x, images.train.y, forget, np.setdiff1d(np.arange(n), forget), 10)


def accuracies(images, model, request):
    right = predict(model, images.train)
    right = right.logits.argmax(1) == right.labels
    return right[request.forget].mean(), right[request.retain].mean()


STRONG = {
    "neggrad": {"lr": 0.1},
    "neggrad-plus": {"lr": 0.02, "alpha": 0.8},
    "random-label": {"lr": 0.1},
    "salun": {"lr": 0.1},
    "scrub": {"lr": 0.05, "max_epochs": 6, "epochs": 7, "batch": 16},
}


@pytest.mark.parametrize("name", STRONG)
def test_what_pushes_away_forgets(name, on_digits):
    images, model, request = on_digits
    forget, retain = accuracies(images, model, request)
    assert forget == 1 and retain > 0.99
    forget, retain = accuracies(images, ALGORITHMS[name](**STRONG[name])(model, request).model, request)
    assert forget < 0.97
    assert forget < retain  # what was asked for suffers more than the rest
    if "retain" in ALGORITHMS[name].needs:
        assert retain > 0.95


@pytest.mark.parametrize("name", ["fine-tune", "l1-sparse"])
def test_what_sees_only_the_retain_set_keeps_it(name, on_digits):
    images, model, request = on_digits
    assert accuracies(images, ALGORITHMS[name]()(model, request).model, request)[1] > 0.99


# -- identities: settings in which one algorithm is another ------------------------------------------------------------

SHARED = {"epochs": 3, "lr": 0.02, "batch": 32, "momentum": 0.9, "weight_decay": 1e-3}
IDENTITIES = {
    "NegGrad+ that weighs only the retain set is fine-tuning": (NegGradPlus(alpha=1.0, **SHARED), FineTune(**SHARED)),
    "L1-sparse without its penalty is fine-tuning": (L1Sparse(alpha=0.0, **SHARED), FineTune(**SHARED)),
    "SalUn that may change all weights is random labels": (SalUn(share=1.0, **SHARED), RandomLabel(**SHARED)),
    "the same, with wrong labels only": (
        SalUn(share=1.0, exclude_true=True, **SHARED),
        RandomLabel(exclude_true=True, **SHARED),
    ),
    "SCRUB that neither pushes nor distils is fine-tuning": (
        Scrub(max_epochs=0, alpha=0.0, gamma=1.0, **SHARED),
        FineTune(**SHARED),
    ),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_identities_hold_bit_for_bit(case, tiny_model, asked):
    one, other = IDENTITIES[case]
    assert same(one(tiny_model, asked(seed=3)).model, other(tiny_model, asked(seed=3)).model)
    assert not same(one(tiny_model, asked(seed=3)).model, tiny_model)


def test_salun_that_may_change_nothing_changes_nothing(tiny_model, asked):
    unlearned = SalUn(share=0.0, **SHARED)(tiny_model, asked())
    assert same(unlearned.model, tiny_model) and unlearned.cost.steps > 0


def test_one_step_of_neggrad_goes_up_the_forget_loss(tiny_model, asked, tiny):
    request = asked()
    found = NegGrad(epochs=1, batch=64, lr=0.1)(tiny_model, request).model
    model = copy.deepcopy(tiny_model)
    F.cross_entropy(model(tiny.train.x[request.forget]), tiny.train.y[request.forget]).backward()
    for p, after in zip(model.parameters(), weights(found), strict=True):
        torch.testing.assert_close(after, p.detach() + 0.1 * p.grad, rtol=1e-4, atol=1e-6)


def test_neggrad_plus_weighs_the_two_losses(tiny_model, tiny):
    forget, retain = (Batch(tiny.train.x[a:b], tiny.train.y[a:b]) for a, b in ((0, 20), (20, 60)))
    ce = [F.cross_entropy(tiny_model(batch.x), batch.y).item() for batch in (forget, retain)]
    loss = NegGradPlus(alpha=0.7).loss(tiny_model, tiny_model, Step(forget, retain, 0, 0.0))
    assert float(loss.detach()) == pytest.approx(0.7 * ce[1] - 0.3 * ce[0], rel=1e-5)


def test_neggrad_plus_pairs_each_retain_batch_with_a_forget_batch(asked, tiny):
    """A pass over the retain set; beside it the forget set round after round, each round whole and in its own order."""
    request = asked(x=torch.arange(300)[:, None])
    steps = list(NegGradPlus(epochs=1, batch=20).steps(request))
    assert sorted(torch.cat([s.retain.x for s in steps]).flatten().tolist()) == request.retain.tolist()
    rounds = torch.cat([s.forget.x for s in steps]).flatten()[:240].view(6, 40)
    assert all(sorted(r.tolist()) == request.forget.tolist() for r in rounds)
    assert len({tuple(r.tolist()) for r in rounds}) == 6


def test_the_l1_penalty_covers_all_weights_and_fades(tiny_model, tiny):
    batch = Batch(tiny.train.x[:50], tiny.train.y[:50])
    ce, size = (
        F.cross_entropy(tiny_model(batch.x), batch.y).item(),
        sum(float(p.abs().sum()) for p in weights(tiny_model)),
    )
    for of in (0.0, 0.5, 0.9):
        loss = L1Sparse(alpha=0.01).loss(tiny_model, None, Step(None, batch, 0, of))
        assert float(loss.detach()) == pytest.approx(ce + 0.01 * (1 - of) * size, rel=1e-5)
    assert [s.of for s in L1Sparse(epochs=4, batch=300).steps(quick_request(tiny))] == [0, 0.25, 0.5, 0.75]


def quick_request(images):
    return Request(images.train.x, images.train.y, np.arange(40), np.arange(40, 300), 4)


def test_l1_makes_weights_small(tiny_model, asked):
    plain, sparse = (
        cls(epochs=5, lr=0.05)(tiny_model, asked()).model for cls in (FineTune, lambda **k: L1Sparse(alpha=0.01, **k))
    )
    assert sum(float(p.abs().sum()) for p in weights(sparse)) < 0.8 * sum(float(p.abs().sum()) for p in weights(plain))


# -- random labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
@pytest.mark.parametrize("exclude_true", [False, True])
def test_random_labels_are_uniform(classes, exclude_true):
    """Over all classes, the true one included, or over the wrong ones; for any number of classes."""
    n = 400 * classes
    y = torch.arange(n + 50) % classes
    request = Request(torch.zeros(n + 50, 1), y, np.arange(n), np.arange(n, n + 50), classes)
    drawn = random_labels(request, 0, exclude_true)
    shift = (drawn[:n] - y[:n]).numpy() % classes
    counts = np.bincount(shift, minlength=classes)
    if exclude_true:
        assert counts[0] == 0
        counts = counts[1:]
    assert len(counts) < 2 or chisquare(counts).pvalue > 1e-3
    values = np.bincount(drawn[:n], minlength=classes)
    assert len(values) == classes and chisquare(values).pvalue > 1e-3
    assert torch.equal(drawn[n:], y[n:])  # the others keep theirs
    assert torch.equal(request.y, y)


def test_random_labels_are_drawn_anew_each_epoch_and_seed(asked):
    draws = [random_labels(asked(seed=s), e, False) for s in (0, 1) for e in (0, 1)]
    assert len({tuple(d.tolist()) for d in draws}) == 4
    assert torch.equal(draws[0], random_labels(asked(seed=0), 0, False))


@pytest.mark.parametrize("cls", [RandomLabel, SalUn])
@pytest.mark.parametrize("exclude_true", [False, True])
def test_an_epoch_of_relabelling_is_the_mixture(cls, exclude_true, asked):
    """Each image once, shuffled together; the retain set with its labels, the forget set with the drawn ones."""
    request = asked(x=torch.arange(300)[:, None], seed=4)
    steps = list(cls(epochs=2, batch=32, exclude_true=exclude_true).steps(request))
    for epoch in (0, 1):
        batches = [s.retain for s in steps if s.epoch == epoch]
        rows, labels = torch.cat([b.x for b in batches]).flatten(), torch.cat([b.y for b in batches])
        assert sorted(rows.tolist()) == [*range(300)] and rows.tolist() != [*range(300)]
        assert torch.equal(labels, random_labels(request, epoch, exclude_true)[rows])
        assert any(len(np.intersect1d(b.x, request.forget)) not in (0, len(b.x)) for b in batches)  # truly mixed


# -- SalUn's mask ------------------------------------------------------------------------------------------------------


def saliency(model, x, y):
    """|gradient of the mean loss| per weight, by autograd: name -> tensor."""
    model = copy.deepcopy(model).eval()
    F.cross_entropy(model(x), y).backward()
    return {name: p.grad.abs() for name, p in model.named_parameters()}


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.999])
@pytest.mark.parametrize("keep", ["top", "bottom"])
@pytest.mark.parametrize("batch", [40, 20])
def test_the_mask_holds_the_share_with_the_largest_gradients(share, keep, batch, tiny_model, asked, tiny):
    """Over all weights together. In batches of equal size the sum of their gradients is a multiple of the whole one."""
    request = asked()
    cost = unlearning.Cost()
    mask = SalUn(share=share, keep=keep, batch=batch).mask(copy.deepcopy(tiny_model), request, cost)
    sizes = saliency(tiny_model, tiny.train.x[request.forget], tiny.train.y[request.forget])
    assert list(mask) == [name for name, _ in tiny_model.named_parameters()]
    chosen, values = (torch.cat([d[n].flatten() for n in mask]) for d in (mask, sizes))
    assert int(chosen.sum()) == round(share * len(values))
    inside, outside = values[chosen], values[~chosen]
    slack = 1e-6 * float(values.max())
    if keep == "top":
        assert float(inside.min()) >= float(outside.max()) - slack
    else:
        assert float(inside.max()) <= float(outside.min()) + slack
    assert cost.forget_gradients == FORGET


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_weights_outside_the_mask_stay_to_the_bit(share, tiny_model, asked):
    """Momentum and weight decay would move them, were only their gradients masked."""
    unlearner = SalUn(share=share, epochs=3, lr=0.1, batch=32, momentum=0.9, weight_decay=0.05)
    request = asked()
    mask = unlearner.mask(copy.deepcopy(tiny_model), request, unlearning.Cost())
    after = dict(unlearner(tiny_model, request).model.named_parameters())
    for name, before in tiny_model.named_parameters():
        moved = after[name] != before
        assert not (moved & ~mask[name]).any()
        assert moved[mask[name]].float().mean() > 0.95 or not mask[name].any()  # and the others do move


def test_finding_the_mask_leaves_the_model_alone(tiny_model, asked):
    model = copy.deepcopy(tiny_model).requires_grad_(False)
    SalUn().mask(model, asked(), unlearning.Cost())
    assert same(model, tiny_model) and all(p.grad is None and not p.requires_grad for p in model.parameters())


# -- SCRUB -------------------------------------------------------------------------------------------------------------


def test_scrub_without_pushing_is_distillation_on_the_retain_set(tiny_model, asked):
    cost = Scrub(max_epochs=0, epochs=3, batch=32)(tiny_model, asked()).cost
    assert cost.forget_gradients == 0 and cost.retain_gradients == 3 * RETAIN and cost.steps == 3 * PER_EPOCH
    # Distilling from itself without labels moves nothing: the student already says what the teacher says.
    still = Scrub(max_epochs=0, gamma=0.0, epochs=2)(tiny_model, asked()).model
    for a, b in zip(weights(still), weights(tiny_model), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("epochs", "pushes"), [(5, 3), (2, 4), (3, 3), (4, 1)])
def test_scrub_pushes_in_its_first_epochs_only(epochs, pushes, asked):
    """Epochs count from 1: with 3 of 5 the run ends with two on the retain set alone; no epoch ends with a push."""
    request, unlearner = asked(), Scrub(epochs=epochs, max_epochs=pushes, batch=32)
    steps = list(unlearner.steps(request))
    assert len(steps) == unlearner.steps_in(request)
    for epoch in range(epochs):
        kinds = ["retain" if s.forget is None else "forget" for s in steps if s.epoch == epoch]
        assert kinds == ["forget"] * (2 if epoch < pushes else 0) + ["retain"] * PER_EPOCH
    assert all((s.forget is None) != (s.retain is None) for s in steps)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_losses_of_scrub(temperature, tiny_model, asked, tiny):
    """By hand in float64: T^2 KL(teacher / T || student / T), batch mean; minus that on forget, with CE on retain."""
    student = FineTune(epochs=1, lr=0.1)(tiny_model, asked()).model
    batch = Batch(tiny.train.x[:50], tiny.train.y[:50])
    unlearner = Scrub(alpha=0.3, gamma=0.6, temperature=temperature)

    def log_softmax(model):
        z = model(batch.x).detach().double().numpy() / temperature
        return z - np.log(np.exp(z).sum(1, keepdims=True))

    p, q = log_softmax(tiny_model), log_softmax(student)
    distance = temperature**2 * (np.exp(p) * (p - q)).sum(1).mean()
    ce = F.cross_entropy(student(batch.x), batch.y).item()
    with torch.no_grad():
        push = float(unlearner.loss(student, tiny_model, Step(batch, None, 0, 0.0)))
        hold = float(unlearner.loss(student, tiny_model, Step(None, batch, 0, 0.0)))
    assert distance > 1e-4 and push == pytest.approx(-distance, rel=1e-4)
    assert hold == pytest.approx(0.6 * ce + 0.3 * distance, rel=1e-4)


def test_the_teacher_does_not_move(tiny_model, asked):
    """A student that is far away by the second epoch is still compared with the original."""
    seen = []

    class Watched(Scrub):
        def loss(self, model, original, step):
            seen.append([p.clone() for p in original.parameters()])
            return super().loss(model, original, step)

    Watched(epochs=2, lr=0.1)(tiny_model, asked())
    assert all(torch.equal(a, b) for a, b in zip(seen[0], seen[-1], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(seen[-1], weights(tiny_model), strict=True))
