"""Algorithms that go up the loss of the forget set, against the formulas of their sources."""

import copy

import pytest
import torch
from torch.nn import functional as F

from tests.unlearning.common import SHARED, same, weights
from unlearn_core.unlearning.descent import Step
from unlearn_core.unlearning.push_away.neggrad import NegGrad
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus
from unlearn_core.unlearning.request import Batch
from unlearn_core.unlearning.retain_only.fine_tune import FineTune

IDENTITIES = {
    "NegGrad+ that weighs only the retain set is fine-tuning": (NegGradPlus(alpha=1.0, **SHARED), FineTune(**SHARED)),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_identities_hold_bit_for_bit(case, tiny_model, asked):
    one, other = IDENTITIES[case]
    assert same(one(tiny_model, asked(seed=3)).model, other(tiny_model, asked(seed=3)).model)
    assert not same(one(tiny_model, asked(seed=3)).model, tiny_model)


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
