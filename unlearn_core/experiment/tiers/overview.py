"""All lines of an audit as one table: what the unlearned models read, what the perfect ones do, and how they differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from unlearn_core.attacks import Measured
from unlearn_core.attacks.blocks import over_blocks
from unlearn_core.evaluation import METRICS, Estimate, over_seeds, paired_difference, values_of, within
from unlearn_core.experiment.comparison import side_of_zero, two_agree
from unlearn_core.words import MISSING, missing

COLUMNS = ("metric", "on", "by")
SHOWN = ("unlearned", "original", "retrained")
# The unit of lines whose retrained values come from splitting the retrained models in two, again and again.
SPLITS = "splits of the retrained models"
BLOCKS = "blocks of three shadows"
# Two retrained models lie as far apart in these as any two, or they read high where nothing is forgotten, or depend on
# how many models were made side by side.
DIAGNOSTICS = ("speedup", "weight_distance", "relative_weight_distance", "epistemic_efficacy")
# Why these numbers are not quite those of a study's own table, wherever the two stand beside each other.
BESIDE_A_STUDY = (
    "Where an audit compares two models it is always with a second retrained one of another seed, so its numbers "
    "differ a little from those of Compare, which compares within a seed, and what lies at the edge may be told there "
    "and not here, or the other way round."
)
RULE = (
    "A number is called different where the whole interval of its difference to retraining misses 0 and the "
    "difference exceeds the noise floor: the most that one retrained model may differ from another."
)


def overview(numbers: pd.DataFrame) -> pd.DataFrame:
    """One line for each metric, group of images and attack, from lines of all kinds of model and all that was sampled.

    `unlearned`, `original`, `retrained` are means over what was sampled (`unit`: seeds, blocks of shadow models, ...;
    `count`: how many) with `..._low` and `..._high` of the 95 % interval, NaN where there is none. `gap` is unlearned
    minus retrained with its `gap_half_width`, paired where that is possible; `power` original minus retrained and
    `has_power`, whether the two can be told apart; `floor` the most that one retrained model may differ from another.
    `side` is 1 or -1 where the unlearned models lie above or below the retrained ones beyond interval and floor, 0
    where they do not, None where that cannot be told. `says` puts it in words, `why` says what is missing.
    """
    lines = [
        {**dict(zip(COLUMNS, key, strict=True)), **_line(key[0], group)}
        for key, group in numbers.groupby(list(COLUMNS), sort=False)
    ]
    return pd.DataFrame(lines).astype({"side": object, "has_power": object})


@dataclass(frozen=True)
class Compared:
    """How the unlearned and the original models lie to the retrained ones."""

    gap: Estimate
    power: Estimate
    floor: float | None
    side: int | None
    power_side: int | None


def _line(metric: str, group: pd.DataFrame) -> dict:
    kinds = {kind: own.sort_values("seed") for kind, own in group.groupby("kind")}
    found = {kind: _with_interval(kinds.get(kind)) for kind in SHOWN}
    if (group["unit"] == SPLITS).any():
        compared = _among_splits(kinds)
    elif (group["unit"] == BLOCKS).any():
        compared = _among_blocks(kinds)
    elif "low" in group and group["low"].notna().any():
        compared = _by_intervals(found)
    else:
        compared = _paired(group)
    side = None if metric in DIAGNOSTICS else _firm(compared.side, kinds)
    line = {f"{kind}{name}": value for kind, each in found.items() for name, value in each.items()}
    line |= {"gap": compared.gap.mean, "gap_half_width": compared.gap.half_width, "power": compared.power.mean}
    line |= {"has_power": None if compared.power_side is None else compared.power_side != 0, "floor": compared.floor}
    says = "a diagnostic, no verdict" if metric in DIAGNOSTICS else in_words(metric, group["on"].iloc[0], side)
    line |= {"side": side, "says": says, "unit": group["unit"].iloc[0], "count": compared.gap.n}
    asked = (kinds[kind]["why"] for kind in ("unlearned", "retrained") if kind in kinds)
    agree = "two seeds agree, which says nothing of others" if side is None and two_agree(compared.gap) else ""
    return line | {"why": next((why for column in asked for why in column if why), agree)}


def _with_interval(own: pd.DataFrame | None) -> dict[str, float | None]:
    """The mean of a kind of model and its interval: that of a single value came with it, of splits it is their span."""
    if own is None:
        return {"": None, "_low": None, "_high": None}
    values = values_of(own["value"])
    found = over_seeds(values)
    if own["unit"].iloc[0] == SPLITS and found.n > 1:
        return {"": found.mean, "_low": min(values), "_high": max(values)}
    if own["unit"].iloc[0] == BLOCKS:
        blocks = over_blocks(values)
        return {"": blocks.value, "_low": blocks.low, "_high": blocks.high}
    if found.half_width is not None:
        return {"": found.mean, "_low": found.mean - found.half_width, "_high": found.mean + found.half_width}
    low, high = (values_of(own[name])[0] if name in own else None for name in ("low", "high"))
    return {"": found.mean, "_low": low, "_high": high}


def _paired(group: pd.DataFrame) -> Compared:
    """Differences between models of the same seed (or block), with intervals over these."""
    table = group.pivot(index="seed", columns="kind", values="value").sort_index()
    values = {kind: values_of(column) for kind, column in table.items()}
    blank = [None] * len(table)
    retrained = values.get("retrained", blank)
    gap, power, floor = (
        paired_difference(values.get(kind, blank), retrained) for kind in ("unlearned", "original", "again")
    )
    noise = None if floor.mean is None else abs(floor.mean) + (floor.half_width or 0.0)
    side = side_of_zero(gap)
    if side and noise is not None and abs(gap.mean) <= noise:
        side = 0
    return Compared(gap, power, noise, side, side_of_zero(power))


def _among_splits(kinds: dict[str, pd.DataFrame]) -> Compared:
    """One value beside those of many splits of the retrained models: it stands out where it lies beyond all of them."""
    splits = [v for v in values_of(kinds["retrained"]["value"]) if v is not None]
    gaps, sides = [], []
    for kind in ("unlearned", "original"):
        value = values_of(kinds[kind]["value"])[0]
        known = value is not None and len(splits) > 0
        gaps.append(Estimate(value - over_seeds(splits).mean if known else None, None, len(splits)))
        sides.append((int(value > max(splits)) - int(value < min(splits))) if known else None)
    floor = max(splits) - min(splits) if splits else None
    return Compared(*gaps, floor, *sides)


def _among_blocks(kinds: dict[str, pd.DataFrame]) -> Compared:
    """Differences between means over blocks of shadow models, each with its own interval."""
    found = {kind: over_blocks(values_of(own["value"])) for kind, own in kinds.items()}
    gaps = [gap_over_blocks(found[kind], found["retrained"], len(kinds[kind])) for kind in ("unlearned", "original")]
    return Compared(*gaps, None, *(side_of_zero(gap) for gap in gaps))


def gap_over_blocks(found: Measured, target: Measured, blocks: int) -> Estimate:
    """How far a mean over so many blocks lies above another, each with its own interval."""
    return Estimate(
        found.value - target.value, math.hypot(found.high - found.value, target.high - target.value), blocks
    )


def _by_intervals(found: dict[str, dict[str, float | None]]) -> Compared:
    """Single values with intervals of their own: they can be told apart where these do not meet."""
    target = found["retrained"]
    gaps, sides = [], []
    for kind in ("unlearned", "original"):
        own = found[kind]
        known = None not in (own[""], own["_low"], target[""], target["_low"])
        gaps.append(Estimate(own[""] - target[""] if known else None, None, 1))
        sides.append(int(own["_low"] > target["_high"]) - int(own["_high"] < target["_low"]) if known else None)
    return Compared(*gaps, None, *sides)


def _firm(side: int | None, kinds: dict[str, pd.DataFrame]) -> int | None:
    """The side, unless values are bounds that leave it open: "at least" of an unlearned model can only lie higher."""
    if side is None:
        return None
    bounds = [
        int(b) * sign
        for kind, sign in (("unlearned", 1), ("retrained", -1))
        if kind in kinds and "bound" in kinds[kind]
        for b in kinds[kind]["bound"].dropna()
        if b
    ]
    return side if all(bound == side for bound in bounds) else None


def in_words(metric: str, on: str, side: int | None) -> str:
    """The side on which unlearned models lie of retrained ones for some images, in words."""
    if side is None:
        return "cannot be told"
    row = METRICS[metric]
    if side == 0:
        return "not told from retraining"
    if row.remembers and on not in ("retain", "test"):  # these were never to be forgotten
        return "remembers more than retraining" if side == row.remembers else "over-unlearned"
    if row.direction == "closer_to_retrain":
        return "above retraining" if side == 1 else "below retraining"
    return "better than retraining" if (side == 1) == (row.direction == "better") else "worse than retraining"


def verdict(line: pd.Series) -> str:
    """A line of the overview in words: what is missing where nothing can be told, and where the number could not have
    found anything, since the original cannot be told from it either.
    """
    if pd.isna(line["side"]):
        why = missing(line["why"], "readings of unseen images" if line.get("unit") == BLOCKS else "unseen images")
        return why if why.startswith(MISSING) else ": ".join(filter(None, (line["says"], why)))
    return f"{line['says']}, nor is the original" if tells(line) is None else line["says"]


def tells(line: pd.Series) -> bool | None:
    """Whether a line of the overview tells the method from retraining; None where that is not known, or where it finds
    nothing and would not have found the original either.
    """
    if pd.isna(line["side"]):
        return None
    blind = not line["side"] and not pd.isna(line["has_power"]) and not line["has_power"]
    return None if blind else bool(line["side"])


def shown(line: pd.Series, kind: str) -> tuple[float, float, float]:
    """What a kind of model reads in a line of the overview, and the ends of its interval as far as they are possible:
    no share lies below 0 or above 1.
    """
    value, low, high = (line[f"{kind}{end}"] for end in ("", "_low", "_high"))
    return (value, low, high) if pd.isna(low) else (value, *within(low, high, METRICS[line["metric"]].ends))


def tally(title: str, table: pd.DataFrame) -> str:
    """How many numbers of an overview tell a method from retraining, and in which way; the same wherever it is said."""
    judged = table[table["side"].notna()]
    off = judged[judged["side"] != 0]
    if off.empty:
        return f"None of {len(judged)} numbers tells {title} from retraining beyond the noise of the seeds."
    said = ", ".join(f"{count} {_way(says, count)}" for says, count in off["says"].value_counts().items())
    one = len(off) == 1
    return (
        f"{len(off)} of {len(judged)} numbers {'tells' if one else 'tell'} {title} from retraining: {said}. By chance "
        f"alone it would be at most about {round(0.05 * len(judged))}. Many of them measure nearly the same, so count "
        "kinds, not numbers."
    )


NO_SIDE = "where no side means remembering"


def _way(says: str, count: int) -> str:
    several, one = {
        "remembers more than retraining": ("say that it remembers more", "says that it remembers more"),
        "over-unlearned": ("say that it is over-unlearned", "says that it is over-unlearned"),
        "worse than retraining": ("are worse", "is worse"),
        "better than retraining": ("are better", "is better"),
        "above retraining": (f"lie above it, {NO_SIDE}", f"lies above it, {NO_SIDE}"),
        "below retraining": (f"lie below it, {NO_SIDE}", f"lies below it, {NO_SIDE}"),
    }[says]
    return one if count == 1 else several
