"""What a run of each algorithm in its quick form must count: steps, gradients on forget and on retain images."""

import math

import pytest

from tests.unlearning.common import BATCH, EPOCHS, FORGET, RETAIN

PER_EPOCH = math.ceil(RETAIN / BATCH)
ROUND = [32, 8]  # batches of one round through the forget set
COSTS = {
    # ends of the scale
    "original": (0, 0, 0),
    "retrain": (EPOCHS * PER_EPOCH, 0, 2 * RETAIN),
    "sisa": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    # retain set only
    "fine-tune": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "l1-sparse": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "cf-k": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "eu-k": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "noisy-fine-tune": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "langevin-head": (21 + 30, 21 * FORGET, (21 + 30) * RETAIN),  # learning, then the steps that certify
    # push away
    "neggrad": (EPOCHS * 2, EPOCHS * FORGET, 0),
    "neggrad-plus": (EPOCHS * PER_EPOCH, EPOCHS * sum((ROUND * 5)[:PER_EPOCH]), EPOCHS * RETAIN),
    # relabel
    "random-label": (EPOCHS * math.ceil(300 / BATCH), EPOCHS * FORGET, EPOCHS * RETAIN),
    "salun": (EPOCHS * math.ceil(300 / BATCH), (EPOCHS + 1) * FORGET, EPOCHS * RETAIN),  # and once for the mask
    "boundary-shrink": (EPOCHS * 2, (EPOCHS + 1) * FORGET, 0),  # and once for the nearest classes
    "boundary-expand": (EPOCHS * 2, EPOCHS * FORGET, 0),
    "delete": (EPOCHS * 2, EPOCHS * FORGET, 0),
    "unsir": (EPOCHS * math.ceil(225 / BATCH), 0, EPOCHS * 225),  # one class of four forgotten
    # distil
    "scrub": (EPOCHS * (PER_EPOCH + 2), EPOCHS * FORGET, EPOCHS * RETAIN),
    "scrub-r": (EPOCHS * (PER_EPOCH + 2), EPOCHS * FORGET, EPOCHS * RETAIN),
    "bad-teacher": (EPOCHS * math.ceil((FORGET + 78) / BATCH), EPOCHS * FORGET, EPOCHS * 78),  # 30 % of what is kept
    # besides two oracles, each trained for two epochs
    "oracle-matching": (EPOCHS * math.ceil(4 * FORGET / BATCH), EPOCHS * FORGET, EPOCHS * 3 * FORGET + 4 * RETAIN),
    # perturb weights
    "top-k": (EPOCHS * PER_EPOCH, FORGET + EPOCHS * sum((ROUND * 5)[:PER_EPOCH]), EPOCHS * RETAIN),
    "random-k": (EPOCHS * PER_EPOCH, EPOCHS * sum((ROUND * 5)[:PER_EPOCH]), EPOCHS * RETAIN),
    "fisher": (1, 0, 4 * RETAIN),  # once for each class
    "influence": (1, FORGET, RETAIN + RETAIN),  # the mean gradient, and one for each image
    "ssd": (1, 2 * FORGET, RETAIN),
    "lfssd": (1, 2 * FORGET, RETAIN),
    "lra-npp": (1, 0, 0),  # looks at validation images, without gradients
    # membership
    "remi": (EPOCHS * PER_EPOCH, EPOCHS * sum((ROUND * 5)[:PER_EPOCH]), EPOCHS * RETAIN),
    # gradient history
    # The training again (8 epochs); over its last epoch a gradient of each batch, and of what of it is kept one and a
    # product of the Hessian; repair.
    "mini-unlearning": (EPOCHS * PER_EPOCH, (8 + 1) * FORGET, (8 + 1 + 2 + EPOCHS) * RETAIN),
    "amnesiac": (EPOCHS * PER_EPOCH, 8 * FORGET, (8 + EPOCHS) * RETAIN),
    # influence
    "first-order": (1, FORGET, 0),
    "second-order": (1, FORGET + 2 * 13 * FORGET, 2 * 13 * RETAIN),  # 13 products of the Hessian, then it curves down
    # condensed data
    "condensed": (EPOCHS * PER_EPOCH, 0, (3 + EPOCHS) * RETAIN),  # a bucket for each image, fitted in three steps
    # game
    "munba": (EPOCHS * PER_EPOCH, EPOCHS * sum((ROUND * 5)[:PER_EPOCH]), EPOCHS * RETAIN),
    # challenge
    "fcs": (2 + EPOCHS * (2 + PER_EPOCH), (1 + EPOCHS) * FORGET, EPOCHS * RETAIN),  # those beside go forward only
    "msg": (EPOCHS * PER_EPOCH, FORGET, EPOCHS * RETAIN + FORGET),  # the gradients of as many retain images
    "cfw": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "prmq": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "ct": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "kde": (EPOCHS * PER_EPOCH + 3 * 2, 0, EPOCHS * RETAIN),  # 60 validation images, three times
    "rni": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    # wrappers
    "uwc": (EPOCHS * PER_EPOCH, EPOCHS * sum((ROUND * 5)[:PER_EPOCH]), EPOCHS * RETAIN),  # what is mixed is only asked
}


def counted(name: str) -> tuple[int, int, int]:
    """The line of an algorithm."""
    if name not in COSTS:
        pytest.fail(f'add a line "{name}": (steps, forget, retain) to COSTS in tests/unlearning/costs.py')
    return COSTS[name]
