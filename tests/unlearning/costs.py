"""What a run of each algorithm in its quick form must count: steps, gradients on forget and on retain images."""

import math

from tests.unlearning.common import BATCH, EPOCHS, FORGET, RETAIN

PER_EPOCH = math.ceil(RETAIN / BATCH)
ROUND = [32, 8]  # batches of one round through the forget set
COSTS = {
    # ends of the scale
    "original": (0, 0, 0),
    "retrain": (EPOCHS * PER_EPOCH, 0, 2 * RETAIN),
    # retain set only
    "fine-tune": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    "l1-sparse": (EPOCHS * PER_EPOCH, 0, EPOCHS * RETAIN),
    # push away
    "neggrad": (EPOCHS * 2, EPOCHS * FORGET, 0),
    "neggrad-plus": (EPOCHS * PER_EPOCH, EPOCHS * sum((ROUND * 5)[:PER_EPOCH]), EPOCHS * RETAIN),
    # relabel
    "random-label": (EPOCHS * math.ceil(300 / BATCH), EPOCHS * FORGET, EPOCHS * RETAIN),
    "salun": (EPOCHS * math.ceil(300 / BATCH), (EPOCHS + 1) * FORGET, EPOCHS * RETAIN),  # and once for the mask
    # distil
    "scrub": (EPOCHS * (PER_EPOCH + 2), EPOCHS * FORGET, EPOCHS * RETAIN),
    # perturb weights
    # membership
    # gradient history
    # influence
    # condensed data
    # game
    # challenge
    # wrappers
}
