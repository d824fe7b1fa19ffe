"""Which rows each member of a bank sees, and the seed it has: pure functions of the bank's seed and its number."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np


def deal(n: int, share: float, seed: int) -> Iterator[np.ndarray]:
    """(n,) bool for member 0, 1, 2, ... without end: which rows it trains on. Each member sees round(share n) rows.

    After any number of members every row was left out equally often, up to one. Left-out rows are dealt from shuffled
    decks of all rows, one deck after the other, so no row is dealt twice before all were dealt once. Balanced subsets
    estimate memorization better than independent ones when members are few.
    """
    rng = np.random.default_rng([seed, 0xBA7C])
    out = n - round(share * n)
    rows = np.arange(n, dtype=np.int32)  # half the memory of numpy's own choice
    deck = rng.permutation(rows)
    while True:
        hand, deck = deck[:out], deck[out:]
        if len(hand) < out:
            # The new deck first deals rows that this hand does not hold already.
            fresh = rng.permutation(rows)
            held = np.isin(fresh, hand)
            fresh = np.concatenate([fresh[~held], fresh[held]])
            missing = out - len(hand)
            hand, deck = np.concatenate([hand, fresh[:missing]]), rng.permutation(fresh[missing:])
        member = np.ones(n, bool)
        member[hand] = False
        yield member


def everywhere(n: int, models: int, share: float) -> bool:
    """Whether each row is in at least one of so many members of `deal`, and left out of at least one."""
    dealt = models * (n - round(share * n))  # how often rows are left out, all together
    return n <= dealt <= n * (models - 1)


def balanced_subsets(n: int, models: int, share: float, seed: int) -> np.ndarray:
    """(models, n) bool: the first members of `deal`, as one table."""
    return np.stack(list(islice(deal(n, share, seed), models)))


def member_seed(bank_seed: int, member: int) -> int:
    """An independent seed for each member (never seed + member: neighbouring banks would share models)."""
    return int(np.random.SeedSequence([bank_seed, member]).generate_state(1)[0] >> 1)
