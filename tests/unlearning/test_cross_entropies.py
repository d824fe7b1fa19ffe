"""Losses that are sums of mean cross-entropies are known as such, and no others are."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.test_stacking import LOSSES
from unlearn_core.models import new_model
from unlearn_core.params import param, spec
from unlearn_core.rows import others
from unlearn_core.unlearning import ALGORITHMS, GradientUnlearner, Request, unlearn_together
from unlearn_core.unlearning.cross_entropies import factors_of, meant_batch, meant_number
from unlearn_core.unlearning.descent import Step
from unlearn_core.unlearning.stacked import only_says_its_loss
from unlearn_core.unlearning.stacked_loss import StackedLoss

BOTH = Step(meant_batch("forget"), meant_batch("retain"), epoch=0, of=0.0)


def mean(model, step, of="retain"):
    return F.cross_entropy(model(getattr(step, of).x), getattr(step, of).y)


SUMS = {
    "one": (lambda m, o, s: mean(m, s), {"retain": 1.0}),
    "less than nothing": (lambda m, o, s: -mean(m, s, "forget"), {"forget": -1.0}),
    "both": (lambda m, o, s: 3 * mean(m, s) - mean(m, s, "forget") / 4, {"retain": 3.0, "forget": -0.25}),
    "twice the same": (lambda m, o, s: mean(m, s) + mean(m, s) * 2, {"retain": 3.0}),
    "from a number": (lambda m, o, s: 1 - (2 + mean(m, s)), {"retain": -1.0}),
    "added up": (lambda m, o, s: sum([mean(m, s), mean(m, s, "forget")]), {"retain": 1.0, "forget": 1.0}),
    "by the epoch": (lambda m, o, s: (s.epoch + 2) * mean(m, s), {"retain": 2.0}),
    "a copy of both": (lambda m, o, s: mean(m, s) - mean(m, s) + mean(m, s, "forget"), {"retain": 0.0, "forget": 1.0}),
}


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_of_cross_entropies_is_known_by_its_factors(name):
    loss, expected = SUMS[name]
    assert factors_of(loss, BOTH) == expected


def test_factors_of_members_that_differ_are_reckoned_for_each():
    alpha = torch.tensor([0.25, 0.75], dtype=torch.float64)
    own = meant_number(alpha)
    found = factors_of(lambda m, o, s: own * mean(m, s) - (1 - own) / 2 * mean(m, s, "forget") + own, BOTH)
    torch.testing.assert_close(found["retain"], alpha)
    torch.testing.assert_close(found["forget"], (alpha - 1) / 2)


OTHERS = {
    "no cross-entropy": lambda m, o, s: m(s.retain.x).square().mean(),
    "its square": lambda m, o, s: mean(m, s) ** 2,
    "a product of two": lambda m, o, s: mean(m, s) * mean(m, s, "forget"),
    "one over it": lambda m, o, s: 1 / mean(m, s),
    "its mean over members": lambda m, o, s: mean(m, s).mean(),
    "cut off": lambda m, o, s: mean(m, s).clamp(max=1),
    "the larger": lambda m, o, s: torch.maximum(mean(m, s), mean(m, s, "forget")),
    "other images": lambda m, o, s: F.cross_entropy(m(s.retain.x + 0.1), s.retain.y),
    "some images": lambda m, o, s: F.cross_entropy(m(s.retain.x[:2]), s.retain.y[:2]),
    "labels of the other batch": lambda m, o, s: F.cross_entropy(m(s.retain.x), s.forget.y),
    "labels moved on": lambda m, o, s: F.cross_entropy(m(s.retain.x), (s.retain.y + 1) % 10),
    "labels of its own": lambda m, o, s: F.cross_entropy(m(s.retain.x), torch.zeros(8, dtype=torch.long)),
    "an answer asked again": lambda m, o, s: F.cross_entropy(m(m(s.retain.x)), s.retain.y),
    "the original": lambda m, o, s: mean(o, s),
    "features": lambda m, o, s: mean(m, s) + m.embed(s.retain.x).norm(),
    "weights": lambda m, o, s: mean(m, s) + sum(p.abs().sum() for p in m.parameters()),
    "how many": lambda m, o, s: mean(m, s) * len(s.retain.y),
    "a number alone": lambda m, o, s: torch.tensor(1.0),
    "its size looked at": lambda m, o, s: mean(m, s) if mean(m, s) > 1 else -mean(m, s),
    "settings added up over members": lambda m, o, s: meant_number(torch.ones(2)).sum() * mean(m, s),
    "added in place": lambda m, o, s: mean(m, s).add_(1),
    "added with an option": lambda m, o, s: torch.add(mean(m, s), mean(m, s), alpha=2),
}


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_loss_is_not_taken_for_one(name):
    assert factors_of(OTHERS[name], BOTH) is None


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "mean"])
def test_a_cross_entropy_with_options_is_another_loss(name):
    assert factors_of(lambda m, o, s: LOSSES[name](m(s.retain.x), s.retain.y), BOTH) is None


def test_which_algorithms_are_sums_of_cross_entropies():
    found = {name for name, cls in ALGORITHMS.items() if only_says_its_loss(cls()) and factors_of(cls().loss, BOTH)}
    alone = {"fine-tune", "cf-k", "eu-k", "mini-unlearning", "ct"}
    assert found == alone | {"random-label", "salun", "amnesiac", "neggrad", "neggrad-plus", "boundary-expand"}


@spec
class Pulled(GradientUnlearner):
    """Both sets with numbers of a member's own; some images are not looked at where `skip` says so."""

    title = "pulled"
    walk = "paired"

    alpha: float = param(0.5, 0.0, 1.0, help="of the retain set")
    skip: bool = param(False, help="whether some images are passed over")

    def loss(self, model, original, step):
        forget = F.cross_entropy(model(step.forget.x), step.forget.y)
        return self.alpha * F.cross_entropy(model(step.retain.x), step.retain.y) - (1 - self.alpha) * forget / 3

    def labels(self, request, epoch):
        return torch.where(torch.arange(len(request.y)) % 3 == 0, -100, request.y) if self.skip else request.y


@pytest.mark.parametrize("skip", [False, True])
def test_the_formula_is_what_differentiation_finds(digits, monkeypatch, skip):
    """Runs with settings of their own, by the formula and with it switched off; with images that cross-entropy passes
    over, which the formula does not know, it is not asked.
    """
    n, calls = len(digits.train.y), []
    model, forget = new_model("mlp", digits, 0, 16).eval(), np.arange(30)
    request = Request(digits.train.x, digits.train.y, forget, others(forget, n), len(digits.classes), seed=0)
    unlearners = [Pulled(alpha=alpha, skip=skip, epochs=1) for alpha in (0.9, 0.6)]
    differentiated = StackedLoss._by_differentiation
    monkeypatch.setattr(StackedLoss, "_by_differentiation", lambda *a: calls.append(1) or differentiated(*a))
    found = unlearn_together(unlearners, [model] * 2, [request] * 2)
    assert bool(calls) == skip
    monkeypatch.setattr("unlearn_core.unlearning.stacked_loss.factors_of", lambda *asked: None)
    plain = unlearn_together(unlearners, [model] * 2, [request] * 2)
    assert calls
    for ours, theirs in zip(found, plain, strict=True):
        for p, q in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)
    first, second = (torch.cat([p.flatten() for p in one.model.parameters()]) for one in found)
    assert not torch.equal(first, second)
