"""Which rows each member of a bank sees, and the seed it has: pure functions of the bank's seed and its number."""

from __future__ import annotations

import numpy as np


def balanced_subsets(n: int, models: int, share: float, seed: int) -> np.ndarray:
    """(models, n) bool: which rows each member trains on. Every member sees round(share n) rows.

    Every row is left out of the same number of members, up to one where models * (1 - share) is not whole. Members'
    left-out rows are dealt from shuffled decks of all rows, one deck after the other, so no row is dealt twice before
    all were dealt once. Balanced subsets estimate memorization better than independent ones when members are few.
    """
    rng = np.random.default_rng([seed, 0xBA7C])
    out = n - round(share * n)
    member = np.ones((models, n), bool)
    deck = rng.permutation(n)
    for m in range(models):
        hand, deck = deck[:out], deck[out:]
        if len(hand) < out:
            # The new deck first deals rows that this hand does not hold already.
            fresh = rng.permutation(n)
            held = np.isin(fresh, hand)
            fresh = np.concatenate([fresh[~held], fresh[held]])
            missing = out - len(hand)
            hand, deck = np.concatenate([hand, fresh[:missing]]), rng.permutation(fresh[missing:])
        member[m, hand] = False
    return member


def member_seed(bank_seed: int, member: int) -> int:
    """An independent seed for each member (never seed + member: neighbouring banks would share models)."""
    return int(np.random.SeedSequence([bank_seed, member]).generate_state(1)[0] >> 1)
