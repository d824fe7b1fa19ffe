"""study paper: the paper's tables on one dataset, in one command that can be stopped and started again."""

from __future__ import annotations

from pathlib import Path

from unlearn_core.cli.frame import answer, progress, show
from unlearn_core.cli.options import row_of
from unlearn_core.progress import Cancelled, Tell, until


def run(store, dataset: str, path: Path | None, scale: str, seeds: int, minutes: float | None) -> None:
    """Every step of the paper's study, from the store where it is there; for so many minutes at most."""
    from unlearn_core.experiment import fulfil
    from unlearn_core.experiment.paper import NAMES, SCALES, steps

    row_of(SCALES, scale, "scale")
    made, stopped = [], None
    try:
        with progress() as shown:
            tell = until(shown, minutes)
            for step in steps(store, images(store, dataset, path, tell), scale, seeds, tell):
                cached = store.find(step.spec) is not None
                result = fulfil(store, step.spec, tell)
                made.append({"step": step.name, "kind": type(step.spec).__name__, "key": result.key, "cached": cached})
    except Cancelled as cancelled:
        stopped = cancelled
    head = {"finished": stopped is None, "done": len(made), "of": len(NAMES), "steps": made}
    answer(head | {"trends": _trends(store, made)})
    if stopped is not None:
        raise stopped


def _trends(store, made: list[dict]) -> list[dict]:
    """What the steps that are there show of the findings; as a table on stderr too."""
    from unlearn_core.experiment.paper_trends import trends
    from unlearn_core.words import spread

    results = {step["step"]: store.open(step["kind"], step["key"]) for step in made}
    found = [
        {"finding": trend.title, "line": name, **vars(line), "verdict": trend.verdicts()[name]}
        for trend in trends(store, results)
        for name, line in trend.lines.items()
    ]
    lines = [line | {"difference": spread(line["mean"], line["half_width"], signed=True)} for line in found]
    show(lines, False, nothing="", columns=("finding", "line", "difference", "verdict"), err=True)
    return found


def images(store, dataset: str, path: Path | None, tell: Tell):
    """The images of a built-in dataset, or those of a person's own copy, which are added under a name of their own."""
    from unlearn_core.data import Data
    from unlearn_core.experiment.added_images import once
    from unlearn_core.experiment.paper import OWN_COPY

    if path is None:
        return Data(name=dataset)
    about = once(store, path, dataset + OWN_COPY, tell)
    return Data(name=about.name, fingerprint=about.fingerprint)
