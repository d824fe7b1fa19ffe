"""Many models side by side are the models each would be alone; subsets are balanced; a bank can be interrupted."""

import dataclasses
import shutil
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from torch.utils.flop_counter import FlopCounterMode

from unlearn_core import ensembles, stacking
from unlearn_core.attacks import lira_online, mean_probability, summarise
from unlearn_core.data import Data, Dataset, Images
from unlearn_core.engines import machine
from unlearn_core.ensembles import Bank, BankSums, balanced_subsets, deal, everywhere, member_seed, train_members
from unlearn_core.ensembles import sums as sums_module
from unlearn_core.ensembles.stacked import train_stacked
from unlearn_core.experiment import BankPart, fulfil, spread, trained_models
from unlearn_core.experiment import bank as banks
from unlearn_core.experiment.trained_models import train_all
from unlearn_core.memorization import stability
from unlearn_core.models import MODELS, new_model
from unlearn_core.params import BadValue, key
from unlearn_core.progress import Cancelled
from unlearn_core.store import Store
from unlearn_core.training import Training, predict, train

# -- side by side ------------------------------------------------------------------------------------------------------

RECIPES = {
    "plain": {"lr": 0.2, "batch": 32, "epochs": 3},
    "momentum and decay": {"lr": 0.05, "batch": 50, "epochs": 2, "momentum": 0.9, "weight_decay": 1e-2},
    "constant rate": {"lr": 0.1, "batch": 7, "epochs": 1, "schedule": "constant"},
}


@pytest.mark.parametrize("how", RECIPES)
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_stacked_is_one_by_one(tiny, model, how):
    """Different seeds and different rows: each member becomes what it would become alone, up to rounding."""
    training = Training(model=model, width=8, **RECIPES[how])
    member = balanced_subsets(300, 4, 0.7, 0)
    rows, seeds = np.stack([np.flatnonzero(m) for m in member]), [3, 1, 4, 1]
    together = list(train_members(training, tiny, rows, seeds))
    assert len(together) == 4
    for trained, r, seed in zip(together, rows, seeds, strict=True):
        alone = train(training.but(seed=seed), tiny, r)
        for a, b in zip(trained.model.state_dict().values(), alone.model.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5)
        for name, values in alone.trajectory.items():
            np.testing.assert_allclose(trained.trajectory[name], values, atol=1e-4)
        assert not trained.model.training
    # the same seed on other rows is another model
    assert not torch.equal(*(m.model.head.weight for m in (together[1], together[3])))


@pytest.fixture(scope="module")
def colour():
    """24 random images of 16x16 pixels with three channels."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 256, (24, 3, 16, 16)).astype(np.uint8))
    part = Images(x, torch.arange(24) % 2)
    return Dataset("random", ("a", "b"), part, part, part)


@pytest.mark.parametrize("model", ["resnet9", "resnet20"])
@pytest.mark.parametrize("augment", ["none", "flip-crop"])
def test_batch_statistics_are_each_members_own(colour, model, augment):
    """Nets with BatchNorm in a stack: weights and running statistics are those of training alone.

    Seeds at which no ReLU stands so near to 0 that rounding moves it to the other side.
    """
    training = Training(model=model, width=4, epochs=2, batch=8, lr=0.05, momentum=0.9, augment=augment)
    rows, seeds = np.stack([np.arange(20), np.arange(4, 24)]), [2, 3]
    assert ensembles.goes_stacked(training, colour)
    for trained, r, seed in zip(train_members(training, colour, rows, seeds), rows, seeds, strict=True):
        alone = train(training.but(seed=seed), colour, r)
        for name, value in alone.model.state_dict().items():
            torch.testing.assert_close(trained.model.state_dict()[name], value, rtol=1e-3, atol=1e-4, msg=name)
        for name, values in alone.trajectory.items():
            np.testing.assert_allclose(trained.trajectory[name], values, atol=1e-3)


def test_a_large_net_trains_alone(colour, monkeypatch):
    """What comes out is exactly what train() gives, though the set-up is shared."""
    monkeypatch.setitem(stacking.STACK_BELOW, "cpu", 1e6)
    training, rows = Training(model="resnet9", width=4, epochs=1, batch=8), np.stack([np.arange(20), np.arange(4, 24)])
    assert not ensembles.goes_stacked(training, colour)
    for trained, r, seed in zip(train_members(training, colour, rows, [0, 1]), rows, (0, 1), strict=True):
        alone = train(training.but(seed=seed), colour, r)
        assert all(map(torch.equal, trained.model.state_dict().values(), alone.model.state_dict().values()))


def test_the_work_of_a_step_decides(digits):
    """Digits nets go together; a residual net on CIFAR-size images, and whatever is in half precision, goes alone."""
    images = Images(torch.zeros(256, 3, 32, 32, dtype=torch.uint8), torch.zeros(256, dtype=torch.int64))
    cifar = Dataset("zeros", ("a", "b"), images, images, images)
    assert [ensembles.goes_stacked(Training(model=m), digits) for m in ("mlp", "cnn")] == [True, True]
    assert not ensembles.goes_stacked(Training(model="resnet9", width=16, batch=256), cifar)
    assert not ensembles.goes_stacked(Training(model="resnet18", batch=256), cifar)
    assert not ensembles.goes_stacked(Training(precision="bfloat16"), digits)


def test_the_work_of_a_step_is_counted(digits):
    """Two products a layer, 64 x 256 and 256 x 10, for 32 images; three times for the way back."""
    model = new_model("mlp", digits, 0)
    assert stacking.work_per_step(model, digits.train.x[:32]) == 3 * 2 * 32 * (64 * 256 + 256 * 10)


@pytest.mark.parametrize("name", MODELS)
def test_the_work_of_every_model_is_what_torch_counts(name):
    images = Images(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    model = new_model(name, Dataset("zeros", ("a", "b"), images, images, images), 0)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(images.x)
    assert stacking.work_per_step(model, images.x) == 3 * counter.get_total_flops()


def test_asking_what_a_step_takes_does_not_load_a_compiler():
    """Seconds at the start of every process and at the first opening of a page."""
    said = """
import sys, torch
from unlearn_core import stacking
from unlearn_core.data import Dataset, Images
from unlearn_core.models import MODELS, new_model
images = Images(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
model = new_model("resnet9", Dataset("zeros", ("a", "b"), images, images, images), 0)
stacking.work_per_step(model, images.x), stacking.bytes_per_member(model, images.x)
sys.exit("torch._dynamo" in sys.modules)
"""
    assert not subprocess.run([sys.executable, "-c", said], check=False).returncode


@pytest.mark.parametrize(("model", "width"), [("mlp", 8), ("mlp", 520), ("cnn", 8), ("cnn", 130)])
def test_a_model_is_the_same_whoever_is_trained_beside_it(tiny, model, width):
    """To the last bit: alone, in a stack of two, of three, of nine, and left over at the end of a stack of four; with
    products that oneDNN may make and with those that it may not.
    """
    training = Training(model=model, width=width, epochs=2, lr=0.1)
    rows, seeds = np.stack([np.arange(m, 290 + m) for m in range(9)]), [*range(9)]
    (alone,) = train_members(training, tiny, rows[:1], seeds[:1])
    for size in (2, 3, 9):
        first = next(train_members(training, tiny, rows[:size], seeds[:size]))
        assert all(map(torch.equal, alone.model.state_dict().values(), first.model.state_dict().values()))
    last = [*train_members(training, tiny, rows, seeds)][-1]
    (again,) = train_members(training, tiny, rows[8:], seeds[8:])
    assert all(map(torch.equal, last.model.state_dict().values(), again.model.state_dict().values()))


@pytest.mark.parametrize(("model", "momentum"), [("mlp", 0.0), ("mlp", 0.9), ("cnn", 0.9)])
def test_each_member_may_have_a_learning_rate_of_its_own(tiny, model, momentum):
    """To the last bit what it is among members that all have its rate, also where nobody shares it; and so is what
    trains beside it.
    """
    training = Training(model=model, width=8, epochs=2, lr=0.3, momentum=momentum, weight_decay=1e-3)
    rows, seeds, rates = np.stack([np.arange(m, 290 + m) for m in range(5)]), [*range(5)], [0.01, 0.02, 0.02, 0.02, 0.1]
    mixed = [t.model.state_dict() for t in train_members(training, tiny, rows, seeds, rates=rates)]
    for m, lr in enumerate(rates):
        alone = [*train_members(training.but(lr=lr), tiny, rows, seeds)][m].model.state_dict()
        assert all(map(torch.equal, alone.values(), mixed[m].values()))
    apart = training.but(width=9, precision="bfloat16")  # one after the other
    one_by_one = [t.model.state_dict() for t in train_members(apart, tiny, rows, seeds, rates=rates)]
    last = [*train_members(apart.but(lr=0.1), tiny, rows, seeds)][4].model.state_dict()
    assert all(map(torch.equal, last.values(), one_by_one[4].values()))


def test_trainings_that_differ_in_their_learning_rate_go_together(store, monkeypatch):
    asked = [
        Training(data=Data(train=220, test=60), width=8, epochs=2, lr=lr, seed=s) for lr in (0.1, 10.0) for s in (0, 1)
    ]
    calls = []

    def counted(shared, images, rows, seeds, tell, rates, kept):
        calls.append((list(seeds), list(rates)))
        return train_members(shared, images, rows, seeds, tell, rates, kept)

    monkeypatch.setattr(trained_models, "train_members", counted)
    found = trained_models.train_all(store, asked[::-1])
    assert calls == [([1, 0, 1, 0], [0.1, 0.1, 10.0, 10.0])]
    assert [r.spec() for r in found] == asked[::-1]
    for spec, result in zip(asked[::-1], found, strict=True):
        again = fulfil(Store(store.root.with_name(f"{spec.lr:g}-{spec.seed}")), spec)
        for name, values in again.arrays("weights").items():
            assert np.array_equal(values, result.arrays("weights")[name])


def test_training_that_diverges_is_refused(store):
    data = Data(train=220, test=60)
    wild = Training(data=data, model="cnn", width=4, epochs=4, lr=10.0, momentum=0.99, weight_decay=0.1)
    for asked in (wild, Bank(training=wild, models=10)):
        with pytest.raises(BadValue, match="Training diverged"):
            fulfil(store, asked)
        assert store.find(asked) is None


def test_chunks_change_nothing_and_progress_is_told_as_one(tiny, tiny_training, monkeypatch):
    training, rows, seeds, told = (
        tiny_training.but(epochs=2),
        np.stack([np.arange(m, 290 + m) for m in range(5)]),
        [*range(5)],
        [],
    )
    whole = [predict(t.model, tiny.test).logits for t in train_members(training, tiny, rows, seeds)]
    monkeypatch.setitem(ensembles.MOST, "cpu", 2)
    parts = [
        predict(t.model, tiny.test).logits
        for t in train_members(training, tiny, rows, seeds, lambda *a: told.append(a))
    ]
    np.testing.assert_allclose(parts, whole, rtol=1e-3, atol=1e-4)
    done = [d for _, d, _ in told]
    assert done == sorted(done) and told[-1][1] == told[-1][2] and len({total for _, _, total in told}) == 1


# -- subsets -----------------------------------------------------------------------------------------------------------


@given(st.integers(10, 300), st.integers(2, 60), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.75, 0.9]), st.integers(0, 99))
def test_subsets_are_balanced(n, models, share, seed):
    member = balanced_subsets(n, models, share, seed)
    assert member.shape == (models, n) and member.dtype == bool
    assert (member.sum(1) == round(share * n)).all()  # equal sizes
    out = (~member).sum(0)
    assert out.max() - out.min() <= 1
    assert (member == balanced_subsets(n, models, share, seed)).all()


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 99))
def test_each_row_is_left_out_of_exactly_thirty_percent(tens, models, seed):
    member = balanced_subsets(10 * tens, 10 * models, 0.7, seed)
    assert ((~member).sum(0) == 3 * models).all()


@given(st.integers(2, 60), st.integers(2, 12), st.floats(0.1, 0.9), st.integers(0, 99))
def test_whether_each_row_is_somewhere_in_and_somewhere_out_is_known_before(n, models, share, seed):
    outs = (~balanced_subsets(n, models, share, seed)).sum(0)
    assert everywhere(n, models, share) == bool(outs.min() >= 1 and outs.max() <= models - 1)


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_bank_that_could_not_score_every_image_is_refused_before_it_is_trained(store, share):
    few = Data(name="digits", train=1261, validation=0.0)
    asked = Bank(training=Training(data=few, model="mlp", width=16), models=10, share=share)
    with pytest.raises(BadValue, match="some image would be in every model or in none"):
        fulfil(store, asked)
    assert not list(store.results("BankPart"))


def test_subsets_of_other_seeds_and_members_differ():
    a, b = balanced_subsets(100, 20, 0.7, 0), balanced_subsets(100, 20, 0.7, 1)
    assert len({row.tobytes() for row in [*a, *b]}) == 40


def test_rows_are_left_out_together_by_chance_only():
    """Two rows share 30 % of 29 % of the models; decks that kept their order would show as pairs that go together."""
    out = ~balanced_subsets(60, 400, 0.7, 0)
    together = (out.T.astype(float) @ out) / 400
    pairs = together[np.triu_indices(60, 1)]
    assert abs(pairs.mean() - 0.3 * (18 - 1) / 59) < 1e-9 and pairs.min() > 0.04 and pairs.max() < 0.14


def test_members_have_seeds_of_their_own():
    seeds = [member_seed(bank, m) for bank in range(20) for m in range(200)]
    assert len(set(seeds)) == len(seeds) and min(seeds) >= 0 and max(seeds) < 2**31
    assert member_seed(0, 1) != member_seed(1, 0)


# -- banks -------------------------------------------------------------------------------------------------------------

SMALL = Bank(training=Training(data=Data(train=220, test=60), width=8, epochs=2), models=10)


def test_a_bank_is_named_by_its_recipe_alone():
    other = Bank(training=SMALL.training.but(seed=5, without="1-3"), models=10)
    assert other == SMALL and key(other) == key(SMALL)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """(store, result, spec): ten small models on digits."""
    store = Store(tmp_path_factory.mktemp("bank"))
    return store, fulfil(store, SMALL), SMALL


def test_a_bank_says_what_its_members_say(bank):
    store, result, spec = bank
    images = banks.dataset(store, spec.training.data)
    n = len(images.train.y)
    member, phi = banks.bank_columns(store, spec, np.arange(n))
    arrays = [store.find(part).arrays() for part in banks.parts_of(spec)]
    arrays = {name: np.concatenate([a[name] for a in arrays]) for name in arrays[0]}
    np.testing.assert_array_equal(member, balanced_subsets(n, 10, 0.7, 0))
    np.testing.assert_array_equal(phi, arrays["phi"])
    for m in (0, 9):
        alone = train(spec.training.but(seed=member_seed(0, m)), images, np.flatnonzero(member[m])).model
        on_train, on_test = predict(alone, images.train), predict(alone, images.test)
        p = np.exp(on_train.logits.astype(float))
        p = p[np.arange(n), on_train.labels] / p.sum(1)
        np.testing.assert_allclose(arrays["phi"][m], np.log(p / (1 - p)), atol=2e-3)
        assert (arrays["correct"][m] == (on_train.logits.argmax(1) == on_train.labels)).mean() > 0.99
        assert abs(arrays["test_accuracy"][m] - (on_test.logits.argmax(1) == on_test.labels).mean()) < 0.02
    assert arrays["test_phi"].shape == (10, 60)


def test_an_interrupted_bank_goes_on_where_it_stopped(store, monkeypatch, bank):
    """Three parts of four, four and two members; stopped in the second, the first is not trained again."""
    monkeypatch.setattr(banks, "PART", 4)
    monkeypatch.setitem(ensembles.MOST, "cpu", 4)
    trained = counted(monkeypatch)

    def stop(stage, done, total):
        if done > 0.5 * total:
            raise Cancelled

    with pytest.raises(Cancelled):
        fulfil(store, SMALL, stop)
    parts = [BankPart(training=SMALL.training, first=f, count=c) for f, c in ((0, 4), (4, 4), (8, 2))]
    assert [store.find(p) is not None for p in parts] == [True, False, False] and store.find(SMALL) is None
    assert trained == [4, 4]
    fulfil(store, SMALL)
    assert trained == [4, 4, 4, 2]
    rows = np.arange(0, 190, 7)
    (member, phi), (same, other) = banks.bank_columns(store, SMALL, rows), banks.bank_columns(*bank[::2], rows)
    np.testing.assert_array_equal(member, same)
    np.testing.assert_allclose(phi, other, atol=1e-3)


def counted(monkeypatch) -> list[int]:
    """How many members were asked for, call after call."""
    trained = []

    def train_counted(training, dataset, rows, seeds, tell, kept):
        trained.append(len(seeds))
        return train_members(training, dataset, rows, seeds, tell, kept=kept)

    monkeypatch.setattr(banks, "train_members", train_counted)
    return trained


def test_a_preview_grows_into_the_full_bank(store, monkeypatch):
    """The members that a small and a large bank have in common are trained once."""
    monkeypatch.setattr(banks, "PART", 4)
    preview = fulfil(store, SMALL.but(models=12)).arrays()
    trained = counted(monkeypatch)
    full = fulfil(store, SMALL.but(models=20)).arrays()
    assert trained == [8]
    assert (preview["count"].sum((0, 1)) == 12).all() and (full["count"].sum((0, 1)) == 20).all()
    assert (full["right"] >= preview["right"]).all()


def test_parts_change_nothing(store, bank, monkeypatch):
    """A bank in parts of three, and one whose stacks hold two members, is the bank."""
    monkeypatch.setattr(banks, "PART", 3)
    monkeypatch.setitem(ensembles.MOST, "cpu", 2)
    again, whole = fulfil(store, SMALL).arrays(), bank[1].arrays()
    assert set(again) == set(whole)
    np.testing.assert_array_equal(again["count"], whole["count"])
    assert (again["right"] != whole["right"]).mean() < 0.01
    for name in ("phi", "phi_squared", "confidence", "test_phi"):
        np.testing.assert_allclose(again[name], whole[name], rtol=1e-3, atol=2e-3)


def test_a_bank_gives_every_worker_its_share(store, bank, monkeypatch, crew):
    """Five parts among three workers: no more together than leave the others something, though all would fit. Of what
    is left after an interruption too; where the work is not worth a worker, all of it together. To the bit the same.
    """
    monkeypatch.setattr(banks, "PART", 2)
    whole = fulfil(store, SMALL).arrays()
    assert crew() == [[2, 2, 1]]
    for part in banks.parts_of(SMALL)[1:4]:
        shutil.rmtree(store.find(part).folder)
    shutil.rmtree(store.find(SMALL).folder)
    again = fulfil(store, SMALL).arrays()
    assert crew()[1:] == [[1, 1, 1]]
    assert all(np.array_equal(again[name], whole[name]) for name in whole)
    monkeypatch.setitem(spread.WORTH, "cpu", 1e15)
    alone = fulfil(Store(store.root.with_name("alone")), SMALL).arrays()
    assert len(crew()) == 2 and all(np.array_equal(alone[name], whole[name]) for name in whole)


def test_references_give_every_worker_their_share(store, crew):
    trainings = [SMALL.training.but(seed=s) for s in range(7)]
    assert len(train_all(store, trainings)) == 7 and crew() == [[3, 3, 1]]


# -- sums --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def said():
    """(member, correct, phi, test_phi) of twelve made-up members, and their sums."""
    rng = np.random.default_rng(0)
    member, correct = balanced_subsets(50, 12, 0.7, 3), rng.random((12, 50)) < 0.7
    phi, test_phi = rng.normal(2, 3, (12, 50)).astype(np.float32), rng.normal(0, 3, (12, 9)).astype(np.float32)
    sums = BankSums(50, 9)
    for m in range(12):
        sums.add(m, member[m], correct[m], phi[m], test_phi[m])
    return member, correct, phi, test_phi, sums


def test_sums_are_those_of_the_members(said):
    member, correct, phi, test_phi, sums = said
    for half in (0, 1):
        for which, side in ((sums_module.IN, member), (sums_module.OUT, ~member)):
            chosen = side[half::2]
            np.testing.assert_array_equal(sums.count[half, which], chosen.sum(0))
            np.testing.assert_array_equal(sums.right[half, which], (chosen & correct[half::2]).sum(0))
            np.testing.assert_allclose(sums.phi[half, which], np.where(chosen, phi[half::2], 0).sum(0, dtype=float))
            sure = 1 / (1 + np.exp(-phi[half::2].astype(float)))
            np.testing.assert_allclose(sums.confidence[half, which], np.where(chosen, sure, 0).sum(0))
    np.testing.assert_allclose(sums.test_phi, test_phi.sum(0, dtype=float))
    assert sums.members == 12


def test_sums_serve_the_likelihood_ratio(said):
    """The sides from sums are those from all numbers, but for the median, which sums cannot know."""
    member, _, phi, _, sums = said
    for which, side in ((sums_module.IN, member), (sums_module.OUT, ~member)):
        expected, found = summarise(phi.astype(float), side), sums.side(which)
        np.testing.assert_array_equal(found.count, expected.count)
        np.testing.assert_allclose(found.mean, expected.mean)
        np.testing.assert_allclose(found.std, expected.std, atol=1e-6)
        assert found.median is None
    target = phi[0].astype(float)
    from_sums = lira_online(target, sums.side(sums_module.IN), sums.side(sums_module.OUT))
    means = [dataclasses.replace(summarise(phi.astype(float), side), median=None) for side in (member, ~member)]
    np.testing.assert_allclose(from_sums, lira_online(target, *means), rtol=1e-5)


def test_reference_models_of_a_sum_are_those_of_all_numbers(said):
    member, _, phi, test_phi, sums = said
    rows = np.array([3, 0, 41])
    for which, side in ((sums_module.IN, member), (sums_module.OUT, ~member)):
        expected = mean_probability(expit(phi.astype(float)), side)
        np.testing.assert_allclose(sums.mean_probability(which, rows), expected[rows])
    np.testing.assert_allclose(sums.mean_test_probability(), mean_probability(expit(test_phi.astype(float))))
    none = BankSums(4, 0)
    assert np.isnan(none.mean_probability(sums_module.IN, np.arange(4))).all()


def test_sums_are_kept_and_read_back(said):
    sums = said[-1]
    again = BankSums.of(sums.arrays(), 12)
    assert again.members == 12 and (again.n, again.n_test) == (50, 9)
    assert all((again.arrays()[name] == values).all() for name, values in sums.arrays().items())


def test_summing_up_a_bank_stays_small(store):
    """Whatever is in memory on the way, a part of eight members, subsets and ranks included: at most a twentieth of the
    table of 1,000 models' margins. It does not grow with the number of members, so three parts tell.
    """
    n, part, rng = 50_000, BankPart(training=SMALL.training), np.random.default_rng(0)
    said = {"correct": rng.random((8, n)) < 0.9, "test_accuracy": np.ones(8)}
    said |= {name: rng.random((8, k), np.float32) for name, k in (("phi", n), ("test_phi", 10_000))}
    result = store.remember(part, lambda draft: draft.arrays(**said))
    stability(np.ones((2, 2, 9)), rng.random((2, 2, 9)))  # what is loaded once
    tracemalloc.start()
    sums, members = BankSums(n, 10_000), deal(n, 0.7, 0)
    for first in (0, 8, 16):
        banks.add_part(sums, members, part.but(first=first), result)
        stability(sums.count, sums.right)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 0.05 * n * 1_000 * 4


# -- stopping early ----------------------------------------------------------------------------------------------------


def test_a_bank_stops_when_its_scores_are_reliable(tmp_path, monkeypatch):
    """Where it stops is said by the scores alone: the first part after which all images are judged by both halves and
    the tolerance is reached. The bank is then the one of that size.
    """
    monkeypatch.setattr(banks, "PART", 4)
    store = Store(tmp_path)
    noisy = Training(data=Data(name="digits-noisy", train=300, test=60), width=64, epochs=30)
    whole = Bank(training=noisy, models=48)
    curve = banks.bank_stability(fulfil(store, whole))
    assert list(curve["members"]) == list(range(4, 49, 4)) and curve["reliability"].iloc[-1] > 0.9
    goal = float(curve["reliability"].iloc[-3])
    good = (curve["reliability"] >= goal) & (curve["images"] == curve["images"].max())
    members = int(curve["members"][good.idxmax()])
    stopped = fulfil(Store(tmp_path / "other"), whole.but(stop_at=goal))
    assert int(banks.bank_stability(stopped)["members"].iloc[-1]) == members < 48
    same = fulfil(store, Bank(training=noisy, models=members))
    np.testing.assert_array_equal(stopped.arrays()["count"], same.arrays()["count"])


# -- memory ------------------------------------------------------------------------------------------------------------


def test_a_stack_that_does_not_fit_is_halved(tiny, tiny_training, monkeypatch):
    """Five members, memory for two: tried with five, two and two and one; finished members are not trained again."""
    training, rows = tiny_training.but(epochs=1), np.stack([np.arange(m, 290 + m) for m in range(5)])
    asked = []

    def scarce(training, dataset, rows, seeds, tell, rates):
        asked.append(list(seeds))
        if len(seeds) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train_stacked(training, dataset, rows, seeds, tell)

    expected = [t.model.state_dict() for t in train_members(training, tiny, rows, [*range(5)])]
    monkeypatch.setattr(ensembles, "train_stacked", scarce)
    monkeypatch.setitem(ensembles.MOST, "cpu", 5)
    found = [t.model.state_dict() for t in train_members(training, tiny, rows, [*range(5)])]
    assert asked == [[0, 1, 2, 3, 4], [0, 1], [2, 3], [4, 4]]
    for a, b in zip(expected, found, strict=True):
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-5)


def test_memory_that_a_single_member_does_not_find_is_an_error(tiny, tiny_training, monkeypatch):
    def never(*args):
        raise MemoryError

    monkeypatch.setattr(ensembles, "train_stacked", never)
    with pytest.raises(MemoryError):
        list(train_members(tiny_training, tiny, np.stack([np.arange(290), np.arange(1, 291)]), [0, 1]))


def test_other_errors_are_not_taken_for_want_of_memory(tiny, tiny_training, monkeypatch):
    def broken(*args):
        raise RuntimeError("something else")

    monkeypatch.setattr(ensembles, "train_stacked", broken)
    with pytest.raises(RuntimeError, match="something else"):
        list(train_members(tiny_training, tiny, np.stack([np.arange(290), np.arange(1, 291)]), [0, 1]))


def test_stacks_shrink_with_the_memory_that_is_free(tiny, tiny_training, monkeypatch):
    sizes = []
    for megabytes in (1, 8, 64_000):
        monkeypatch.setattr(ensembles.psutil, "virtual_memory", lambda m=megabytes: SimpleNamespace(available=m * 1e6))
        sizes.append(ensembles.stack_size(tiny_training, tiny))
    assert 1 <= sizes[0] < sizes[1] <= sizes[2] == ensembles.MOST["cpu"]
    for died, size in (("1", 16), ("3", 4), ("9", 4), ("no number", 32)):
        monkeypatch.setenv(machine.HALVINGS, died)
        assert ensembles.stack_size(tiny_training, tiny) == size
