"""Numbers in words, the same on pages, in reports and on the command line: no more digits than they carry."""

from __future__ import annotations

import math
import re

from unlearn_core.attacks import Measured
from unlearn_core.entanglement import RANDOM_SETS
from unlearn_core.evaluation import Estimate
from unlearn_core.random_sets import NEARLY_ALL, NEXT_TO_NOTHING

MISSING = "not measurable"
# By which of memorization and entanglement a set exceeds nearly all random sets of its size: what a paper says of it.
HARD = {
    (): (
        f"neither makes it hard to forget: here that takes a place above {NEARLY_ALL:.0%} of random sets, and a mean "
        f"{{0}} above {NEXT_TO_NOTHING:g}."
    ),
    ("memorization",): "its {0} makes it hard to forget; its entanglement does not.",
    ("entanglement",): "its entanglement makes it hard to forget; its {0} does not.",
    ("memorization", "entanglement"): "both make it hard to forget.",
}
APART = " Its low entanglement, it says, makes it easier."


def known(value: float | None) -> bool:
    """Whether there is a value: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def spread(mean: float | None, half_width: float | None = None, signed: bool = False) -> str:
    """A mean with the half width of its interval: 0.904 ± 0.023."""
    if not known(mean):
        return MISSING
    rounded = round(mean, 3) + 0.0  # no minus sign before a zero
    shown = f"{rounded:{'+' if signed and rounded else ''}.3f}".replace("-", "−")
    return f"{shown} ± {half_width:.3f}" if known(half_width) else shown


def missing(why: str, of: str = "unseen images") -> str:
    """Why nothing was measured, for a reader: "not measurable: 397 unseen images, 10,000 are needed" of what attacks
    say of `of` that are too few, with numbers alone, and other reasons as they are. Stored audits hold their sentence,
    so it is put in other words where it is read.
    """
    few = re.fullmatch(r"not measurable with n = (\d+) non-members, needs at least (\d+)", why)
    return f"{MISSING}: {int(few[1]):,} {of}, {int(few[2]):,} are needed" if few else why


def hundredths(value: float) -> str:
    """A score with two decimals: 0.27, and 0.00 for what is just below it."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def estimate(found: Estimate, signed: bool = False) -> str:
    """An estimate over seeds with its interval."""
    return spread(found.mean, found.half_width, signed)


def among_random(share: float, more: str, mark: str = "") -> str:
    """Where a set that exceeds this share (0 to 1) of RANDOM_SETS random ones stands among them: "more entangled than
    37% of random sets" where `more` is "more entangled". At the ends there is no percentage, which would say less than
    is known; sets that read the same do not exceed each other. `mark` goes around the number, such as ** in Markdown.
    """
    if share <= 0:
        return f"no {more} than any of {mark}{RANDOM_SETS}{mark} random sets"
    if share >= 1:
        return f"{more} than {mark}all {RANDOM_SETS}{mark} random sets"
    shown = f"{share:.0%}"
    return f"{more} than {mark}{f'{share:.1%}' if shown in ('0%', '100%') else shown}{mark} of random sets"


def hardness(stands_out: tuple[str, ...], apart: bool, score: str, paper: str = "the paper") -> str:
    """Whether a forget set is hard by the `paper`, in a sentence or two. `stands_out` and `apart` are those of
    `SetNumbers`, `score` the name of what ranks images (memorization, or what stands in for it).
    """
    return f"By {paper} {HARD[stands_out].format(score)}{APART if apart else ''}"


def interval(found: Measured) -> str:
    """A number of an attack with the ends of its interval: 0.49 (0.46 to 0.52); the reason where there is none."""
    if found.value is None:
        return missing(found.why)
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def noise_floor(auc: float) -> str:
    """By how much two retrained models may differ in AUC; with few seeds by more than an AUC can."""
    return spread(auc) if auc < 1 else "above 1"


def duration(seconds: float | None) -> str:
    """A time span: less than 1 ms, 40 ms, 0.4 s, 12 s, 1 min 12 s, 2 h 3 min, 5 days."""
    if not known(seconds):
        return "not known"
    whole = round(seconds)
    if seconds <= 0:
        return "0 s"
    if seconds < 0.0995:  # a share of another time stands beside many of these, and has to be seen to fit
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.0005 else "less than 1 ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days"
