"""What a landscape teaches: how closeness to retraining goes with what a set is, and what to expect of a set.

For each algorithm a small model of its closeness to retraining is fitted to the sets of a landscape; which kind of
model, cross-validation decides, and where none beats the mean the mean it is. Nothing fitted is ever stored: the table
is, and fitting takes a moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import unlearn_core.experiment.law as law
from unlearn_core.experiment.landscape_sets import ATTRIBUTES
from unlearn_core.experiment.law import FACTORS
from unlearn_core.experiment.reach import Reach, features
from unlearn_core.params import BadValue
from unlearn_core.result import Result

# What is foretold, and the range that it cannot leave.
TARGETS = {"tow": (0.0, 1.0), "auc_gap": (-1.0, 1.0)}
STEP = 0.1  # slopes are given for so much more of a factor
FOLDS, FEWEST = 5, 20
AGAIN = "retrained-again"
REFERENCES = ("original", AGAIN)
ALL = "all algorithms"
SAME = 9  # digits in which algorithms agree that are the same
# Simple kinds first: of equals the first is taken.
KINDS = {
    "mean": DummyRegressor,
    "linear": lambda: make_pipeline(StandardScaler(), Ridge(alpha=1.0)),
    "quadratic": lambda: make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False), Ridge(alpha=10.0)),
    "smooth": lambda: _Centred(make_pipeline(StandardScaler(), KernelRidge(kernel="rbf", gamma=0.1, alpha=0.3))),
}


class _Centred:
    """A model of the distance from the mean: far from all known sets it says the mean, and not 0."""

    def __init__(self, model):
        self.model, self.mean = model, 0.0

    def fit(self, x: np.ndarray, y: np.ndarray) -> _Centred:
        self.mean = y.mean()
        self.model.fit(x, y - self.mean)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.model.predict(x) + self.mean


@dataclass(frozen=True)
class Fitted:
    """How one number of one algorithm goes with the attributes of a set.

    `kind` is one of KINDS; `error` its mean absolute error in cross-validation and `of_mean` that of saying the mean
    each time; `residuals` (n,) the absolute errors in cross-validation, sorted.
    """

    kind: str
    error: float
    of_mean: float
    residuals: np.ndarray
    model: object

    def half_width(self, level: float) -> float:
        """Half the width of an interval that holds a new set with chance `level`; infinite with too few sets for it.

        Source: Vovk, Gammerman, Shafer (2005), "Algorithmic Learning in a Random World" (conformal prediction).
        Departs from the source: residuals of cross-validation take the place of those of sets apart, so the chance is
        about that level and not at least; tests hold it against planted truths.
        """
        n = len(self.residuals)
        rank = math.ceil((n + 1) * level)
        return float(self.residuals[rank - 1]) if rank <= n else math.inf


class Difficulty:
    """A landscape's table as models: `forecast(facts)`, `law`, `along(...)`. Everything is fitted when first asked.

    `algorithms` are those to speak of: of several that read the same on every set only the first, and `same` names the
    others under it. Takes the columns of `landscape.table_so_far`. Raises BadValue with fewer than 20 sets.
    """

    def __init__(self, table: pd.DataFrame):
        if len(table) == 0 or table["set"].nunique() < FEWEST:
            raise BadValue(f"A forecast needs at least {FEWEST} forget sets that are finished.")
        self.table = table
        sets = table.drop_duplicates("set").set_index("set").sort_index()
        self.facts, self.originals = sets[list(ATTRIBUTES)], sets["seed"]
        self.titles: dict[str, str] = dict(zip(table["algorithm"], table["title"], strict=True))
        self.same = _same(table, [name for name in self.titles if name not in REFERENCES])
        self.algorithms = list(self.same)
        self._references = [name for name in REFERENCES if name in self.titles]
        self._fitted = lru_cache(maxsize=None)(self._fit)

    @property
    def twins(self) -> dict[str, list[str]]:
        """Those of `same` that do name others."""
        return {first: others for first, others in self.same.items() if others}

    def fitted(self, algorithm: str, target: str = "tow") -> Fitted:
        """The model of a number of TARGETS for one algorithm."""
        return self._fitted(algorithm, target)

    def _lines(self, algorithm: str, target: str) -> pd.DataFrame:
        lines = self.table[self.table["algorithm"] == algorithm]
        return lines[lines[target].notna()].sort_values("set")

    def _fit(self, algorithm: str, target: str) -> Fitted:
        lines = self._lines(algorithm, target)
        x, y = features(lines), lines[target].to_numpy(np.float64)
        if len(y) < FEWEST:
            raise BadValue(f"A forecast for {self.titles.get(algorithm, algorithm)} needs at least {FEWEST} sets.")
        held_out = {kind: np.empty(len(y)) for kind in KINDS}
        for inside, outside in _folds(len(y)):
            for kind, make in KINDS.items():
                held_out[kind][outside] = make().fit(x[inside], y[inside]).predict(x[outside])
        low, high = TARGETS[target]
        off = {kind: np.abs(np.clip(said, low, high) - y) for kind, said in held_out.items()}
        errors = {kind: float(residuals.mean()) for kind, residuals in off.items()}
        best = min(KINDS, key=lambda kind: round(errors[kind], 9))
        model = KINDS[best]().fit(x, y)
        return Fitted(best, errors[best], errors["mean"], np.sort(off[best]), model)

    def _say(self, fitted: Fitted, x: np.ndarray, target: str, level: float) -> np.ndarray:
        """(n, 3) what is foretold, and the ends of its interval. No ToW is foretold above what `retrained_again` says;
        a measured one may lie above it by chance, so intervals are not cut off there.
        """
        low, high = TARGETS[target]
        said, half = np.clip(fitted.model.predict(x), low, high), fitted.half_width(level)
        least, most = np.clip(said - half, low, high), np.clip(said + half, low, high)
        if target == "tow" and AGAIN in self.titles:
            said = np.minimum(said, self._ceiling(x))
        return np.stack([said, np.minimum(least, said), np.maximum(most, said)], axis=1)

    def _ceiling(self, x: np.ndarray) -> np.ndarray:
        return np.clip(self.fitted(AGAIN).model.predict(x), *TARGETS["tow"])

    def retrained_again(self, facts: dict[str, float]) -> float | None:
        """What one retrained model is expected to read beside another on a set with these ATTRIBUTES; None where the
        landscape did not measure that.
        """
        return float(self._ceiling(features(pd.DataFrame([facts])))[0]) if AGAIN in self.titles else None

    # -- a set that was never run --------------------------------------------------------------------------------------

    def outside(self, facts: dict[str, float]) -> str:
        """Why a set with these attributes is unlike all sets of the landscape, as one sentence; empty where it is not
        (reach.py).
        """
        why = self.reach.why_not(facts, "the measured sets")
        return f"This set is unlike those that were measured: {why}." if why else ""

    @cached_property
    def reach(self) -> Reach:
        """Which sets the landscape can speak of."""
        return Reach(self.facts)

    def forecast(self, facts: dict[str, float], level: float = 0.9) -> pd.DataFrame:
        """What each algorithm is expected to reach on a set with these ATTRIBUTES, indexed by its name: first whose
        interval has the highest lower end, so that what is little known does not lead by that.

        Columns: `title`; `tow` with `low` and `high`, an interval that holds a new set with chance `level`; `auc_gap`
        with `auc_gap_low` and `auc_gap_high`; `seconds` (the median over sets); `kind`, `error` and `of_mean` as in
        Fitted, for ToW. Raises BadValue, one sentence, where the set is unlike all that was measured.
        """
        if refused := self.outside(facts):
            raise BadValue(refused)
        x = features(pd.DataFrame([facts]))
        lines = []
        for name in self.algorithms:
            fitted = self.fitted(name)
            tow = self._say(fitted, x, "tow", level)[0]
            gap = self._say(self.fitted(name, "auc_gap"), x, "auc_gap", level)[0]
            seconds = self.table.loc[self.table["algorithm"] == name, "seconds"].median()
            line = {"algorithm": name, "title": self.titles[name]}
            line |= dict(
                zip(("tow", "low", "high", "auc_gap", "auc_gap_low", "auc_gap_high"), [*tow, *gap], strict=True)
            )
            lines.append(
                line | {"seconds": seconds, "kind": fitted.kind, "error": fitted.error, "of_mean": fitted.of_mean}
            )
        return pd.DataFrame(lines).set_index("algorithm").sort_values(["low", "tow"], ascending=False, kind="stable")

    def measured(self, algorithm: str, target: str = "tow") -> pd.DataFrame:
        """A number of TARGETS for one algorithm on each set that has it, as measured: columns FACTORS and `value`."""
        lines = self._lines(algorithm, target)
        return lines[[*FACTORS]].assign(value=lines[target].astype(float)).reset_index(drop=True)

    def along(
        self, algorithm: str, attribute: str, facts: dict[str, float], target: str = "tow", level: float = 0.9
    ) -> pd.DataFrame:
        """What is foretold of a number of TARGETS as one of FACTORS goes through all that was measured, only where sets
        like that were measured: columns `at`, `said`, `low`, `high`. May be empty.

        Size, class mix and the other factor stay as in `facts`. Confidence goes along as it does between the measured
        sets: it is nearly the other side of memorization, so sets that differ in one alone do not exist, and a model
        that shares an effect out between the two would say a part of it, or its opposite.
        """
        low, high = self.facts[attribute].min(), self.facts[attribute].max()
        places = np.unique(np.r_[np.linspace(low, high, 60), np.clip(facts[attribute], low, high)])
        moved = pd.DataFrame([facts] * len(places)).assign(**{attribute: places})
        least, most = self.facts["confidence"].min(), self.facts["confidence"].max()
        with_it = facts["confidence"] + self._confidence[attribute] * (places - facts[attribute])
        moved["confidence"] = np.clip(with_it, min(least, facts["confidence"]), max(most, facts["confidence"]))
        x = features(moved)
        beyond, far, _ = self.reach.unlike(x)
        inside = ~(beyond.any(axis=1) | far)
        if not inside.any():
            return pd.DataFrame(columns=["at", "said", "low", "high"])
        places, x = places[inside], x[inside]
        said = self._say(self.fitted(algorithm, target), x, target, level)
        return pd.DataFrame({"at": places, "said": said[:, 0], "low": said[:, 1], "high": said[:, 2]})

    @cached_property
    def _confidence(self) -> dict[str, float]:
        """How confidence changes with one more of each of FACTORS, all else as in the law; 0 where that is not told."""
        values = self.facts[["confidence"]].to_numpy(np.float64)
        found = law.slopes(law.columns(self.facts), values, self.originals.to_numpy())
        return {factor: float(np.nan_to_num(slope[0, 0])) for factor, slope in found.items()}

    # -- the law -------------------------------------------------------------------------------------------------------

    @cached_property
    def law(self) -> pd.DataFrame:
        """A line for each algorithm, for REFERENCES, and as ALL for the mean of the algorithms, indexed by name.

        Columns: `title`; for each of FACTORS `<factor>`, the slope of ToW for 0.1 more of it, with its 95 % interval
        `<factor>_low` to `<factor>_high`, and `<factor>_says`: "falls", "rises", "no effect shown" where the interval
        holds 0, or "cannot be told" where the factor is the same in all sets or follows from what is held (then the
        numbers are NaN); the same as `<factor>_auc_gap`... for the privacy gap; `error` and `of_mean` of the forecast
        of ToW (None for ALL); `sets`, how many.

        Slopes are least squares on both factors together with `held()`: sets are compared at one size and class mix,
        and at the same value of the other factor. Intervals leave out one original model at a time (law.py).
        Source: the effect that is looked for: Zhao et al. (2024), arXiv:2406.01257.
        """
        found = {target: self._slopes(target) for target in TARGETS}
        lines = []
        for i, name in enumerate([*self.algorithms, *self._references, ALL]):
            line = {"algorithm": name, "title": self.titles.get(name, "All of these, mean")}
            for target, slopes in found.items():
                for factor in FACTORS:
                    value, low, high = STEP * slopes[factor][:, i]
                    word = factor if target == "tow" else f"{factor}_{target}"
                    line |= {word: value, f"{word}_low": low, f"{word}_high": high, f"{word}_says": law.side(low, high)}
            fitted = self.fitted(name) if name != ALL else None
            line |= {"error": fitted.error if fitted else None, "of_mean": fitted.of_mean if fitted else None}
            lines.append(line | {"sets": len(self.facts)})
        return pd.DataFrame(lines).set_index("algorithm")

    def held(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the law holds fixed beside the other factor, and what it need not, because it is the same in all sets or
        follows from the rest; in words.
        """
        given = law.columns(self.facts)
        return tuple(law.HELD[name] for name in given.held), tuple(law.HELD[name] for name in given.dropped)

    def _slopes(self, target: str) -> dict[str, np.ndarray]:
        """For each factor (3, A): slope and ends of its interval for each line of the law."""
        values = self.table.pivot(index="set", columns="algorithm", values=target)
        values = values[[*self.algorithms, *self._references]].dropna()
        y = np.c_[values.to_numpy(), values[self.algorithms].to_numpy().mean(axis=1)]
        given = law.columns(self.facts.loc[values.index])
        return law.slopes(given, y, self.originals.loc[values.index].to_numpy())


def rivals(forecast: pd.DataFrame) -> list[str]:
    """The titles of the algorithms of a `forecast` whose interval of ToW reaches as high as what the first is expected
    to read, that one left out.
    """
    others = forecast.iloc[1:]
    return others.loc[others["high"] >= forecast["tow"].iloc[0], "title"].tolist()


def _same(table: pd.DataFrame, names: list[str]) -> dict[str, list[str]]:
    """Each algorithm that differs from all before it, with those after it that read the same on every set."""
    numbers = [c for c in ("tow", "forget_gap", "retain_gap", "test_gap", "auc_gap") if c in table]
    lines = table.set_index("set")[["algorithm", *numbers]].sort_index()
    first: dict[bytes, str] = {}
    found: dict[str, list[str]] = {}
    for name in names:
        own = lines.loc[lines["algorithm"] == name, numbers].astype(np.float64).round(SAME) + 0.0  # and no -0.0
        mark = own.index.to_numpy().tobytes() + own.to_numpy().tobytes()
        if mark in first:
            found[first[mark]].append(name)
        else:
            first[mark], found[name] = name, []
    return found


def _folds(n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    deck = np.random.default_rng([n, 0xF01D]).permutation(n)
    for part in np.array_split(deck, FOLDS):
        yield np.setdiff1d(deck, part), part


@lru_cache(maxsize=8)
def _difficulty(folder: str) -> Difficulty:
    from pathlib import Path

    return Difficulty(Result(Path(folder)).table())


def difficulty(landscape: Result) -> Difficulty:
    """What a finished landscape teaches; the last few stay in memory."""
    return _difficulty(str(landscape.folder))
