"""What a forecast says, in words."""

from __future__ import annotations

from pages.shared.text import duration
from unlearn_core.experiment.forecast import Forecast

WIDE = 3  # from this factor between the fastest and the slowest on, one number would promise too much


def cost(f: Forecast) -> str:
    """What is still to be done and how long it may take, in words."""
    if not f.runs + f.trials + f.trainings:
        return "Nothing is left to compute: all results of this plan are stored already."
    counts = [
        (f.trainings, "model to train", "models to train"),
        (f.trials, "trial of a learning rate", "trials of learning rates"),
    ]
    counts.append((f.runs, "unlearning run", "unlearning runs"))
    work = ", ".join(f"{n:,} {one if n == 1 else many}" for n, one, many in counts if n)
    text = f"{_how_long(f)}: {work}"
    text += f"; {f.reused:,} stored results are used again." if f.reused else "."
    if f.guessed:
        text += f" Never run here, so guessed: {', '.join(f.guessed)}."
    return text


def _how_long(f: Forecast) -> str:
    """The middle where the runs seen agree within a factor of WIDE, else the range; and the process has to start."""
    if f.slowest > WIDE * f.fastest:
        spread = f"Between **{duration(f.fastest)}** and **{duration(f.slowest)}**, by the runs seen here"
    else:
        spread = f"About **{duration(f.seconds)}**"
    return f"{spread}, plus a few seconds to start"
