"""The tables of docs/paper.md: every method on every set, and cheaper scores."""

from __future__ import annotations

from paper_notes import pm
from tables import table

from unlearn_core.experiment.paper import STUDIES
from unlearn_core.experiment.study_table import CEILING, RETRAINED
from unlearn_core.words import spread


def legend(found: dict) -> str:
    return (
        f"Means over {found['setting']['seeds']} seeds with 95 % intervals, the same in all tables; Retrained again is "
        "the noise floor. All measures are explained under [words](#words). Gaps are accuracies less those of the "
        "retrained model. Seconds are those of one process beside another one; at this size some methods take longer "
        "than retraining, so only closeness is judged."
    )


def tables(found: dict, scale: str = "") -> list[str]:
    """Every study's table, and that of cheaper scores where it was run."""
    each = [set_table(name, found["sets"].get(name), scale) for name in STUDIES]
    return each + ([scores(found, scale)] if "scores" in found else [])


def set_table(name: str, one: dict | None, scale: str = "") -> str:
    """The table of one study under its name, `scale` before it; where it was not run, that."""
    title = f"{scale}{name}".capitalize()
    if one is None:
        return f"### {title}\n\nNot run."
    ours, theirs = (one["entanglement"][center] for center in ("all", "midpoint"))
    target = "/".join(f"{one['methods'][RETRAINED][f'{s}_accuracy']['mean']:.3f}" for s in ("forget", "retain", "test"))
    text = (
        f"### {title}\n\n{one['images']:,} images; mean memorization {spread(one['memorization'])}; "
        f"entanglement {ours['score']:,.0f} about the mean of all images ({ours['share_of_random']:.0%} of that of "
        f"random sets as large), {theirs['score']:,.0f} about the midpoint, as the published code has it. "
        f"A retrained model's accuracy on forgotten, kept and test images: {target}. {floor(one)}"
    )
    if name == "as released":
        text += (
            " `salun` is as its paper means it, `salun-no-2` keeps the least salient weights, `salun-no-3` teaches the "
            "true labels."
        )
    titles = [line["title"] for line in one["methods"].values()]
    rows = [
        (line["title"] if titles.count(line["title"]) == 1 else f"`{method}`",)
        + tuple(pm(line[m]) for m in ("tow", "group_tow", "tow_mia"))
        + tuple(pm(line[f"{s}_gap"], signed=True) for s in ("forget", "retain", "test"))
        + (pm(line["lira_auc"]), "" if line["seconds"] is None else f"{line['seconds']:.1f}")
        for method, line in one["methods"].items()
        if method != RETRAINED
    ]
    heads = ("method", "ToW", "group ToW", "ToW-MIA", "forget gap", "retain gap", "test gap", "LiRA AUC", "seconds")
    return f"{text}{warnings(one)}\n\n{table(heads, rows)}"


def floor(one: dict) -> str:
    """What a second retrained model reads on a set, and over how many seeds."""
    again = one["methods"][CEILING]
    return (
        f"The noise floor, over {again['tow']['n']} seeds: ToW {pm(again['tow'])}, group ToW {pm(again['group_tow'])}."
    )


FITS = 0.98


def warnings(one: dict) -> str:
    """What makes the numbers of a set less sure: references that do not fit, diverged runs, rates at the edge."""
    said, methods = "", one["methods"]
    if one["retrained_retain"] < FITS:
        said += (
            f" **One of the retrained models gets only {one['retrained_retain']:.1%} of the kept images right**, which "
            "widens the noise floor here and what is measured against it."
        )
    if lost := [f"{m['title']} in {m['diverged']}" for m in methods.values() if m["diverged"]]:
        said += (
            f" The loss was no longer finite on some seeds: {', '.join(lost)}; the last finite weights are measured."
        )
    if edge := [methods[name]["title"] for name in one["at_edge"] if name in methods]:
        said += (
            f" At the edge of the learning rates that were tried, so a better one may lie beyond: {', '.join(edge)}."
        )
    return said


def scores(found: dict, scale: str = "") -> str:
    """The table of cheaper scores."""
    lines, setting = found["scores"], found["setting"]
    rows = [
        (line["title"], f"{line['correlation']:.2f} ({line['low']:.2f} to {line['high']:.2f})")
        + (f"{line['share_of_bank']:.1%}",)
        + (spread(line["group_tow"], line["group_tow_half_width"]),)
        for line in lines
    ]
    heads = ("score", "rank correlation", "share of the bank's time", "group ToW of RUM")
    title = f"{scale}cheaper scores".capitalize()
    return (
        f"### {title}\n\nRank correlations over {setting['train']:,} training images, with intervals over these; group "
        f"ToW over {setting['seeds']} seeds. {floor(found['sets']['mix'])}\n\n{table(heads, rows)}"
    )
