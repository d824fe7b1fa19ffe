"""What every algorithm promises, for all of ALGORITHMS; and each algorithm against the formula in its source."""

import copy
import importlib
import inspect
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unlearning.common import BOUNDED, DETERMINISTIC, GRADIENT, finite, quick, same
from tests.unlearning.costs import counted
from unlearn_core import unlearning
from unlearn_core.params import BadValue, params
from unlearn_core.progress import Cancelled
from unlearn_core.training import predict
from unlearn_core.unlearning import ALGORITHMS, Unlearner
from unlearn_core.unlearning.push_away.neggrad import NegGrad
from unlearn_core.unlearning.request import NEEDS, Batch, Fresh
from unlearn_core.unlearning.retain_only.fine_tune import FineTune

every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)
every_gradient_algorithm = pytest.mark.parametrize("name", GRADIENT)


# -- the contents page -------------------------------------------------------------------------------------------------


def test_every_algorithm_has_a_file_and_every_file_is_listed():
    folder = Path(unlearning.__file__).parent
    found = set()
    for file in folder.rglob("*.py"):
        dotted = ".".join(file.relative_to(folder).with_suffix("").parts)
        module = importlib.import_module(f"unlearn_core.unlearning.{dotted}")
        own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
        found |= {c for c in own if issubclass(c, Unlearner) and hasattr(c, "title")}
    assert found == set(ALGORITHMS.values()) and len(found) == len(ALGORITHMS)
    files = [inspect.getmodule(c).__name__ for c in found]
    assert len(set(files)) == len(files)  # one file each
    # A group is a folder, and its algorithms stand together on the contents page.
    places = [(c.group, inspect.getmodule(c).__name__.split(".")[2]) for c in ALGORITHMS.values()]
    assert len(set(places)) == len({group for group, _ in places}) == len({folder for _, folder in places})
    assert len([a for a, b in pairwise(places) if a != b]) == len(set(places)) - 1


@every_algorithm
def test_it_says_what_it_is(name):
    cls = ALGORITHMS[name]
    doc = inspect.getdoc(cls)
    assert "Source:" in doc and "arXiv:" in doc
    assert cls.title and cls.group and set(cls.needs) <= set(NEEDS)
    for sentence in (cls.reconstruction, cls.caution):
        assert not sentence or (sentence[0].isupper() and sentence.endswith(".")), sentence
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


# -- the contract ------------------------------------------------------------------------------------------------------


@every_algorithm
def test_what_it_is_given_stays_as_it_was(name, tiny_model, asked):
    original = copy.deepcopy(tiny_model).train()
    original.head.requires_grad_(False)
    before = copy.deepcopy(original.state_dict())
    request = asked(name)
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
    moved = not same(quick(name)(tiny_model, asked(name)).model, tiny_model)
    assert moved == (name != "original")


@every_gradient_algorithm
def test_a_model_that_was_frozen_is_unlearned_all_the_same(name, tiny_model, asked):
    frozen = copy.deepcopy(tiny_model).requires_grad_(False)
    assert same(quick(name)(frozen, asked(name)).model, quick(name)(tiny_model, asked(name)).model)
    assert not any(p.requires_grad for p in frozen.parameters())


@every_algorithm
def test_the_same_seed_gives_the_same_bits(name, tiny_model, asked):
    a = quick(name)(tiny_model, asked(name, seed=5)).model
    torch.manual_seed(99)  # plays no part
    np.random.seed(99)  # nor does this
    assert same(a, quick(name)(tiny_model, asked(name, seed=5)).model)
    assert same(a, quick(name)(tiny_model, asked(name, seed=6)).model) == (name in DETERMINISTIC)


@every_algorithm
def test_the_result_is_ready_to_be_asked(name, tiny_model, asked, tiny):
    model = quick(name)(tiny_model, asked(name)).model
    assert not any(m.training for m in model.modules()) and finite(model)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert np.isfinite(predict(model, tiny.test).logits).all()


@every_algorithm
def test_it_never_touches_what_it_does_not_declare(name, tiny_model, asked):
    """Rows it may not see hold NaN and a label that no class has: one look and the weights are not finite."""
    cls = ALGORITHMS[name]
    aside = np.arange(200, 220)  # in neither set: an earlier request of a stream
    request = asked(name)
    retain = np.setdiff1d(request.retain, aside)
    x = request.x.float() / 255
    # A class is named by labels of its images; so those stay where the class is what is asked for.
    named = request.forget if "classes" in cls.needs else []
    unseen = {} if "recipe" in cls.needs else {"recipe": None}
    unseen |= {} if "history" in cls.needs else {"history": None}
    if "validation" not in cls.needs:
        unseen["validation"] = Batch(torch.full((60, 1, 8, 8), torch.nan), torch.full((60,), -100_000))

    def poisoned(*rows):
        dirty, labels = x.clone(), request.y.clone()
        for r in rows:
            dirty[r], labels[np.setdiff1d(r, named)] = torch.nan, -100_000
        return asked(name, x=dirty, y=labels, forget=request.forget, retain=retain, **unseen)

    undeclared = [aside] + [
        rows for kind, rows in (("forget", request.forget), ("retain", retain)) if kind not in cls.needs
    ]
    clean, dirty = quick(name)(tiny_model, poisoned()), quick(name)(tiny_model, poisoned(*undeclared))
    assert dirty.cost.diverged_at is None and finite(dirty.model)
    assert same(clean.model, dirty.model)
    for kind, rows in (("forget", request.forget), ("retain", retain)):
        if kind in cls.needs and not {"recipe", "history"} & set(cls.needs):  # what it declares it does look at
            with pytest.raises((IndexError, RuntimeError, AssertionError, BadValue)):
                broken = quick(name)(tiny_model, poisoned(rows))
                assert broken.cost.diverged_at is None


@every_algorithm
def test_what_needs_no_labels_never_reads_them(name, tiny_model, asked):
    if {"labels", "classes"} & set(ALGORITHMS[name].needs):
        return  # a class is named by labels
    request = asked(name)
    other = asked(name, y=torch.full_like(request.y, -100_000))
    assert same(quick(name)(tiny_model, request).model, quick(name)(tiny_model, other).model)


@pytest.mark.parametrize("labels", [torch.int32, torch.uint8, torch.float32])
def test_labels_of_another_kind_are_refused(labels, tiny, tiny_request):
    with pytest.raises(BadValue, match="one label, a whole number of 64 bits"):
        tiny_request(y=tiny.train.y.to(labels))
    with pytest.raises(BadValue, match="Each image needs one label"):
        tiny_request(x=tiny.train.x[:-1])


def test_a_need_that_is_a_field_of_the_request_is_looked_up_there(tiny_request):
    """So a new need is a word of NEEDS and a field."""
    for need in ("validation", "recipe", "history", "corrected"):
        assert tiny_request().lacks(need) == f"{NEEDS[need]}, and there is none here"
    assert all(tiny_request().lacks(need) is None for need in ("retain", "forget", "labels"))


class Sealed:
    """In the place of images that must not be looked at."""

    device, shape = torch.device("cpu"), (300, 1, 8, 8)

    def __getitem__(self, rows):
        raise AssertionError("it looked")

    @classmethod
    def __torch_function__(cls, *_):
        raise AssertionError("it looked")


@every_algorithm
def test_what_needs_no_training_images_never_touches_them(name, tiny_model, asked):
    blind = not {"retain", "forget", "recipe", "history"} & set(ALGORITHMS[name].needs)
    if blind:
        assert finite(quick(name)(tiny_model, asked(name, x=Sealed())).model)
    else:
        with pytest.raises(AssertionError, match="it looked"):
            request = asked(name, x=Sealed())
            history = replace(request.history, replay=looks(request.x))
            quick(name)(tiny_model, replace(request, recipe=looks(request.x), history=history))


def looks(x):
    return lambda *_, **__: x[0]


LACKING = {"validation": "validation images", "recipe": "the recipe", "history": "the training history"}


@every_algorithm
@pytest.mark.parametrize("need", LACKING)
def test_a_request_that_lacks_a_need_is_refused_before_the_run(name, need, tiny_model, asked):
    if need not in ALGORITHMS[name].needs:
        quick(name).refuse(asked(name, **{need: None}))
        return
    with pytest.raises(BadValue, match=rf"^{re.escape(ALGORITHMS[name].title)} needs {LACKING[need]}.*\.$"):
        quick(name)(tiny_model, asked(name, x=Sealed(), **{need: None}))


@every_algorithm
def test_what_forgets_classes_refuses_single_images(name, tiny_model, asked):
    if "classes" not in ALGORITHMS[name].needs:
        return
    with pytest.raises(BadValue, match=r"needs a forget set of whole classes; this one leaves images of class 0.*\.$"):
        quick(name)(tiny_model, asked(forget=np.arange(10, 50)))


def test_retraining_asks_for_the_retain_rows_only(tiny_model, asked):
    request = asked()
    quick("retrain")(tiny_model, request)
    (rows,) = asked.rows
    assert (rows == request.retain).all()


@every_algorithm
def test_the_cost_is_what_was_done(name, tiny_model, asked):
    cost = quick(name)(tiny_model, asked(name)).cost
    assert (cost.steps, cost.forget_gradients, cost.retain_gradients) == counted(name)
    assert cost.seconds > 0 and cost.peak_megabytes > 0 and cost.diverged_at is None


@every_gradient_algorithm
def test_progress_is_told_and_can_stop_it(name, tiny_model, asked):
    told = []
    quick(name)(tiny_model, asked(name, tell=lambda *what: told.append(what)))
    steps = counted(name)[0]
    told = [what for what in told if what[0] == "unlearn"]  # the models it trains on the way tell of themselves
    assert told == [("unlearn", s, steps) for s in range(1, steps + 1)]

    def stop(stage, done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        quick(name)(tiny_model, asked(name, tell=stop))


# -- runs that go wrong ------------------------------------------------------------------------------------------------


@every_gradient_algorithm
@pytest.mark.parametrize("top", [{}, {"momentum": 0.999, "weight_decay": 0.1}], ids=["rate", "rate and more"])
def test_a_run_that_diverges_stops_at_its_last_finite_state(name, top, tiny_model, asked):
    if name in BOUNDED:
        pytest.skip("its steps cannot grow without end")
    highest = next(p.high for p in params(ALGORITHMS[name]) if p.name == "lr")
    extra = {"neggrad-plus": {"alpha": 0.0}, "rni": {"fine": 60}}.get(name, {})  # all of it, and all weights at once
    unlearned = quick(name, lr=highest, epochs=60, **top, **extra)(tiny_model, asked(name))
    cost = unlearned.cost
    assert cost.diverged_at == cost.steps < quick(name, epochs=60).steps_in(asked(name))
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
def test_odd_sizes_are_no_trouble(name, keep, tiny_model, asked, tiny):
    """One image to forget; a retain set of one image, or with a last batch of one."""
    rows = np.flatnonzero(tiny.train.y != tiny.train.y[7])[100 : 100 + keep]
    fresh = lambda rows, seeds, *_, **__: (Fresh(copy.deepcopy(tiny_model), 1, 1) for _ in seeds)  # noqa: E731
    request = asked(forget=np.array([7]), retain=rows, recipe=fresh)
    unlearned = quick(name)(tiny_model, request)
    assert finite(unlearned.model)


@every_gradient_algorithm
def test_a_whole_class_can_be_forgotten(name, tiny_model, asked, tiny):
    gone = np.flatnonzero(tiny.train.y.numpy() == 2)
    unlearned = quick(name)(tiny_model, asked(forget=gone, retain=np.setdiff1d(np.arange(300), gone)))
    assert unlearned.cost.diverged_at is None and finite(unlearned.model)


# -- BatchNorm ---------------------------------------------------------------------------------------------------------


@every_gradient_algorithm
@pytest.mark.parametrize("bn", ["train", "frozen"])
def test_batch_statistics_move_only_where_they_may(name, bn, with_batch_norm, asked):
    if "history" in ALGORITHMS[name].needs:
        pytest.skip("the history here is that of another net; test_history.py has one of its own")
    before = {k: v.clone() for k, v in with_batch_norm.named_buffers()}
    unlearned = quick(name, bn=bn)(with_batch_norm, asked(name)).model
    after = dict(unlearned.named_buffers())
    assert torch.equal(after["trunk.1.running_mean"], before["trunk.1.running_mean"]) == (bn == "frozen")
    assert torch.equal(after["trunk.1.running_var"], before["trunk.1.running_var"]) == (bn == "frozen")
    assert all(torch.equal(v, before[k]) for k, v in with_batch_norm.named_buffers())
    assert torch.equal(after["mean"], before["mean"])
    assert not same(unlearned, with_batch_norm)


def test_what_sees_the_forget_set_only_keeps_the_statistics():
    for cls in GRADIENT.values():
        assert cls().bn == "frozen" or "retain" in cls.needs


# -- whether it forgets ------------------------------------------------------------------------------------------------


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
