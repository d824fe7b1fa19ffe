"""The direction of every algorithm: none may learn what it is asked to forget.

Nothing in the images that stay tells labels that are wrong without a rule, so whatever forgets can only raise the loss
on them, or leave it. A loss of the wrong sign lowers it.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.unlearning.common import BATCH, EPOCHS, quick
from tests.unlearning.conftest import asking
from unlearn_core.training import train
from unlearn_core.unlearning import ALGORITHMS
from unlearn_core.unlearning.push_away.neggrad_plus import NegGradPlus

FORGET = np.arange(10, 50)
NOISE = 0.02  # what a step may change beside its purpose


@pytest.fixture(scope="module")
def mislabelled(tiny):
    """`tiny` with wrong labels on the images to forget."""
    y = tiny.train.y.clone()
    y[FORGET] = (y[FORGET] + 1 + torch.arange(len(FORGET)) % 3) % 4
    return replace(tiny, train=tiny.train._replace(y=y))


@pytest.fixture(scope="module")
def long(tiny_training):
    """A training that half learns wrong labels, so that a loss can go either way."""
    return tiny_training.but(epochs=30)


@pytest.fixture(scope="module")
def learned(mislabelled, long):
    return train(long, mislabelled, np.arange(len(mislabelled.train.y))).model


def loss(model, images):
    with torch.no_grad():
        return F.cross_entropy(model(images.train.x[FORGET]), images.train.y[FORGET]).item()


# Those that go towards an answer of other models, which may be surer of a wrong label than this one. Their own tests
# hold where they go.
TOWARDS = {
    "oracle-matching": "the mean answer of models retrained for two epochs, which are sure of nothing",
    "remi": "the confidence on validation images, whose labels are right",
}
TESTED = [name for name, cls in ALGORITHMS.items() if "classes" not in cls.needs and name not in TOWARDS]


@pytest.mark.parametrize("name", TESTED)
def test_it_does_not_learn_what_it_is_to_forget(name, learned, mislabelled, long, tiny_request):
    request = asking(mislabelled, long, tiny_request)(name)
    before, after = (loss(model, mislabelled) for model in (learned, quick(name)(learned, request).model))
    assert 0.5 < before < 2.0
    assert after > before - NOISE


def test_a_loss_of_the_wrong_sign_is_seen(learned, mislabelled, tiny_request):
    class Wrong(NegGradPlus):
        def loss(self, model, original, step):
            return sum(F.cross_entropy(model(batch.x), batch.y) for batch in (step.forget, step.retain))

    request = tiny_request(y=mislabelled.train.y)
    wrong = Wrong(epochs=EPOCHS, batch=BATCH)(learned, request).model
    assert loss(wrong, mislabelled) < loss(learned, mislabelled) - NOISE
