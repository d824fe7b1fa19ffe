"""Shadow models in thirds: for every audited image as many models that were asked to forget it as models that keep it
and models that never saw it.

Each forget image stands in a triple with two others (mates): of the same class, and as near in confidence during
training as those that are kept allow. In each shadow model one of a triple is kept (IN), one was never trained on (OUT)
and one is unlearned (UNLEARN). So every shadow forgets as many images as the audited run, of the same classes and in
parts of the same sizes. Where the forget set holds most of what is hard, its mates are easier, and so is what a shadow
forgets: `beside_mates` of shadow_attack.py says by how much. In three neighbouring shadows (a block) each image has
each role once.

Source: Hayes et al. (2024), "Inexact Unlearning Needs More Careful Evaluations", arXiv:2403.01218, in the design with
three roles of equal size.
Departs from it: triples instead of roles drawn freely.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from scipy.optimize import linear_sum_assignment

from unlearn_core.params import BadValue
from unlearn_core.rows import others, pack, unpack
from unlearn_core.rum import Rum
from unlearn_core.unlearning import Unlearner

BLOCK = 3  # shadows in which each image has each role once


class Role(IntEnum):
    IN = 0
    OUT = 1
    UNLEARN = 2


def triples(forget: np.ndarray, labels: np.ndarray, likeness: np.ndarray, seed: int) -> np.ndarray:
    """(3, k) rows: the forget images (k,), and for each two others that no triple shares.

    Others are of the same class and are matched all at once, so that their `likeness` (n,) is as near as can be.
    Raises BadValue where a class has not enough of them, as when the whole class is to be forgotten: shadows that
    forget some images of several classes would say nothing of it.
    """
    left = others(forget, len(labels))
    for label, count in zip(*np.unique(labels[forget], return_counts=True), strict=True):
        if (there := int((labels[left] == label).sum())) < 2 * count:
            raise BadValue(
                f"Shadow models need two further images of the same class for each to forget; of class number {label} "
                f"{count} are to be forgotten and {there} are left."
            )
    left = np.random.default_rng([seed, 0x3D]).permutation(left)  # equally near ones are taken by chance
    mates = np.empty((2, len(forget)), np.int64)
    for number in range(2):
        for label in np.unique(labels[forget]):
            wanting, there = np.flatnonzero(labels[forget] == label), left[labels[left] == label]
            apart = np.abs(likeness[forget[wanting], None] - likeness[there])
            own, match = linear_sum_assignment(apart)
            mates[number, wanting[own]] = there[match]
        left = left[~np.isin(left, mates[number])]
    return np.vstack([forget, mates])


def deal_roles(count: int, shadows: int, seed: int) -> np.ndarray:
    """(shadows, 3, count) int8 of Role: in every shadow each triple has each role once, and in every block of three
    shadows each image does. Raises BadValue unless `shadows` is a multiple of three.
    """
    if shadows < BLOCK or shadows % BLOCK:
        raise BadValue(f"Shadow models in thirds come in threes, not {shadows}.")
    roles = np.empty((shadows, 3, count), np.int8)
    for block in range(shadows // BLOCK):
        rng = np.random.default_rng([seed, block, 0x3E])
        first = rng.permuted(np.tile(np.arange(3, dtype=np.int8)[:, None], count), axis=0)
        turn = rng.choice([1, 2], count).astype(np.int8)
        for place in range(BLOCK):
            roles[BLOCK * block + place] = (first + place * turn) % 3
    return roles


def left_out(rows: np.ndarray, roles: np.ndarray) -> str:
    """What a shadow with roles (3, k) is not trained on."""
    return pack(rows[roles == Role.OUT])


def to_forget(rows: np.ndarray, roles: np.ndarray) -> str:
    """What a shadow with roles (3, k) is asked to forget."""
    return pack(rows[roles == Role.UNLEARN])


def asked(unlearner: Unlearner, rows: np.ndarray, roles: np.ndarray) -> Unlearner:
    """The algorithm for a shadow: of a plan, each part holds those who stand in for the images of the plan's part."""
    if not isinstance(unlearner, Rum):
        return unlearner
    stand_in = dict(zip(rows[0].tolist(), rows.T[roles.T == Role.UNLEARN].tolist(), strict=True))
    parts = [
        part.but(rows=pack([stand_in[row] for row in unpack(part.rows, rows.max() + 1)])) for part in unlearner.parts
    ]
    return unlearner.but(parts=tuple(parts))
