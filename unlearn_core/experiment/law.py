"""The law in a landscape: how closeness to retraining goes with one thing about forget sets, others held fixed.

Entangled sets are sets of many classes that take little of each, so without the class mix in the regression the slope
of entanglement is that of the class mix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

FACTORS = ("memorization", "entanglement")  # the two that the paper names
# What is held fixed beside the other factor, as a page and a command call it.
HELD = {"size": "number of images", "classes": "number of classes", "class_share": "largest share of a class"}
NOT_TOLD = "cannot be told"
SPANNED = 1e-6  # a column adds nothing where no more than this share of its variance is its own


@dataclass(frozen=True)
class Columns:
    """The right-hand side of the regression: `x` (n, p), each column but the constant with mean 0 and deviation 1.

    `at` says at which column a factor stands and `scale` what one deviation of it is; a factor that is missing there
    has no spread of its own, so its slope cannot be told. `held` and `dropped` are the names in HELD that are in it and
    that add nothing, because they are the same in all sets or follow from others.
    """

    x: np.ndarray
    at: dict[str, int]
    scale: dict[str, float]
    held: tuple[str, ...]
    dropped: tuple[str, ...]


def columns(facts: pd.DataFrame) -> Columns:
    """The columns for sets with these attributes, a line each: what is held, then the factors.

    The number of classes and the largest share of a class have their squares beside them: closeness bends with them,
    and what a straight line leaves of that would go to entanglement.
    """
    size = np.log(facts["size"].to_numpy(np.float64))
    classes, share = (_standard(facts[name].to_numpy(np.float64)) for name in ("classes", "class_share"))
    given = [("size", size), ("classes", classes), ("class_share", share), ("", classes**2), ("", share**2)]
    x, held = np.ones((len(facts), 1)), []
    for name, values in given:
        if _own(x, values):
            x = np.c_[x, _standard(values)]
            held += [name] if name else []
    both = {factor: facts[factor].to_numpy(np.float64) for factor in FACTORS}
    told = {
        factor: values
        for factor, values in both.items()
        if _own(np.c_[x, *(_standard(v) for name, v in both.items() if name != factor)], values)
    }
    at = {factor: x.shape[1] + i for i, factor in enumerate(told)}
    x = np.c_[x, *(_standard(values) for values in told.values())]
    scale = {factor: float(values.std()) for factor, values in told.items()}
    return Columns(x, at, scale, tuple(held), tuple(name for name in HELD if name not in held))


def slopes(given: Columns, values: np.ndarray, originals: np.ndarray) -> dict[str, np.ndarray]:
    """For each factor (3, A): the slope of each column of `values` (n, A) by least squares, and the ends of its 95 %
    interval; NaN where it cannot be told. `originals` (n,) says which original model each set was forgotten by.

    Sets of one original model share its chances, so the interval is that of a jackknife that leaves out one original
    model at a time, with Student's t of one degree less than there are models. With a single one it leaves out one set
    at a time, and speaks of that model alone.
    Source: MacKinnon, Nielsen, Webb (2023), "Cluster-robust inference: A guide to empirical practice", arXiv:2205.03285
    (the estimator CV3 with t(G - 1)).
    """
    whole = _solve(given.x, values)
    groups = originals if len(np.unique(originals)) > 1 else np.arange(len(values))
    names = np.unique(groups)
    without = np.stack([_solve(given.x[groups != g], values[groups != g]) for g in names])
    spread = np.sqrt((len(names) - 1) / len(names) * ((without - whole) ** 2).sum(axis=0))
    half = stdtrit(len(names) - 1, 0.975) * spread
    found = {}
    for factor in FACTORS:
        if factor not in given.at:
            found[factor] = np.full((3, values.shape[1]), np.nan)
            continue
        i = given.at[factor]
        found[factor] = np.stack([whole[i], whole[i] - half[i], whole[i] + half[i]]) / given.scale[factor]
    return found


def side(low: float, high: float) -> str:
    """What an interval of a slope says."""
    if np.isnan(low) or np.isnan(high):
        return NOT_TOLD
    return "falls" if high < 0 else "rises" if low > 0 else "no effect shown"


def _solve(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(p, A) least squares; the smallest of equals."""
    return np.linalg.lstsq(x, values, rcond=None)[0]


def _standard(values: np.ndarray) -> np.ndarray:
    """With mean 0 and deviation 1; all 0 where nothing varies."""
    spread = values.std()
    return (values - values.mean()) / spread if spread > 1e-9 * (1 + np.abs(values).max()) else np.zeros(len(values))


def _own(x: np.ndarray, values: np.ndarray) -> bool:
    """Whether a column has spread that those of x do not explain."""
    standard = _standard(values)
    return bool(((standard - x @ _solve(x, standard)) ** 2).mean() > SPANNED)
