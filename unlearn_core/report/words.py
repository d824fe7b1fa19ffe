"""What a report says: numbers with their intervals, three statements, and what is not claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from unlearn_core.evaluation import Estimate
from unlearn_core.evaluation.seeds import ROUNDING
from unlearn_core.experiment import audit, telling
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.words import estimate, known, spread

# An icon is never alone: the verdict stands beside it in words.
ICONS = {"good": "✓", "bad": "✗", "unknown": "?"}
# A difference up to this, in accuracy or AUC, counts as none even where all retrained models read the same; and more
# than that never does, however far few retrained models seem to lie apart.
SMALLEST, LARGEST = 0.01, 0.1
# Attacks named beside the one that the report goes by: more do not fit on one page.
NAMED = 2


@dataclass(frozen=True)
class Reading:
    """One number of a statement, as written: what was measured, how the method reads, what retrained models read (a
    perfect run), how the method differs from them, and up to what `margin` that counts as no difference. `side` is 0
    where it lies within the margin, 1 or -1 where it lies above or below; None where that cannot be told, because there
    are too few seeds ("not known" as margin) or because the interval reaches over the margin's end.
    """

    what: str
    method: str
    retrained: str
    difference: str
    margin: str
    side: int | None


@dataclass(frozen=True)
class Statement:
    """An answer to one question. `mark` is good, bad or unknown, `verdict` the answer in few words, `says` in full."""

    question: str
    mark: str
    verdict: str
    says: str
    readings: tuple[Reading, ...]

    @property
    def icon(self) -> str:
        return ICONS[self.mark]

    @property
    def telling(self) -> Reading:
        """The number to show where there is room for one: the last that lies off retraining, else the last of those
        that leave the answer open, else the first."""
        off = next((r for r in reversed(self.readings) if r.side), None)
        left = next((r for r in reversed(self.readings) if r.side is None), self.readings[0])
        return off or (left if self.mark == "unknown" else self.readings[0])


# -- numbers -----------------------------------------------------------------------------------------------------------


def listed(words: list[str]) -> str:
    """Words in a sentence: a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


# -- the rule for a verdict --------------------------------------------------------------------------------------------


def margin(floor: Sequence[float]) -> float | None:
    """What counts as no difference to retraining: as far as 95 of 100 pairs of retrained models lie apart, but at least
    SMALLEST and at most LARGEST. None with fewer than two pairs.

    `floor` has a difference between two retrained models for each seed. As the two are trained alike, it lies around 0,
    and Student's t tells from its size how large the next one may be.
    """
    known_ones = np.array([d for d in floor if known(d)], np.float64)
    if len(known_ones) < 2:
        return None
    found = float(stdtrit(len(known_ones), 0.975) * np.sqrt((known_ones**2).mean()))
    return min(max(found, SMALLEST), LARGEST)


def place(apart: Estimate, within: float | None, worse_only: bool = False) -> int | None:
    """Where a method lies beside retraining, going by the whole interval of its difference: 0 where all of it stays
    within the margin, 1 or -1 where all of it lies above or below the margin, None where it reaches over an end or
    where there is no interval. With `worse_only` nothing lies too high to be within.

    That no difference is found does not make two things equal; an interval inside a margin does.
    Source: Schuirmann (1987), "A comparison of the two one-sided tests procedure and the power approach for assessing
    the equivalence of average bioavailability", J. Pharmacokinetics and Biopharmaceutics 15.
    """
    if within is None or apart.mean is None or apart.half_width is None:
        return None
    low, high, end = apart.mean - apart.half_width, apart.mean + apart.half_width, within + ROUNDING
    if high < -end or low > end:
        return -1 if high < -end else 1
    return 0 if low >= -end and (worse_only or high <= end) else None


def _written(within: float | None) -> str:
    return "not known" if within is None else spread(within)


def _reading(study: OpenStudy, method: str, metric: str, what: str, worse_only: bool = False) -> Reading:
    """A number of Compare beside retraining."""
    means, each = study.means(metric), core.by_seed(study, metric)
    apart = core.versus(study, method, core.RETRAINED, metric).difference
    within = margin((each[core.CEILING] - each[core.RETRAINED]).tolist())
    at = [spread(*means.loc[name, ["mean", "half_width"]]) for name in (method, core.RETRAINED)]
    side = place(apart, within, worse_only)
    return Reading(what, *at, estimate(apart, signed=True), _written(within), side)


# -- the three statements ----------------------------------------------------------------------------------------------

TOO_FEW = (
    "This cannot be told from so few seeds: without several retrained models nobody knows how far two may lie apart."
)


def statements(study: OpenStudy, method: str) -> tuple[Statement, Statement, Statement]:
    """Whether the images were forgotten, the rest was kept, and an attacker can tell: each beside retraining."""
    attacked = _attacked(study, method)
    return _beside_attack(_forgotten(study, method), study, method), _kept(study, method), attacked


def _beside_attack(forgotten: Statement, study: OpenStudy, method: str) -> Statement:
    """Whether the images were forgotten, with what the attack finds where accuracy does not show it: a model can get
    as many of them right as a retrained one and be far too sure or unsure of them.
    """
    found = telling.told(study, method)
    if study.spec.seeds < 2 or {v.side for v in found.off} <= {reading.side for reading in forgotten.readings[1:]}:
        return forgotten
    says = f"{forgotten.says} Accuracy asks only whether the class is right. An attack asks how sure the model is, and "
    says += f"finds that {found.finding}: see the third answer."
    by = {"Cannot be told": "Cannot be told by accuracy", "Like retraining": "Like retraining, in accuracy"}
    return replace(forgotten, verdict=by.get(forgotten.verdict, forgotten.verdict), says=says)


def _open(readings: Sequence[Reading]) -> str:
    """What leaves a question open: too few seeds, or differences that reach over the end of their margin."""
    left = [r for r in readings if r.side is None]
    if any(r.margin == _written(None) for r in left):
        return TOO_FEW
    each = "; ".join(f"{r.what.replace('Acc', 'acc', 1)} differs by {r.difference} (margin {r.margin})" for r in left)
    return f"Neither within the margin nor off it with the whole interval: {each}."


def _forgotten(study: OpenStudy, method: str) -> Statement:
    question = "Were the images forgotten?"
    parts = [part for part, rows in study.parts.items() if len(rows)]
    read = {p: _reading(study, method, f"{p}_accuracy", f"Accuracy on the {p} part") for p in parts}
    sides = {p: reading.side for p, reading in read.items()}
    readings = (_reading(study, method, "forget_accuracy", "Accuracy on all forgotten images"), *read.values())
    above, below, left = ([p for p, s in sides.items() if s == way] for way in (1, -1, None))
    rest = f" Of the {listed(left)} part{'s' if len(left) > 1 else ''} it cannot be told." if left else ""
    if above and below:
        says = f"The {_parts(above)} still remembered better than a retrained model knows them, while the "
        says += f"{_parts(below)} known worse than that. Both are failures, and taken together they would cancel."
        return Statement(question, "bad", "Unevenly", says + rest, readings)
    if above:
        says = f"The {_parts(above)} still remembered better than by a model that never saw these images."
        return Statement(question, "bad", "Not enough", says + rest, readings)
    if below:
        says = f"The {_parts(below)} known worse than by a model that never saw these images: over-unlearned, which is "
        says += "a failure too, since it makes them stand out."
        return Statement(question, "bad", "Too much", says + rest, readings)
    if left:
        return Statement(question, "unknown", "Cannot be told", _open(list(read.values())), readings)
    if not any(_reading(study, core.ORIGINAL, f"{p}_accuracy", p).side for p in parts):
        says = "Accuracy says nothing here: the original model does not lie off the retrained ones either."
        return Statement(question, "unknown", "Cannot be told", says, readings)
    says = f"On each part its accuracy stays within the margin of a retrained model's: {_margins(read)}."
    return Statement(question, "good", "Like retraining", says, readings)


def _margins(read: dict[str, Reading]) -> str:
    return listed([f"{reading.margin} on the {name} part" for name, reading in read.items()])


def _parts(names: list[str]) -> str:
    return f"{listed(names)} part{'s are' if len(names) > 1 else ' is'}"


def _kept(study: OpenStudy, method: str) -> Statement:
    question = "Was the rest kept?"
    names = {"retain_accuracy": "Accuracy on kept images", "test_accuracy": "Accuracy on test images"}
    read = {metric: _reading(study, method, metric, what, worse_only=True) for metric, what in names.items()}
    readings, sides = tuple(read.values()), {metric: reading.side for metric, reading in read.items()}
    short = {"retain_accuracy": "kept images", "test_accuracy": "test images"}
    worse, better, left = ([short[m] for m, s in sides.items() if s == way] for way in (-1, 1, None))
    if worse:
        says = f"It is worse than a retrained model on {listed(worse)}, beyond the margin: forgetting did harm."
        says += f" Of {listed(left)} it cannot be told." if left else ""
        return Statement(question, "bad", "No", says, readings)
    if left:
        return Statement(question, "unknown", "Cannot be told", _open(readings), readings)
    within = listed([f"{reading.margin} on {short[metric]}" for metric, reading in read.items()])
    says = f"It is worse than a retrained model by no more than the margin, if at all: {within}."
    if better:
        says += f" On {listed(better)} it is even better."
    return Statement(question, "good", "Yes", says, readings)


def _attacked(study: OpenStudy, method: str) -> Statement:
    question = "Does an attack tell it from retraining?"
    told = telling.told(study, method)
    whole, found = told.whole, [told.whole, *told.parts]
    readings = tuple(_attack_reading(v) for v in found)
    label = f"The attack “{told.label}”"
    if readings[0].margin == _written(None):
        says = TOO_FEW
        if told.off:
            says += f" In the models of this one seed “{told.label}” finds that {told.finding}; other seeds may differ."
        return Statement(question, "unknown", "Cannot be told", says, readings)
    if whole.side:
        away = " Standing out that way gives the images away too." if whole.side == -1 else ""
        return Statement(question, "bad", "Yes", f"{label} finds that {told.finding}.{away}", readings)
    if told.off:
        says = f"{label} finds too little on all parts together, but part by part it does: {told.finding}."
        return Statement(question, "bad", "Yes, part by part", says, readings)
    if others := telling.others(study, method):
        return Statement(question, "unknown", "By other attacks", _by_others(study, label, others), readings)
    if not whole.has_power:
        says = f"{label} finds no more in the original than in a retrained model, so a good reading proves nothing."
        return Statement(question, "unknown", "Cannot be told", says, readings)
    if None in [reading.side for reading in readings]:
        return Statement(question, "unknown", "Cannot be told", _open(readings), readings)
    if place(whole.power, margin(_pairs(whole))) != 1:
        says = f"{label} finds little more in the original than the margin, so a good reading proves nothing."
        return Statement(question, "unknown", "Cannot be told", says, readings)
    says = f"{label} reads within the margin of a retrained model, though it sees the images in the original: "
    both = zip(found, readings, strict=True)
    says += listed([f"{r.margin} on {'all parts' if v.part == 'all' else f'the {v.part} part'}" for v, r in both]) + "."
    return Statement(question, "good", "No", says, readings)


def _by_others(study: OpenStudy, label: str, others: list[telling.Told]) -> str:
    """What attacks find beside the one that the report goes by, which was settled before any was asked."""
    named = sorted(others, key=lambda told: not told.whole.side)[:NAMED]  # what holds of all images comes first
    each = listed([f"“{told.label}” finds that {told.finding}" for told in named])
    asked = len(audit.statistics(study)) - 1
    return (
        f"{label} finds nothing, but {len(others)} of the {asked} others on the Audit page "
        f"{'does' if len(others) == 1 else 'do'}{', such as' if len(others) > NAMED else ''}: {each}. With so many "
        "asked, one may by chance."
    )


def _attack_reading(found: audit.Verdict) -> Reading:
    """An attack beside retraining. What it finds, the Audit page says (one true finding gives an image away, whatever
    two retrained models read); only that it finds nothing has to hold within the margin."""
    what = "AUC, all parts together" if found.part == "all" else f"AUC, {found.part} part"
    at = [f"{m.value:.2f} ({m.low:.2f} to {m.high:.2f})" for m in (found.audited.success, found.retrained.success)]
    within = margin(_pairs(found))
    side = None if within is None else found.side or (0 if place(found.apart, within) == 0 else None)
    return Reading(what, *at, estimate(found.apart, signed=True), _written(within), side)


def _pairs(found: audit.Verdict) -> list[float]:
    return [again - own for again, own in zip(found.again.aucs, found.retrained.aucs, strict=True)]


# -- what is not claimed -----------------------------------------------------------------------------------------------


def not_claimed(study: OpenStudy, tier: int | None) -> list[str]:
    """What must not be read into the numbers, a sentence or two each; `tier` is how deep an audit went, if any did."""
    spec, seeds = study.spec, study.spec.seeds
    said = [
        "No certificate. These are measurements on trained models; none of them proves that nothing is left.",
        "Within the margin is not equal: it is how far 95 of 100 pairs of retrained models lie apart, but at least "
        f"{spread(SMALLEST)} and at most {spread(LARGEST)}. More seeds or a stronger attack may find a difference.",
    ]
    if tier is None or tier < 2:
        said.append(
            "No attacker with shadow models that unlearned, too, was tried. Such attackers find more, image by image, "
            "so what this one misses may still be there."
        )
    said.append(
        "One forget set, one dataset, one kind of model. The intervals are over "
        f"{seeds} seed{'s' if seeds > 1 else ''} of training and say nothing about other images."
    )
    if study.about_original:
        said.append(study.about_original)
    if seeds < 3:
        said.append("Fewer than three seeds: intervals are too wide, or missing, for a verdict worth having.")
    said.append("Several numbers are judged and none is corrected for that; they are correlated, so do not count them.")
    said.append(
        "The attacker asks one model for its answers. One who holds the model from before as well, or its weights, can "
        "find more" + ("." if tier is None or tier < 1 else "; what was asked of that stands in the audit below.")
    )
    said.append(
        "Only the model was treated. The images themselves, copies and near copies among the kept ones, and other "
        "models trained on them, the original included, are as they were."
    )
    if not spec.models:
        said.append("No bank of models was trained: images are ranked by the model's confidence during training.")
    if study.summary["bank_warning"]:
        said.append(study.summary["bank_warning"])
    if core.learning_rates(study)["edge"].any():
        said.append("Some learning rates lie at the end of what was tried, so a better one may lie beyond.")
    return said
