"""Algorithms that see the retain set only, against the formulas of their sources."""

import numpy as np
import pytest
from torch.nn import functional as F

from tests.unlearning.common import SHARED, same, weights
from unlearn_core.unlearning import Request
from unlearn_core.unlearning.gradient import Step
from unlearn_core.unlearning.request import Batch
from unlearn_core.unlearning.retain_only.fine_tune import FineTune
from unlearn_core.unlearning.retain_only.l1_sparse import L1Sparse

IDENTITIES = {
    "L1-sparse without its penalty is fine-tuning": (L1Sparse(alpha=0.0, **SHARED), FineTune(**SHARED)),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_identities_hold_bit_for_bit(case, tiny_model, asked):
    one, other = IDENTITIES[case]
    assert same(one(tiny_model, asked(seed=3)).model, other(tiny_model, asked(seed=3)).model)
    assert not same(one(tiny_model, asked(seed=3)).model, tiny_model)


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


def test_l1_makes_weights_small(tiny_model, asked):
    plain, sparse = (
        cls(epochs=5, lr=0.05)(tiny_model, asked()).model for cls in (FineTune, lambda **k: L1Sparse(alpha=0.01, **k))
    )
    assert sum(float(p.abs().sum()) for p in weights(sparse)) < 0.8 * sum(float(p.abs().sum()) for p in weights(plain))


def quick_request(images):
    return Request(images.train.x, images.train.y, np.arange(40), np.arange(40, 300), 4)
