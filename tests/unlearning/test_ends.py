"""SISA: exact, and its cost is what a system that had kept its states would pay."""

import copy

import numpy as np
import pytest
import torch

from tests.unlearning.common import same
from unlearn_core.data import Data, load
from unlearn_core.experiment import door, trained_models
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.models import Ensemble, voters
from unlearn_core.training import Training, embed, predict, train
from unlearn_core.unlearning.ends.sisa import BEFORE, SISA
from unlearn_core.unlearning.request import Fresh

SMALL = {"shards": 3, "slices": 2, "epochs": 3}


def members(model):
    """The weights of each voter, as one vector."""
    trunks, heads = model.trunk.members, model.head.members
    return [
        torch.cat([p.detach().flatten() for p in (*t.parameters(), *h.parameters())])
        for t, h in zip(trunks, heads, strict=True)
    ]


def test_unlearning_is_what_a_system_with_kept_states_does(tiny_model, asked):
    """A whole system is trained on all images, keeping each state; then the touched shards go back to the last state
    that no forgotten image has seen. Bit for bit, and so is the cost.
    """
    unlearner, all_rows = SISA(**SMALL), np.arange(300)
    shard_of, slice_of = unlearner.places(asked())
    forget = np.sort(np.r_[np.flatnonzero((shard_of == 1) & (slice_of == 1))[:5], np.flatnonzero(shard_of == 2)[:9]])
    request = asked(forget=forget, retain=np.setdiff1d(all_rows, forget))
    calls = []

    def recipe(*args, **more):
        calls.append((*args[1], more["epochs"]))
        return request.recipe(*args, **more)

    unlearned = unlearner(tiny_model, asked(forget=forget, retain=request.retain, recipe=recipe))
    assert {e for _, e in calls} == {2}  # 2 e / (R + 1)
    seeds = [s for s, _ in calls]
    steps = gradients = 0
    ours = members(unlearned.model)
    for shard in range(3):
        kept_states, state = [None], None
        for upto in range(2):
            rows = all_rows[(shard_of == shard) & (slice_of <= upto)]
            state = next(request.recipe(rows, [seeds[2 * shard + upto]], start=state, epochs=2)).model
            kept_states.append(copy.deepcopy(state))
        touched = [s for s in range(2) if len(np.intersect1d(forget, all_rows[(shard_of == shard) & (slice_of == s)]))]
        assert touched == [[], [1], [0, 1]][shard] or (shard == 2 and touched == [0])
        final = kept_states[-1]
        if touched:
            final = kept_states[touched[0]]
            for upto in range(touched[0], 2):
                rows = np.setdiff1d(all_rows[(shard_of == shard) & (slice_of <= upto)], forget)
                fresh = next(request.recipe(rows, [seeds[2 * shard + upto]], start=final, epochs=2))
                final, steps, gradients = fresh.model, steps + fresh.steps, gradients + fresh.gradients
        assert torch.equal(ours[shard], members(Ensemble([final]))[0]), shard
    assert (unlearned.cost.steps, unlearned.cost.retain_gradients) == (steps, gradients)
    assert unlearned.cost.forget_gradients == 0 and unlearned.cost.notes[BEFORE] > 0 < unlearned.cost.seconds


def test_no_trace_of_how_the_rows_left(tiny_model, asked):
    """Forgotten now or before this request: the models are the same. And untouched shards stay as they are."""
    unlearner = SISA(**SMALL)
    retain = np.arange(60, 300)
    first = unlearner(tiny_model, asked(forget=np.arange(40, 60), retain=retain)).model
    assert same(first, unlearner(tiny_model, asked(forget=np.arange(60), retain=retain)).model)
    shard_of, _ = unlearner.places(asked())
    row = np.flatnonzero(shard_of == 0)[:1]
    one = unlearner(tiny_model, asked(forget=row, retain=np.setdiff1d(np.arange(300), row))).model
    other = np.flatnonzero(shard_of == 1)[:1]
    two = unlearner(tiny_model, asked(forget=other, retain=np.setdiff1d(np.arange(300), other))).model
    equal = [torch.equal(a, b) for a, b in zip(members(one), members(two), strict=True)]
    assert equal == [False, False, True]


def test_rows_are_dealt_evenly_whatever_is_forgotten(asked):
    unlearner = SISA(shards=4, slices=3)
    shard, part = unlearner.places(asked())
    assert np.bincount(shard * 3 + part).tolist() == [25] * 12
    again = unlearner.places(asked(forget=np.arange(100, 200)))
    assert (shard == again[0]).all() and (part == again[1]).all()
    assert (shard != unlearner.places(asked(seed=1))[0]).any()


def test_shards_that_lose_all_their_images_do_not_vote(tiny_model, asked):
    unlearned = SISA(shards=5, slices=2, epochs=1)(tiny_model, asked(forget=np.arange(297), retain=np.arange(297, 300)))
    assert 1 <= voters(unlearned.model.state_dict()) <= 3


def test_the_time_before_the_request_is_not_counted(tiny_model, asked, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("unlearn_core.unlearning.ends.sisa.time.perf_counter", lambda: float(next(clock)))
    shard_of, slice_of = SISA(**SMALL).places(asked())
    row = np.flatnonzero((shard_of == 0) & (slice_of == 1))[:1]
    request = asked(
        forget=row, retain=np.setdiff1d(np.arange(300), row), recipe=lambda *_, **__: [Fresh(tiny_model, 1, 7)]
    )
    cost = SISA(**SMALL)(tiny_model, request).cost
    assert (cost.steps, cost.retain_gradients) == (1, 7)  # one slice of one shard
    assert cost.notes[BEFORE] == 5.0  # the five others, a tick each
    assert cost.seconds > 0


# -- the ensemble ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trio(tiny, tiny_training):
    return [train(tiny_training.but(seed=s, epochs=2), tiny, np.arange(300)).model for s in range(3)]


def test_the_vote_is_the_mean_of_probabilities(trio, tiny):
    model = Ensemble(trio).eval()
    said = [torch.from_numpy(predict(m, tiny.test).logits).double().softmax(1) for m in trio]
    expected = torch.stack(said).mean(0).log()
    torch.testing.assert_close(torch.from_numpy(predict(model, tiny.test).logits).double(), expected, rtol=0, atol=1e-5)


def test_an_ensemble_is_a_classifier(trio, tiny):
    """Its head reads its embedding, which are those of the members side by side; one voter says what it says alone."""
    model = Ensemble(trio).eval()
    together = embed(model, tiny.test)
    assert np.array_equal(together, np.concatenate([embed(m, tiny.test) for m in trio], 1))
    torch.testing.assert_close(model.head(torch.from_numpy(together)), model(tiny.test.x))
    assert model.head.out_features == 4 and voters(model.state_dict()) == 3 and voters(trio[0].state_dict()) == 0
    torch.testing.assert_close(Ensemble(trio[:1])(tiny.test.x).softmax(1), trio[0](tiny.test.x).softmax(1))


def test_an_ensemble_comes_back_from_the_store(store):
    training = Training(data=Data(train=100, test=50), epochs=2)
    run = Run(training=training, forget="0-9", unlearner=SISA(shards=2, slices=1, epochs=2))
    result = door.fulfil(store, run)
    model = trained_models.load_model(store, training, result)
    assert isinstance(model, Ensemble) and voters(model.state_dict()) == 2
    images = load(training.data, store.root / "data")
    assert np.array_equal(predict(model, images.test).logits, result.arrays("logits")["test"])
