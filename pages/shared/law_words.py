"""What a landscape teaches of closeness and difficulty, in words, and what that rests on."""

from __future__ import annotations

from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.difficulty import ALL, Difficulty
from unlearn_core.experiment.law import NOT_TOLD


def law(taught: Difficulty, study: OpenStudy) -> str:
    """How closeness goes with both factors on these images, over all algorithms, with what is held fixed."""
    law = taught.law
    mean, rest = law.loc[ALL], law.loc[taught.algorithms]
    told = []
    for factor, word in (("memorization", f"mean {study.score_words.name}"), ("entanglement", "entanglement")):
        says = mean[f"{factor}_says"]
        counts = {word: int((rest[f"{factor}_says"] == word).sum()) for word in ("falls", "rises")}
        ends = sorted((abs(mean[f"{factor}_low"]), abs(mean[f"{factor}_high"])))
        if says in counts:
            text = f"For each 0.1 more {word} closeness {says} by **{abs(mean[factor]):.3f}** "
            text += f"({ends[0]:.3f} to {ends[1]:.3f})"
        elif says == NOT_TOLD:
            told.append(f"For {word} nothing can be told: it is the same in all sets or follows from what is held.")
            continue
        else:
            low, high = (f"{mean[f'{factor}_{end}']:.3f}".replace("-", "\u2212") for end in ("low", "high"))
            text = f"For each 0.1 more {word} no effect shows ({low} to {high})"
        told.append(
            f"{text}; one by one, closeness falls for {counts['falls']} of {len(rest)} algorithms and rises for "
            f"{counts['rises']}."
        )
    return f"**The law here{_held(taught)}.** {' '.join(told)}"


def _held(taught: Difficulty) -> str:
    """What the law holds fixed, to be said after its name."""
    held, _ = taught.held()
    if not held:
        return ""
    return f", between sets alike in {', '.join(held[:-1])} and {held[-1]}" if held[1:] else f", at one {held[0]}"


def basis(taught: Difficulty) -> str:
    sets, models = len(taught.facts), taught.originals.nunique()
    over = f"{models} original models" if models > 1 else "sets of one original model"
    dropped = taught.held()[1]
    text = (
        f"Measured on {sets} sets of these images, on models that no study reports and with validation images where "
        "there are any, and with default settings. A forecast's interval holds about 90 % of new sets; those of the "
        f"law are 95 % over {over}. The law reads each factor at the same value of the other."
    )
    if dropped:
        text += f" Not held fixed, because it is the same in all sets or follows from the rest: {', '.join(dropped)}."
    return f"{text} With so few sets this is a preview." if sets < 100 else text
