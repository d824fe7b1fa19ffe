"""Algorithms that learn from what other models say, against the formulas of their sources."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.unlearning.common import RETAIN, SHARED, same, weights
from tests.unlearning.costs import PER_EPOCH
from unlearn_core.params import BadValue
from unlearn_core.unlearning import Cost
from unlearn_core.unlearning.descent import Step
from unlearn_core.unlearning.distil.bad_teacher import BadTeacher
from unlearn_core.unlearning.distil.oracle_matching import OracleMatching
from unlearn_core.unlearning.distil.scrub import Scrub
from unlearn_core.unlearning.distil.scrub_rewind import ScrubRewind
from unlearn_core.unlearning.request import Batch, Fresh
from unlearn_core.unlearning.retain_only.fine_tune import FineTune

IDENTITIES = {
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


# -- SCRUB+R -----------------------------------------------------------------------------------------------------------


def error(model, x, y):
    return float((model(x).argmax(1) != y).double().mean())


@pytest.mark.parametrize("seed", [1, 2])
def test_scrub_r_returns_the_epoch_that_forgot_just_enough(seed, tiny_model, asked):
    """The states of SCRUB after 1, 2, ... epochs of one run, and what was wanted of them, by hand. All validation
    images together would want another.
    """
    request = asked(forget=np.flatnonzero(asked().y.numpy() >= 2)[4:44], seed=seed)
    settings = {"epochs": 6, "max_epochs": 6, "lr": 0.1, "batch": 8}
    states = []

    class Watched(Scrub):
        def steps(self, request, context=None, model=None):
            for step in super().steps(request, context, model):
                if step.epoch > len(states):
                    states.append(copy.deepcopy(model).eval())
                yield step

    states.append(Watched(**settings)(tiny_model, request).model)
    x, y = request.validation
    wanted, of_all = error(states[-1], x[y >= 2], y[y >= 2]), error(states[-1], x, y)
    forget = [error(state, request.x[request.forget], request.y[request.forget]) for state in states]
    best, other = (min(range(6), key=lambda n: (abs(forget[n] - w), -n)) for w in (wanted, of_all))
    assert len(states) == 6 and best < 5 and best != other
    assert same(ScrubRewind(**settings)(tiny_model, request).model, states[best])


def test_scrub_r_that_has_one_epoch_is_scrub(tiny_model, asked):
    settings = {"epochs": 1, "max_epochs": 1, "lr": 0.1, "batch": 32}
    assert same(ScrubRewind(**settings)(tiny_model, asked()).model, Scrub(**settings)(tiny_model, asked()).model)


def test_scrub_r_rewinds_running_statistics_too(with_batch_norm, asked):
    """Each state is a whole model: statistics belong to the epoch that the weights are of."""
    seen = []

    class Watched(ScrubRewind):
        def steps(self, request, context=None, model=None):
            for step in super().steps(request, context, model):
                if model is not None and step.epoch > len(seen):
                    seen.append(copy.deepcopy(model.state_dict()))
                yield step
            seen.append(copy.deepcopy(model.state_dict()))

    unlearned = Watched(epochs=3, max_epochs=3, lr=0.05)(with_batch_norm, asked()).model
    states = [[v for k, v in s.items() if "running" in k or "weight" in k] for s in seen]
    ours = [v for k, v in unlearned.state_dict().items() if "running" in k or "weight" in k]
    assert any(all(torch.equal(a, b) for a, b in zip(ours, state, strict=True)) for state in states)


def test_scrub_r_without_validation_images_of_the_classes_is_refused(tiny_model, asked):
    x, y = asked().validation
    request = asked(forget=np.flatnonzero(asked().y.numpy() == 1), validation=Batch(x[y != 1], y[y != 1]))
    with pytest.raises(BadValue, match=r"^SCRUB\+R needs validation images of the classes to forget.*\.$"):
        ScrubRewind()(tiny_model, request)


# -- Bad Teacher -------------------------------------------------------------------------------------------------------


def test_the_bad_teacher_is_the_same_architecture_and_knows_nothing(with_batch_norm, asked):
    student = copy.deepcopy(with_batch_norm)
    teacher, again, other = (BadTeacher().context(student, with_batch_norm, asked(seed=s), None) for s in (0, 0, 1))
    assert same(teacher, again) and not same(teacher, other) and same(student, with_batch_norm)
    assert [p.shape for p in teacher.parameters()] == [p.shape for p in with_batch_norm.parameters()]
    assert not torch.equal(teacher.head.weight, with_batch_norm.head.weight) and not teacher.training


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("sizes", [(12, 30), (12, 0), (0, 30)])
def test_each_image_has_its_own_teacher(sizes, temperature, tiny_model, asked, tiny):
    """By hand in float64, summed over the classes and averaged over the whole batch; one side may be missing."""
    student = FineTune(epochs=1, lr=0.1)(tiny_model, asked()).model
    unlearner = BadTeacher(temperature=temperature)
    bad = unlearner.context(student, tiny_model, asked(), None)
    forget, retain = (
        Batch(tiny.train.x[a : a + n], tiny.train.y[a : a + n]) for a, n in ((0, sizes[0]), (50, sizes[1]))
    )
    total = 0.0
    for teacher, batch in ((bad, forget), (tiny_model, retain)):
        t, s = (m(batch.x).detach().double() / temperature for m in (teacher, student))
        total += float((t.softmax(1) * (t.log_softmax(1) - s.log_softmax(1))).sum()) * temperature**2
    step = Step(forget if sizes[0] else None, retain if sizes[1] else None, 0, 0.0, context=bad)
    loss = float(unlearner.loss(student, tiny_model, step).detach())
    assert loss == pytest.approx(total / sum(sizes), rel=1e-4) and loss > 1e-4


@pytest.mark.parametrize("cls", [BadTeacher, OracleMatching])
def test_forget_and_retain_images_are_shuffled_together(cls, asked):
    """Each image to forget once an epoch, and the same part of the retain set in every epoch."""
    request, unlearner = asked(x=torch.arange(300)[:, None]), cls(epochs=2, batch=32)
    steps = list(unlearner.steps(request))
    assert len(steps) == unlearner.steps_in(request)
    seen = []
    for epoch in (0, 1):
        own = [s for s in steps if s.epoch == epoch]
        forget, retain = (
            torch.cat([b.x for s in own if (b := getattr(s, side)) is not None]).flatten().tolist()
            for side in ("forget", "retain")
        )
        assert sorted(forget) == request.forget.tolist() and set(retain) <= set(request.retain.tolist())
        assert len(set(retain)) == len(retain) == (78 if cls is BadTeacher else 120)
        assert sum(s.forget is not None and s.retain is not None for s in own) >= len(own) - 1
        assert forget != request.forget.tolist()
        seen.append(sorted(retain))
    assert seen[0] == seen[1] and steps[0].retain.x.tolist() != steps[len(steps) // 2].retain.x.tolist()


# -- oracle matching ---------------------------------------------------------------------------------------------------


def test_oracles_never_see_the_forget_set(tiny_model, asked):
    request = asked()
    cost = OracleMatching(epochs=1, oracles=3)(tiny_model, request).cost
    assert len(asked.rows) == 3 and all((rows == request.retain).all() for rows in asked.rows)
    assert cost.retain_gradients == 3 * 2 * RETAIN + 120 and cost.notes == {"steps of the oracles": 3 * 2 * PER_EPOCH}


def test_oracles_differ_from_each_other_and_from_the_retrained_model(asked, tiny_model):
    seeds = []

    def recipe(rows, each, tell):
        seeds.extend(each)
        return (Fresh(copy.deepcopy(tiny_model), 1, 1) for _ in each)

    for seed in (0, 1):
        OracleMatching(epochs=1, oracles=3)(tiny_model, asked(seed=seed, recipe=recipe))
    assert len(set(seeds)) == 6 and min(seeds) > 1000


def test_what_is_matched_are_the_mean_logits_of_the_oracles(tiny_model, asked):
    """By hand: each image of a step beside its own target; rows that are not looked at have none."""
    models = [FineTune(epochs=1, lr=0.1)(tiny_model, asked(seed=s)).model for s in (0, 1)]
    turn = iter(models)
    request = asked(recipe=lambda rows, seeds, tell: (Fresh(next(turn), 1, 1) for _ in seeds))
    unlearner = OracleMatching(epochs=1, oracles=2, batch=32)
    context = unlearner.context(None, tiny_model, request, Cost())
    step = next(unlearner.steps(request, context))
    x = torch.cat([step.forget.x, step.retain.x])
    targets = sum(m(x).detach().double() for m in models) / 2
    expected = (tiny_model(x).detach().double() - targets).square().mean()
    loss = float(unlearner.loss(tiny_model, None, step).detach())
    assert loss == pytest.approx(float(expected), rel=1e-5) and loss > 1e-6
    unseen = np.setdiff1d(request.retain, unlearner.seen(request))
    assert len(unseen) and not context[unseen].any()


def test_the_rate_of_oracle_matching_shrinks_with_each_epoch():
    rates = [OracleMatching(epochs=3, lr=0.01).rate("", number, 6) for number in range(6)]
    assert rates == pytest.approx([0.01, 0.01, 0.0095, 0.0095, 0.009025, 0.009025])


def test_oracle_matching_comes_close_to_the_retrained(tiny_model, asked):
    request = asked(forget=np.flatnonzero(asked().y.numpy() == 2))
    model = OracleMatching(epochs=20, lr=0.01, oracles=2)(tiny_model, request).model
    assert error(model, request.x[request.forget], request.y[request.forget]) > 0.95
    assert error(model, request.x[request.retain], request.y[request.retain]) < 0.1
