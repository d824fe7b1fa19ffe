"""What docs/paper.md says of each finding, of over-unlearning and of several requests in a row."""

from __future__ import annotations

import numpy as np
from paper_figures import BY_LEVEL, whole_stream
from paper_notes import NOTES, share

from unlearn_core.evaluation.seeds import stands_out
from unlearn_core.experiment.paper_trends import VERDICTS
from unlearn_core.experiment.study_table import CEILING
from unlearn_core.rum import PARTS
from unlearn_core.words import spread


def finding(trend: dict, small: dict) -> str:
    head = f'<a id="{trend["name"]}"></a>\n\n### {trend["title"]}'
    if not trend["lines"]:
        return f"{head}\n\nNot run."
    shown = f"difference with its interval, line by line: {trend['measured']}"
    if trend["name"] in BY_LEVEL:
        shown = f"ToW of every algorithm on the sets of low, medium and high {trend['name']}"
    picture = f"![{shown}](paper/{trend['name']}.svg)"
    note = NOTES[trend["name"]](small) if trend["name"] in NOTES else ""
    return f"{head}\n\n{picture}\n\n{sentence(trend)}{note}"


def sentence(trend: dict) -> str:
    """What is measured, and for every verdict the lines with their numbers."""
    said = [f"Measured: {trend['measured']}."]
    for verdict in VERDICTS:
        lines = [name for name, v in trend["verdicts"].items() if v == verdict]
        if lines:
            each = ", ".join(f"{name} {difference(trend['lines'][name])}" for name in lines)
            said.append(f"{SAYS[verdict]}: {each}.")
    return " ".join(said)


SAYS = {
    "reproduced": "**Reproduced**",
    "within noise": "**Within noise**",
    "not reproduced": "**Not reproduced**, the other way round",
    "no interval": "One number without an interval",
    "not measured": "Not measurable",
}


def difference(line: dict) -> str:
    return spread(line["mean"], line["half_width"], signed=True)


def over_unlearning(mix: dict) -> str:
    """Which algorithm forgets which third of the mixed set too much, beyond its interval and retraining's noise."""
    found, noise = {-1: [], 1: []}, [mix["methods"][CEILING][f"{part}_gap"] for part in PARTS]
    for method in mix["methods"].values():
        gaps = [method[f"{part}_gap"] for part in PARTS]
        beyond = stands_out(*_columns(gaps), *_columns(noise))
        for part, gap, told in zip(PARTS, gaps, beyond, strict=True):
            if told and method["kind"] == "single":
                found[-1 if gap["mean"] < 0 else 1].append(f"{method['title']} the {part} third by {difference(gap)}")
    listed = {side: "; ".join(lines) or "none" for side, lines in found.items()}
    mean, half_width = _columns(noise)
    floor = np.max(abs(mean) + half_width)  # NaN where one of them has no interval
    least = "" if np.isnan(floor) else f" and beyond the {floor:.3f} by which two retrained models may differ"
    return (
        "### Over-unlearning\n\n![Accuracy on each third of the mixed set less that of the retrained model, for every "
        "algorithm](paper/over-unlearning.svg)\n\n"
        "Accuracy on each third of the mixed set less that of the retrained model: below 0 an image is known worse "
        "than by a model that never saw it, which shows what was forgotten. Over-unlearned, beyond the spread of seeds"
        f"{least}: {listed[-1]}. Not forgotten enough: {listed[1]}."
    )


def _columns(found: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Means and half widths."""
    mean, half_width = np.array([(one["mean"], one["half_width"]) for one in found], np.float64).T
    return mean, half_width


def onion(requests: dict) -> str:
    counts, summary = whole_stream(requests), requests["summary"]
    own, again, beyond = (counts[n] for n in ("unlearned", "retrained", "beyond-retraining"))
    drifts = [line for line in requests["drift"] if line["drifts"]]
    moved = (
        "No set that was forgotten earlier moved beyond the noise floor while later ones were forgotten."
        if not drifts
        else "Sets forgotten earlier that moved while later ones were forgotten: "
        + "; ".join(f"set {x['set']} by {spread(x['drift'], x['half_width'], signed=True)}" for x in drifts)
        + "."
    )
    kept = {kind: [share(requests["kept"][c][kind]) for c in requests["kept"]] for kind in ("unlearned", "retrained")}
    return (
        "### The privacy onion\n\n![Median change of the log-likelihood ratio of kept images, request by request]"
        "(paper/onion.svg)\n\n"
        f"The {sum(summary['images']):,} most memorized images are forgotten in {len(summary['images'])} requests by "
        f"`{summary['unlearner']}`, over {requests['kept']['retain_accuracy']['unlearned']['n']} seeds. After the last "
        f"one the unlearned models get {kept['unlearned'][0]} of the kept and {kept['unlearned'][1]} of the test "
        f"images right, retrained ones {kept['retrained'][0]} and {kept['retrained'][1]}: its learning rate was chosen "
        f"for one request, and damage adds up. Of {own['tested']:,} images that nobody asked to forget, "
        f"{own['exposed']:,} are found newly exposed to the likelihood-ratio attack after unlearning and "
        f"{again['exposed']:,} after retraining; {beyond['exposed']:,} rise by more than under retraining (false "
        "discovery rate 5 %; with so few seeds only a rise far beyond its spread can be found, and none in models that "
        "know all images worse). Where the log-likelihood ratio is above 0, an image looks trained on; its median "
        f"change is {spread(own['median_rise'], signed=True)} under unlearning and "
        f"{spread(again['median_rise'], signed=True)} under retraining. {moved} Source: Carlini et al. 2022, who "
        "remove the most exposed images and retrain."
    )
