"""What an attack shows, in sentences made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from pages.shared import numbers
from pages.shared.comparison_words import ONE_SEED
from pages.shared.text import escape
from unlearn_core.attacks.roc import FALSE_ALARMS_NEEDED
from unlearn_core.experiment import audit
from unlearn_core.experiment.audit import Attacked, Efficacy
from unlearn_core.experiment.measured_groups import group, third
from unlearn_core.experiment.telling import BLIND, LARGEST, SMALLEST, Told, margin_of, says, without_power
from unlearn_core.experiment.verdicts import Verdict
from unlearn_core.words import noise_floor

# Below this balanced accuracy the attack of the papers is close to guessing.
WEAK = 0.6


# After what an attack finds on thirds, where its mean over all images hides it.
HIDDEN = "; in the mean over all images that does not show"


def images(verdict: Verdict) -> str:
    return group(verdict.part)


def result(title: str, verdict: Verdict, statistic: str, thirds: Sequence[Verdict] = ()) -> str:
    """What the attack reads before, after and on the target, and what that means. Where all together hide what it finds
    on `thirds`, that comes first."""
    seeds = len(verdict.audited.seeds)
    one = f" {ONE_SEED}" * (seeds == 1)
    over = f"With {seeds} seeds" if seeds > 1 else "For this one model"
    apart = numbers.spread(verdict.apart.mean, None, signed=True)
    head, tail = f"After **{escape(title)}** the", f"{over} it **{says(verdict, statistic)}**: the difference"
    if hides(verdict, thirds):
        beside = "" if verdict.side else HIDDEN
        head = f"After **{escape(title)}**: **{Told(statistic, verdict, tuple(thirds)).finding}**{beside}. The"
        tail = f"{over} the difference"
    return (
        f"{head} attack “{audit.STATISTICS[statistic].label}” reads AUC "
        f"{numbers.interval(verdict.audited.success)} on the forgotten images, {images(verdict)}; the original reads "
        f"{numbers.interval(verdict.original.success)}. The target is what retrained models read, "
        f"{numbers.interval(verdict.retrained.success)}, which need not be 0.5. {tail} of {apart} is "
        f"{beside_floor(verdict)}.{one}"
    )


def hides(verdict: Verdict, thirds: Sequence[Verdict]) -> bool:
    """Whether a verdict on all together says less than those on the thirds do."""
    off = {v.side for v in thirds if v.side}
    return verdict.part == "all" and bool(off - {verdict.side})


def in_the_report(told: Told, others: bool) -> str:
    """What the report says of the same method, and why it may sound otherwise; `others` where other attacks find it."""
    finds = f"finds that **{told.finding}**" if told.off else "finds nothing"
    if not told.off:
        finds += ", and it names the others that do" if others else ", which proves nothing here" * told.whole.blind
    seeds = len(told.whole.audited.seeds)
    few = ", but from one seed it draws no conclusion" if seeds == 1 else ""
    return (
        f"The report goes by “{told.label}” over all seeds, which {finds}{few}. Whether the images were forgotten it "
        "judges by accuracy, which asks only whether the class is right: an attack can find more."
    )


def beside_floor(verdict: Verdict) -> str:
    """A difference to retraining beside the noise floor."""
    if verdict.noise >= 1:
        return "not to be told: with so few seeds two retrained models may differ by any amount"
    floor = f"the noise floor of {verdict.noise:.3f}"
    if abs(verdict.apart.mean) <= verdict.noise:
        return f"within {floor}, which two retrained models may differ by"
    return f"beyond {floor}" + ("" if verdict.side else ", but its 95 % interval holds 0")


def floors(verdicts: list[Verdict]) -> str:
    """What a verdict asks for, with the noise floor of each third, and what the report asks beside it."""
    each = ", ".join(f"{images(v)} {noise_floor(v.noise)}" for v in verdicts)
    said = (
        "Each verdict is two-sided: the 95 % interval of the difference to the retrained models must miss 0, and the "
        "difference must be larger than the noise floor, the most that one retrained model may differ from another by "
        f"(the far end of that 95 % interval). Floors in AUC: {each}. Where by this test not even the original can be "
        "told from retraining, nothing can be judged."
    )
    margins = {images(v): margin_of(v) for v in verdicts}
    if None in margins.values():
        return said
    each = ", ".join(f"{name} {margin:.3f}" for name, margin in margins.items())
    return (
        f"{said} To say that nothing is found the report asks more: the whole interval within its margin, as far as 95 "
        f"of 100 pairs of retrained models lie apart, but {SMALLEST:.3f} to {LARGEST:.3f}. Margins: {each}."
    )


def over_unlearned(verdict: Verdict, statistic: str) -> str | None:
    """The warning about the far side of retraining."""
    if verdict.side != -1 or statistic == audit.EITHER_DIRECTION:
        return None
    return (
        f"Over-unlearned: {numbers.estimate(verdict.apart, signed=True)} in AUC against retraining. That is a failure "
        "too: the forgotten images look less familiar than to a model that never saw them, and so they stand out."
    )


def no_power(verdict: Verdict) -> str | None:
    """The warning that an attack proves nothing."""
    if not (lacking := without_power(verdict)):
        return None
    return (
        f"This attack {lacking} (original minus retrained: {numbers.estimate(verdict.power, signed=True)} in AUC, "
        f"noise floor {noise_floor(verdict.noise)}), so a good reading proves nothing. Choose another "
        "attack, or run more seeds."
    )


def parts(verdicts: list[Verdict], statistic: str) -> str:
    """Which thirds differ from retraining, whether they cancel, and which cannot be judged."""
    thirds = [v for v in verdicts if v.part != "all"]
    off, blind = [v for v in thirds if v.side], [v.part for v in thirds if v.blind]
    if blind and len(blind) == len(thirds):
        return "No third can be judged: too few images or seeds, or nothing to find"
    said = "; ".join(f"{third(v.part)} {says(v, statistic)}" for v in off)
    if not off:
        seen = "no third" if not blind else " and ".join(third(v.part) for v in thirds if not v.blind)
        said = f"{seen} {'can' if not blind else 'cannot'} be told from retraining"
        said += " by one seed, which settles nothing" * (len(verdicts[0].audited.seeds) == 1)
    whole = next((v for v in verdicts if v.part == "all"), None)
    if cancels(verdicts):
        said += "; together one outweighs the other" if whole is not None and whole.side else "; together they cancel"
    if blind:
        said += f"; the {' and '.join(blind)} third{'s' if len(blind) > 1 else ''} {BLIND}"
    return said[0].upper() + said[1:]


def cancels(verdicts: list[Verdict]) -> bool:
    """Whether thirds lie on both sides of retraining."""
    return len({v.side for v in verdicts if v.part != "all" and v.side}) > 1


def unseen(statistic: str) -> str:
    """The images an attack compares with."""
    if audit.compares_same_images(statistic):
        return "the same images in a second retrained model"
    return "test images"


def models(title: str) -> dict[str, str]:
    """The names in charts of the models that are attacked and of what they are compared with, by role."""
    return {"original": "original", "unlearned": title, "retrained": "retrained", "unseen": "unseen images"}


def at_threshold(cut: float, audited: Attacked, original: Attacked, retrained: Attacked) -> str:
    """What an attacker achieves at a threshold."""
    found, accused = audited.at(cut)
    (before, blamed), never = original.at(cut), retrained.at(cut)[0]
    if not audited.can_tell(accused):
        models = len(audited.seeds)
        rows, unseen = len(audited.rows) * models, audited.unseen * models
        once = f" Each image counts once under each of the {models} models." if models > 1 else ""
        return (
            f"At this threshold an attacker finds **{counted(found, rows)}** forgotten images while wrongly "
            f"accusing **{counted(accused, unseen)}** unseen ones. In the original the same threshold finds "
            f"{counted(before, rows)} and accuses {counted(blamed, unseen)}; in a retrained model, which never saw "
            f"them, it points at {counted(never, rows)}.{once} Fewer than {FALSE_ALARMS_NEEDED} false alarms "
            "under a model are too few to speak of a rate."
        )
    return (
        f"At this threshold an attacker finds **{hundred(found)}** forgotten images while wrongly accusing "
        f"**{hundred(accused)}** unseen ones. In the original the same threshold finds {hundred(before)} and "
        f"accuses {hundred(blamed)}; in a retrained model, which never saw them, it points at {hundred(never)}. "
        f"This goes by {len(audited.rows):,} forgotten and {audited.unseen:,} unseen images under each model."
    )


def privacy(study) -> str:
    """What training with differential privacy promised; empty where the original was trained without."""
    found = study.summary.get("privacy")
    if found is None:
        return ""
    together = f"that adds up to \u03b5 = {found['forget_epsilon']:,.0f}"
    if found["forget_delta"] >= 1:
        together += ", and the promise is empty"
    return (
        f"The original was trained with differential privacy: for any one image \u03b5 = {found['epsilon']:.2f} at "
        f"\u03b4 = {found['delta']:.1e}. For all {len(study.forget):,} forgotten images together {together}."
    )


def hundred(share: float) -> str:
    """A share as a count: 12 of 100."""
    count = round(100 * share)
    return "fewer than 1 of 100" if share > 0 and count == 0 else f"{count} of 100"


def counted(share: float, of: int) -> str:
    """A share of so many images as their number: 3 of the 27."""
    return f"{round(share * of):,} of the {of:,}"


def efficacy(found: Efficacy, target: Efficacy) -> str:
    """MIA-efficacy beside the power of its attack."""
    right = found.balanced_accuracy
    weak = right.mean + (right.half_width or 0) < WEAK
    return (
        f"The confidence attack of the papers takes {numbers.estimate(found.efficacy)} of all forgotten images for "
        f"unseen; the target is the retrained models' {numbers.estimate(target.efficacy)}. It is right about "
        f"{numbers.estimate(right)} of kept and test images (balanced accuracy), where guessing is right about 0.5"
        + (". That is nearly no power: where it cuts is chance, and the number says little." if weak else ".")
    )
