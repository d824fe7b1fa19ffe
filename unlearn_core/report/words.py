"""What a report says: numbers with their intervals, three statements, and what is not claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from unlearn_core.experiment import audit, telling
from unlearn_core.experiment import comparison as core
from unlearn_core.experiment.measured_groups import filled, group, third
from unlearn_core.experiment.telling import LARGEST, SMALLEST
from unlearn_core.experiment.verdicts import Verdict
from unlearn_core.experiment.views import OpenStudy
from unlearn_core.words import estimate, hundredths, interval, noise_floor, spread

# An icon is never alone: the verdict stands beside it in words.
ICONS = {"good": "✓", "bad": "✗", "unknown": "?"}
# Attacks named beside the one that the report goes by: more do not fit on one page.
NAMED = 2


@dataclass(frozen=True)
class Reading:
    """One number of a statement, as written: what was measured, how the method reads, what retrained models read (a
    perfect run), how the method differs from them, and up to what `margin` that counts as no difference. `side` is 0
    where it lies within the margin, 1 or -1 where it lies above or below; None where that cannot be told, because there
    are too few seeds ("not known" as margin), because the interval reaches over the margin's end, or because of what
    `why` says. `floor` is the noise floor of an attack, which goes by that where it finds something. Of a number with
    `loss_only` nothing is too high.
    """

    what: str
    method: str
    retrained: str
    difference: str
    margin: str
    side: int | None
    why: str = ""
    floor: str = ""
    loss_only: bool = False

    @property
    def allowed(self) -> str:
        """What difference counts as none, and which way. A bare limit beside a difference reads like a second loss."""
        if self.margin == _written(None):
            return self.margin
        return f"a loss of up to {self.margin}" if self.loss_only else f"up to {self.margin} either way"

    @property
    def holds(self) -> str:
        """Whether the difference stays within what is allowed, and which way it leaves it."""
        if self.side is None:
            return "cannot be told"
        high = "holds, even better" if self.loss_only else "does not hold, too high"
        return {0: "holds", 1: high, -1: "does not hold, too low"}[self.side]

    @property
    def by(self) -> str:
        """The difference and what is allowed, as the end of a sentence; for a finding of an attack what it exceeds."""
        if self.floor and self.side:
            return f"differs by {self.difference}, beyond the noise floor of {self.floor}"
        return f"differs by {self.difference}, where {self.allowed} is allowed"


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


# -- readings ----------------------------------------------------------------------------------------------------------


def _written(within: float | None) -> str:
    return "not known" if within is None else spread(within)


def _reading(study: OpenStudy, method: str, metric: str, worse_only: bool = False) -> Reading:
    """A number of Compare beside retraining, under the name that it has there."""
    what = core.COLUMNS[metric].label
    means, found = study.means(metric), telling.beside(study, method, metric, worse_only)
    at = [spread(*means.loc[name, ["mean", "half_width"]]) for name in (method, core.RETRAINED)]
    by = estimate(found.apart, signed=True)
    return Reading(what, *at, by, _written(found.margin), found.side, found.why, loss_only=worse_only)


# -- the three statements ----------------------------------------------------------------------------------------------

TOO_FEW = (
    "This cannot be told from so few seeds: without several retrained models nobody knows how far two may lie apart."
)


def statements(study: OpenStudy, method: str) -> tuple[Statement, Statement, Statement]:
    """Whether the images were forgotten, the rest was kept, and an attacker cannot tell: each beside retraining. Yes is
    good of all three."""
    attacked = _with_power(_attacked(study, method), study, method)
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
    """What leaves a question open: too few seeds or images, or differences that reach over the end of their margin."""
    left = [r for r in readings if r.side is None]
    if any(r.margin == _written(None) for r in left):
        return TOO_FEW
    said = []
    for why in sorted({r.why for r in left}):  # what has no reason of its own first
        own = [r for r in left if r.why == why]
        each = (f"{r.what.replace('Acc', 'acc', 1)} {r.by}" for r in own)
        head = "Too few images or seeds to judge" if why else "Intervals reach over the end of what is allowed"
        said.append(f"{head}: {'; '.join(each)}{why and f': {why}'}.")
    return " ".join(said)


def _forgotten(study: OpenStudy, method: str) -> Statement:
    question = "Were the images forgotten?"
    read = {p: _reading(study, method, f"{p}_accuracy") for p in filled(study)}
    sides = {p: reading.side for p, reading in read.items()}
    readings = (_reading(study, method, "forget_accuracy"), *read.values())
    above, below, left = ([p for p, s in sides.items() if s == way] for way in (1, -1, None))
    rest = f" Of the {_thirds(left)} it cannot be told." if left else ""
    rest += "".join(
        f" On the {third(p)} it differs by {read[p].difference}: {read[p].why}." for p in left if read[p].why
    )
    if above and below:
        says = f"The {_thirds_are(above)} still remembered better than a retrained model knows them, while the "
        says += f"{_thirds_are(below)} known worse than that. Both are failures, and taken together they would cancel."
        return Statement(question, "bad", "Unevenly", says + rest, readings)
    if above:
        says = f"The {_thirds_are(above)} still remembered better than by a model that never saw these images."
        return Statement(question, "bad", "Not enough", says + rest, readings)
    if below:
        says = f"The {_thirds_are(below)} known worse than by a model that never saw these images: over-unlearned, "
        says += "which is a failure too, since it makes them stand out."
        return Statement(question, "bad", "Too much", says + rest, readings)
    if left:
        return Statement(question, "unknown", "Cannot be told", _open(list(read.values())), readings)
    blind = [p for p in read if not _reading(study, core.ORIGINAL, f"{p}_accuracy").side]
    if len(blind) == len(read):
        says = "Accuracy says nothing here: the original model does not lie off the retrained ones either."
        return Statement(question, "unknown", "Cannot be told", says, readings)
    sighted = [f"on the {third(p)} it {reading.by}" for p, reading in read.items() if p not in blind]
    says = f"Its accuracy is that of a retrained model as far as two of these agree: {'; '.join(sighted)}."
    if blind:
        says += f" Of the {_thirds(blind)} that says nothing: the original model does not lie off the retrained ones "
        says += "there."
    return Statement(question, "good", "Like retraining", says, readings)


def _thirds(names: list[str]) -> str:
    return f"{listed(names)} third{'s' if len(names) > 1 else ''}"


def _thirds_are(names: list[str]) -> str:
    return f"{_thirds(names)} {'are' if len(names) > 1 else 'is'}"


def _kept(study: OpenStudy, method: str) -> Statement:
    question = "Was the rest kept?"
    both = ("retain_accuracy", "test_accuracy")
    read = {metric: _reading(study, method, metric, worse_only=True) for metric in both}
    readings, sides = tuple(read.values()), {metric: reading.side for metric, reading in read.items()}
    short = {"retain_accuracy": "kept images", "test_accuracy": "test images"}
    worse, better, left = ([short[m] for m, s in sides.items() if s == way] for way in (-1, 1, None))
    if worse:
        says = f"It is worse than a retrained model on {listed(worse)}, by more than is allowed: forgetting did harm."
        says += f" Of {listed(left)} it cannot be told." if left else ""
        return Statement(question, "bad", "No", says, readings)
    if left:
        return Statement(question, "unknown", "Cannot be told", _open(readings), readings)
    within = "; ".join(f"on {short[metric]} it {reading.by}" for metric, reading in read.items())
    says = f"Its accuracy is as high as a retrained model's, as far as two of these agree: {within}."
    if better:
        says += f" On {listed(better)} it is even better."
    return Statement(question, "good", "Yes", says, readings)


def _attacked(study: OpenStudy, method: str) -> Statement:
    question = "Is it hidden from an attack?"
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
        return Statement(question, "bad", "No", f"{label} finds that {told.finding}.{away}", readings)
    if told.off:
        says = f"{label} finds too little on all together, but third by third it does: {told.finding}."
        return Statement(question, "bad", "No, third by third", says, readings)
    if others := telling.others(study, method):
        return Statement(question, "unknown", "Not from other attacks", _by_others(study, told, others), readings)
    if lacking := telling.without_power(whole):
        says = f"{label} {lacking}, so a good reading proves nothing."
        return Statement(question, "unknown", "Cannot be told", says, readings)
    if None in [reading.side for reading in readings]:
        return Statement(question, "unknown", "Cannot be told", _open(readings), readings)
    if telling.place(whole.power, telling.margin_of(whole)) != 1:
        says = f"{label} finds little more in the original than is allowed, so a good reading proves nothing."
        return Statement(question, "unknown", "Cannot be told", says, readings)
    says = f"{label} reads the same as of a retrained model, though it sees the images in the original: "
    both = [(v, r.by) for v, r in zip(found, readings, strict=True) if v.has_power]
    says += "; ".join(f"on {'all together' if v.part == 'all' else f'the {third(v.part)}'} it {by}" for v, by in both)
    says += "."
    if blind := [v.part for v in found if not v.has_power]:
        says += f" On the {_thirds(blind)} it proves nothing: not even the original can be told from retraining there."
    return Statement(question, "good", "Yes", says, readings)


def _with_power(attacked: Statement, study: OpenStudy, method: str) -> Statement:
    """The third answer with what the attack reads on the original: without it a reading says nothing."""
    whole = telling.told(study, method).whole
    power, target = (hundredths(model.success.value) for model in (whole.original, whole.retrained))
    reads = f"of all images together it reads AUC {power} on the original, {target} on retrained models"
    return replace(attacked, says=f"{attacked.says} Its power: {reads}.")


def _by_others(study: OpenStudy, own: telling.Told, others: list[telling.Told]) -> str:
    """What attacks find beside the one that the report goes by, which was settled before any was asked."""
    named = sorted(others, key=lambda told: not told.whole.side)[:NAMED]  # what holds of all images comes first
    each = listed([f"“{told.label}” finds that {told.finding}" for told in named])
    asked = len(audit.statistics(study)) - 1
    lacking, do = telling.without_power(own.whole), "does" if len(others) == 1 else "do"
    return (
        f"The attack “{own.label}” finds nothing{lacking and f' (it {lacking})'}, but {len(others)} of the {asked} "
        f"others on the Audit page {do}{', such as' if len(others) > NAMED else ''}: {each}. With so many asked, one "
        "may by chance."
    )


def _attack_reading(found: Verdict) -> Reading:
    """An attack beside retraining. What it finds, the Audit page says (one true finding gives an image away, whatever
    two retrained models read); only that it finds nothing has to hold within the margin."""
    at = [interval(found.audited.success), interval(found.retrained.success)]
    within = telling.margin_of(found)
    side = None if within is None else found.side or (0 if telling.place(found.apart, within) == 0 else None)
    what, by = f"AUC, {group(found.part)}", estimate(found.apart, signed=True)
    return Reading(what, *at, by, _written(within), side, floor=noise_floor(found.noise))


# -- what is not claimed -----------------------------------------------------------------------------------------------


def not_claimed(study: OpenStudy, tier: int | None, technical: bool = True) -> list[str]:
    """What must not be read into the numbers, a sentence or two each; `tier` is how deep an audit went, if any did, and
    only the `technical` report shows it."""
    spec, seeds = study.spec, study.spec.seeds
    said = [
        "No certificate. These are measurements on trained models; none of them proves that nothing is left.",
        "What is allowed (the margin) is how far 95 of 100 pairs of retrained models lie apart, but at least "
        f"{spread(SMALLEST)} and at most {spread(LARGEST)}. Within it is not equal: more seeds or a stronger attack "
        "may find a difference.",
        f"What an attack finds goes by the noise floor, as on the Audit page. {telling.RULE}",
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
    where = "in the audit above" if technical else "in the technical report"
    said.append(
        "The attacker asks one model for its answers. One who holds the model from before as well, or its weights, can "
        "find more" + ("." if tier is None or tier < 1 else f"; what was asked of that stands {where}.")
    )
    said.append(
        "Only the model was treated. The images themselves, copies and near copies among the kept ones, and other "
        "models trained on them, the original included, are as they were."
    )
    if not spec.models:
        said.append("No bank of models was trained: images are ranked by the model's confidence during training.")
    if study.summary["bank_warning"]:
        said.append(study.summary["bank_warning"])
    if study.tuned_on_test:
        said.append(
            "There are no validation images, so learning rates were chosen by the test images that are reported: with "
            "other models and another forget set, but it may flatter the methods a little."
        )
    if core.learning_rates(study)["edge"].any():
        said.append("Some learning rates lie at the end of what was tried, so a better one may lie beyond.")
    return said
