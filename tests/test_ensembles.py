"""Many models side by side are the models each would be alone; subsets are balanced; a bank can be interrupted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlearn_core import ensembles
from unlearn_core.data import Data, Dataset, Images
from unlearn_core.ensembles import Bank, balanced_subsets, member_seed, train_members
from unlearn_core.experiment import BankPart, fulfil, stages
from unlearn_core.params import key
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


def test_a_large_net_trains_alone():
    """Nets with BatchNorm are not stacked: what comes out is exactly what train() gives."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 256, (24, 1, 16, 16)).astype(np.uint8))
    part = Images(x, torch.arange(24) % 2)
    images = Dataset("random", ("a", "b"), part, part, part)
    training, rows = Training(model="resnet9", width=4, epochs=1, batch=8), np.stack([np.arange(20), np.arange(4, 24)])
    for trained, r, seed in zip(train_members(training, images, rows, [0, 1]), rows, (0, 1), strict=True):
        alone = train(training.but(seed=seed), images, r)
        assert all(map(torch.equal, trained.model.state_dict().values(), alone.model.state_dict().values()))


def test_one_member_is_exactly_one_training(tiny, tiny_training, tiny_model):
    (trained,) = train_members(tiny_training, tiny, np.arange(300)[None], [0])
    assert all(map(torch.equal, trained.model.state_dict().values(), tiny_model.state_dict().values()))


def test_chunks_change_nothing_and_progress_is_told_as_one(tiny, tiny_training, monkeypatch):
    training, rows, seeds, told = (
        tiny_training.but(epochs=2),
        np.stack([np.arange(m, 290 + m) for m in range(5)]),
        [*range(5)],
        [],
    )
    whole = [predict(t.model, tiny.test).logits for t in train_members(training, tiny, rows, seeds)]
    monkeypatch.setattr(ensembles, "CHUNK", 2)
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
    arrays = result.arrays()
    images = stages.dataset(store, spec.training.data)
    member, n = arrays["member"], len(images.train.y)
    np.testing.assert_array_equal(member, balanced_subsets(n, 10, 0.7, 0))
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
    monkeypatch.setattr(stages, "CHUNK", 4)
    trained = []

    def counted(training, dataset, rows, seeds, tell):
        trained.append(len(seeds))
        return train_members(training, dataset, rows, seeds, tell)

    monkeypatch.setattr(stages, "train_members", counted)

    def stop(stage, done, total):
        if done > 0.5 * total:
            raise Cancelled

    with pytest.raises(Cancelled):
        fulfil(store, SMALL, stop)
    parts = [BankPart(training=SMALL.training, first=f, count=c) for f, c in ((0, 4), (4, 4), (8, 2))]
    assert [store.find(p) is not None for p in parts] == [True, False, False] and store.find(SMALL) is None
    assert trained == [4, 4]
    resumed = fulfil(store, SMALL).arrays()
    assert trained == [4, 4, 4, 2]
    whole = bank[1].arrays()
    np.testing.assert_array_equal(resumed["member"], whole["member"])
    np.testing.assert_allclose(resumed["phi"], whole["phi"], atol=1e-3)


def test_a_preview_grows_into_the_full_bank(store, monkeypatch):
    """The members that a small and a large bank have in common are trained once."""
    monkeypatch.setattr(stages, "CHUNK", 4)
    preview = fulfil(store, SMALL.but(models=12)).arrays()
    trained = []
    monkeypatch.setattr(stages, "train_members", lambda *a: trained.append(len(a[3])) or train_members(*a))
    full = fulfil(store, SMALL.but(models=20)).arrays()
    assert trained == [4, 4]
    np.testing.assert_array_equal(full["member"][:12], preview["member"])
    np.testing.assert_array_equal(full["phi"][:12], preview["phi"])
