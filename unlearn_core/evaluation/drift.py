"""Several requests in a row: does what was forgotten stay forgotten, and who else is exposed by it?

Requests and their sets are counted from 1. Seeds are the units: every number is taken within a seed, its interval is
over seeds, and p-values of many sets or images are adjusted after Benjamini and Hochberg, so that of what is called
found a share of at most `level` is expected to be chance.

Source of that adjustment: Benjamini, Hochberg (1995), "Controlling the False Discovery Rate".
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import digamma, ndtr, polygamma, stdtr, stdtrit

from unlearn_core.evaluation.seeds import ROUNDING, Estimate, over_seeds
from unlearn_core.params import BadValue

LEVEL = 0.05
# Variances below this share of the median one are rounding, and would make a sure find of nothing.
SMALLEST_SHARE = 1e-5

DRIFT = ("set", "request", "gap_at_once", "gap", "drift", "half_width", "seeds", "p", "q", "floor", "drifts")
BACK = ("back", "resurges", "remembered")


def drift(
    unlearned: np.ndarray, retrained: np.ndarray, again: np.ndarray, original: np.ndarray, level: float = LEVEL
) -> pd.DataFrame:
    """How each forgotten set moved while later requests were met. A line per set j and later request k.

    All arguments are (S, K, K): seed, request, set; a value such as the accuracy on set j after k requests, under the
    unlearned model, under one retrained without the same k sets, a second such one, and the original (where it is the
    same for all k, repeat it). Cells of k < j are not looked at. NaN = not measurable, and left out.

    `gap_at_once` and `gap`: unlearned - retrained when j was forgotten, and after k. `drift` is the second less the
    first: the change since then beyond the retrained model's own change, with the `half_width` of its 95 % interval
    over `seeds`; `p` of Student's t, `q` the same adjusted for all lines. `floor` is how far the second retrained model
    may lie from the first by this measure. `drifts`: q at most `level`, and further than the floor. `back` is the drift
    counted towards the original (below 0 = away from it); `resurges`: it drifts, and back. `remembered`: after k the
    set reads more like the original than under the retrained model, with the whole interval of the gap. A set that
    resurges and is not remembered makes up for being forgotten too much, as far as can be told. A perfect run, such as
    retraining each time, reads 0 and False, up to the level. None: too few seeds; or, for the last three, the set could
    not be told from the original when it was forgotten, so there is no way back.

    Accuracies on few images move in steps, and the same step in all of a few seeds is no certainty. So the deviation
    between seeds is taken from all lines where the two retrained models are compared, and no drift is believed to vary
    less than the one retrained model in it does: its variance counts at least half of theirs.
    Between real models retrained each time a drift was found in 0 to 1 % of trials (3 to 8 seeds, 3 requests): it takes
    a clear one.

    Raises BadValue for other shapes and a level outside 0 to 1.
    Source: this project. Cumulative requests: Gupta et al. (2021), "Adaptive Machine Unlearning", arXiv:2106.04378.
    """
    tables = [np.asarray(x, np.float64) for x in (unlearned, retrained, again, original)]
    ours, theirs, second, before = tables
    if ours.ndim != 3 or ours.shape[1] != ours.shape[2] or not len(ours) or any(x.shape != ours.shape for x in tables):
        raise BadValue("Values of a stream are tables of seeds by requests by sets, of the same size for all models.")
    _check_level(level)
    cells = list(combinations(range(ours.shape[1]), 2))
    gaps, floors = ours - theirs, second - theirs
    jitter = _deviation([floors[:, k, j] - floors[:, j, j] for j, k in cells])
    lines = []
    for j, k in cells:
        moved = _no_surer(over_seeds(gaps[:, k, j] - gaps[:, j, j]), jitter / np.sqrt(2))
        floor = _no_surer(over_seeds(floors[:, k, j] - floors[:, j, j]), jitter)
        forgot = over_seeds(before[:, j, j] - ours[:, j, j])
        now = over_seeds(gaps[:, k, j])
        line = {"set": j + 1, "request": k + 1, "gap_at_once": over_seeds(gaps[:, j, j]).mean, "gap": now.mean}
        line |= {"drift": moved.mean, "half_width": moved.half_width, "seeds": moved.n, "p": _p_value(moved)}
        line |= {"floor": None if floor.half_width is None else abs(floor.mean) + floor.half_width}
        back = remembered = None
        if forgot.half_width is not None and abs(forgot.mean) > forgot.half_width + ROUNDING and moved.n:
            side = float(np.sign(forgot.mean))
            back = side * moved.mean
            remembered = None if now.half_width is None else side * now.mean > now.half_width + ROUNDING
        lines.append(line | {"back": back, "remembered": remembered})
    for line, q in zip(lines, _adjusted([line["p"] for line in lines]), strict=True):
        known = q is not None and line["floor"] is not None
        line["q"] = q
        line["drifts"] = q <= level and abs(line["drift"]) > line["floor"] + ROUNDING if known else None
        line["resurges"] = None if line["back"] is None or not known else line["drifts"] and line["back"] > 0
    # As objects, so that True, False and None stay what they are.
    return pd.DataFrame(lines, columns=[*DRIFT, *BACK], dtype=object)


def newly_exposed(before: np.ndarray, after: np.ndarray, level: float = LEVEL) -> pd.DataFrame:
    """Who becomes exposed when others are removed: the onion effect, image by image.

    `before` and `after` (S, n): a membership score (higher = more exposed, such as LiRA's) of n images that nobody
    asked to forget, under the models of S seeds, before and after others were removed. A line per image, in their
    order: the means `before` and `after` over seeds, the `rise`, its one-sided `p`, `q` adjusted for all n images, and
    `exposed`: q at most `level`. A perfect run reads what retraining reads: put retrained models in for both, because
    the effect is one of removing, not of how; or put in rises over retraining's rises, before as zeros.

    With few seeds an image's own variance says little, so it is drawn to that of the others (a moderated t-test). Under
    the null something was found in 3 to 7 % of trials between real models retrained without the same images (4 to 10
    seeds, 570 images), and in simulations with 5 seeds in up to 11 %, most where a tenth of the images has three times
    the others' deviation.

    A score that rises for everyone is found for everyone, so look at the median rise too. Raises BadValue for other
    shapes, fewer than two seeds, scores that are not finite and a level outside 0 to 1.
    Source: Carlini et al. (2022), "The Privacy Onion Effect: Memorization is Relative", arXiv:2206.10469; Smyth (2004),
    "Linear Models and Empirical Bayes Methods for Assessing Differential Expression in Microarray Experiments".
    Departs from the paper: it removes the most exposed images and retrains many models; here whatever was asked for is
    removed, and rises are tested image by image over the seeds at hand.
    """
    before, after = (np.asarray(x, np.float64) for x in (before, after))
    if before.ndim != 2 or before.shape != after.shape:
        raise BadValue("Scores before and after are two tables, seeds by images, of the same seeds and images.")
    if len(before) < 2:
        raise BadValue("What the spread between seeds allows is known from two seeds on.")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise BadValue("A score is not a finite number, so its rise cannot be judged.")
    _check_level(level)
    p = _chance_of_rises(after - before)
    q = _discoveries(p)
    means = {"before": before.mean(axis=0), "after": after.mean(axis=0)}
    means["rise"] = means["after"] - means["before"]
    return pd.DataFrame(means | {"p": p, "q": q, "exposed": q <= level})


def _chance_of_rises(rises: np.ndarray) -> np.ndarray:
    """(n,) one-sided p of a mean rise above 0, from rises (S, n), by a moderated t-test."""
    seeds, freedom = len(rises), len(rises) - 1
    mean, variance = rises.mean(axis=0), rises.var(axis=0, ddof=1)
    mean = np.where(np.abs(mean) <= ROUNDING, 0.0, mean)
    spread = variance > ROUNDING**2
    if not spread.any():  # every seed says the same
        return np.where(mean > 0, 0.0, np.where(mean < 0, 1.0, 0.5))
    variance = np.maximum(variance, SMALLEST_SHARE * np.median(variance[spread]))
    prior, typical = _prior(variance[spread], freedom)
    if np.isinf(prior):
        return ndtr(-mean / np.sqrt(typical / seeds))
    moderated = (prior * typical + freedom * variance) / (prior + freedom)
    return stdtr(prior + freedom, -mean / np.sqrt(moderated / seeds))


def _prior(variances: np.ndarray, freedom: int) -> tuple[float, float]:
    """How many degrees of freedom the common variance is worth, and that variance: Smyth's moments of the logarithms.

    Infinite where the variances differ by no more than chance; 0 from fewer than two, which then stand alone.
    """
    if len(variances) < 2:
        return 0.0, 0.0
    logs = np.log(variances) - digamma(freedom / 2) + np.log(freedom / 2)
    beyond = logs.var(ddof=1) - polygamma(1, freedom / 2)
    if beyond <= 0:
        return np.inf, float(np.exp(logs.mean()))
    half = _inverse_trigamma(float(beyond))
    return 2 * half, float(np.exp(logs.mean() + digamma(half) - np.log(half)))


def _inverse_trigamma(value: float) -> float:
    """The x with trigamma(x) = value, by Newton's method on 1 / trigamma, which is nearly a straight line."""
    x = 0.5 + 1 / value
    for _ in range(50):
        at = float(polygamma(1, x))
        step = at * (1 - at / value) / float(polygamma(2, x))
        x += step
        if abs(step) <= 1e-10 * x:
            break
    return x


def _deviation(samples: list[np.ndarray]) -> float:
    """The deviation within samples over seeds, one for all; 0 where none has two known values."""
    variances = [known.var(ddof=1) for x in samples if len(known := x[~np.isnan(x)]) > 1]
    return float(np.sqrt(np.mean(variances))) if variances else 0.0


def _no_surer(found: Estimate, deviation: float) -> Estimate:
    """The estimate, its interval no narrower than this deviation between seeds makes it."""
    if found.half_width is None:
        return found
    least = float(stdtrit(found.n - 1, 0.975)) * deviation / np.sqrt(found.n)
    return replace(found, half_width=max(found.half_width, float(least)))


def _discoveries(p: np.ndarray | list[float]) -> np.ndarray | list[float]:
    """p-values as q-values, the share of false ones among all as small. Source: Benjamini and Hochberg (1995)."""
    from scipy.stats import false_discovery_control  # a large library, which a page need not wait for

    return false_discovery_control(p) if len(p) else p


def _p_value(found: Estimate) -> float | None:
    """Two-sided p of a mean other than 0, from its 95 % t-interval; None without an interval."""
    if found.half_width is None:
        return None
    if found.half_width <= ROUNDING:
        return 1.0 if abs(found.mean) <= ROUNDING else 0.0
    t = abs(found.mean) / found.half_width * stdtrit(found.n - 1, 0.975)
    return float(2 * stdtr(found.n - 1, -t))


def _adjusted(p: list[float | None]) -> list[float | None]:
    known = [value for value in p if value is not None]
    q = iter(_discoveries(known))
    return [None if value is None else float(next(q)) for value in p]


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise BadValue(f"A level of false discoveries lies between 0 and 1, not at {level:g}.")
