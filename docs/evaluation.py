"""Write docs/evaluation.md from the registries and from docs/evaluation.json, an audit of all tiers as measured.

`python docs/evaluation.py --measure STORE` measures first; `--check` only says if the page is stale.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from tables import first_sentence, table  # noqa: E402

from unlearn_core import evaluation  # noqa: E402
from unlearn_core.attacks import ATTACKS  # noqa: E402
from unlearn_core.cli.frame import progress  # noqa: E402
from unlearn_core.evaluation import METRICS  # noqa: E402
from unlearn_core.evaluation.seeds import ROUNDING  # noqa: E402
from unlearn_core.experiment import fulfil  # noqa: E402
from unlearn_core.experiment.attributes import known  # noqa: E402
from unlearn_core.experiment.leaderboard import TASKS, study_of  # noqa: E402
from unlearn_core.experiment.tiers import TIERS, Audit, Subject  # noqa: E402
from unlearn_core.experiment.tiers.cost import cost  # noqa: E402
from unlearn_core.experiment.tiers.from_outputs import BY_ONE_MODEL, BY_TAUGHT  # noqa: E402
from unlearn_core.experiment.tiers.overview import COLUMNS, verdict  # noqa: E402
from unlearn_core.progress import Tell  # noqa: E402
from unlearn_core.store import Store  # noqa: E402
from unlearn_core.unlearning import RandomLabel  # noqa: E402

HEAD = """# Evaluation

Measured and written by one command, about three minutes on two processor cores; the store is an empty one:

```sh
python docs/evaluation.py --measure ./store
```

An audit asks in four tiers, each of which holds those before it:
`python -m unlearn_core audit RUN --tier 2 --store ./store`, or the Audit page. With `--cost` it only says what the tier
will cost."""

CONVENTIONS = """## How to read it

- **The target is retraining.** A perfect method reads what a model reads that was trained again without the forget
  set, not 0, 1 or 0.5: such a model still gets many of the forgotten images right, and an attack finds something in it
  too. Beyond that value lies over-unlearning, which shows what was forgotten just as remembering does. Only where the
  direction says higher or lower may a method be better than retraining.
- **The noise floor.** No two retrained models read the same. The floor is the most by which one may differ from
  another: a second one of the same seed number over seeds, or all of 40 splits of many retrained models in two halves.
  A difference counts where it lies beyond its own 95 % interval and beyond the floor. Measures that compare two models
  read the same both ways, so two retrained ones never differ there: their floor is 0 and the interval alone decides.
  All models, retrained ones too, are compared with a second retrained model that started from other weights.
- **The sampling unit is the model.** Intervals are over seeds, over blocks of three shadow models, over single
  deletions or over splits of the retrained models, never over images: images of one model share all its luck.
- **Power.** Where the audited models read like retrained ones and the original does too, the measure saw nothing
  because it cannot see; the verdict says so.
- **TPR at a rate of false alarms** is the largest TPR at an FPR of at most alpha, nothing interpolated. It is given
  only where ten images that were never seen may be false alarms: 1 % needs 1,000 of them, 0.1 % needs 10,000.
- **Logarithms are natural**: epsilon and divergences are in nats.
- **Not measurable** is an answer too. What cannot be measured says why and reads nothing; it is never filled with
  0."""

# Rows of METRICS that no audit has a line for.
ELSEWHERE = {
    "disagreement": "One minus the agreement, which an audit has.",
    "one_run_epsilon": "Fair coins must decide which images are trained on before the original is trained.",
    "entanglement": "It says how hard the forget set is, before any algorithm: the Explore page has it.",
}
# Functions that are no rows of METRICS.
PARTS = {
    "efficacy_upper_bound": "A cheap bound of a measure that is taken exactly.",
    "example_epsilons": "One number an image: the table of images of tier 3 has it.",
    "high_confidence_epsilon": "For an attack that was fixed beforehand on other models.",
    "indiscernibility": "Another scale for the accuracy of an attack, such as the simple MIA.",
    "information_score": "One divided by the efficacy.",
    "inside_seed_spread": "For models that are not paired by seed; those of an audit are.",
    "stands_out": "The rule by which one of many gaps is told from noise.",
    "js_divergences": "One number an image, of which an audit has the mean.",
    "klom_each": "One number an image: the table of images of tier 3 has it.",
    "over_seeds": "What intervals over seeds are made with.",
    "paired_difference": "What gaps to retraining are made with.",
    "percentage_error": "A gap to retraining as a percentage, which an audit gives as a difference with an interval.",
    "reach": "How far an interval is drawn.",
    "retention": "The accuracies and the memory retention rate say it.",
    "split_half_epsilons": "One number an image: the table of images of tier 3 has it.",
    "total_variation": "Another distance of the same outputs, which are compared in two ways already.",
    "values_of": "How numbers are taken out of a table.",
    "weight_distances": "Layer by layer; an audit has the whole.",
    "within": "How far an interval is read out.",
}


# -- measuring ---------------------------------------------------------------------------------------------------------


def measured(store: Store, tell: Tell) -> dict:
    """An audit of random relabelling with its defaults on a random tenth, one tier after the other in an empty store:
    what each tier made and took, and every line of the last one with the tier that it appeared in.
    """
    study = study_of(TASKS["random"])
    subject = Subject.of(study.training, study.forget.choose(known(store, study.bank)), {}, RandomLabel())
    tiers, first = [], {}
    for number in range(len(TIERS)):
        wanted = Audit(name="Random-label", subject=subject, tier=number)
        asked, started = cost(store, wanted), time.perf_counter()
        result = fulfil(store, wanted, tell)
        tiers.append({"trainings": asked.trainings, "runs": asked.runs, "seconds": time.perf_counter() - started})
        lines = [_plain(line) for line in result.table().to_dict("records")]
        for line in lines:
            line["tier"] = first.setdefault(tuple(line[name] for name in COLUMNS), number)
    sizes = {name: getattr(wanted, name) for name in ("seeds", "shadows", "deletions", "models")}
    return {"summary": result.json("summary") | sizes, "tiers": tiers, "lines": lines}


def _plain(line: dict) -> dict:
    """A line of a table as JSON, to six digits."""
    return {name: _value(value) for name, value in line.items()}


def _value(value):
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    return float(f"{value:.6g}") if isinstance(value, float) else int(value)


# -- writing -----------------------------------------------------------------------------------------------------------

DIRECTIONS = {"better": "higher", "worse": "lower", "closer_to_retrain": "as retrained"}


def costs(found: dict) -> str:
    """What each tier asks and what it took beyond those before it."""
    rows = [
        (f"{number} {tier.name}", tier.question, tier.models, took["trainings"], took["runs"], f"{took['seconds']:.0f}")
        for number, (tier, took) in enumerate(zip(TIERS, found["tiers"], strict=True))
    ]
    heads = ("tier", "question", "models", "new trained", "new unlearned", "further seconds")
    about = found["summary"]
    text = (
        f"As measured here: {about['algorithm']} with its defaults forgets a random tenth of the small noisy digits, "
        f"{about['forget']} images; {about['seeds']} seeds, {about['shadows']} shadow models, {about['deletions']} "
        f"single deletions, {about['models']} models of each kind, on two processor cores. Models of a study are "
        "not made again, so an audit of one costs less."
    )
    return f"{text}\n\n{table(heads, rows)}"


def tier_table(found: dict, number: int) -> str:
    """The lines that appear in one tier."""
    rows = [_row(line) for line in found["lines"] if line["tier"] == number]
    heads = ("metric", "better", "on", "retrained", "original", "audited", "noise floor", "verdict", "source")
    return table(heads, rows)


def _row(line: dict) -> tuple[str, ...]:
    metric = METRICS[line["metric"]]
    on = ", ".join(words for words in (line["on"], line["by"].replace("_", " ")) if words)
    values = [_interval(line, kind) for kind in ("retrained", "original", "unlearned")]
    floor = "" if line["floor"] is None else f"{line['floor'] if line['floor'] > ROUNDING else 0:.2g}"
    return (metric.label, DIRECTIONS[metric.direction], on, *values, floor, verdict(pd.Series(line)), metric.source)


def _interval(line: dict, kind: str) -> str:
    """A mean with its interval, or with the span of all splits."""
    value, low, high = (line[f"{kind}{end}"] for end in ("", "_low", "_high"))
    if value is None:
        return ""
    return f"{value:.3g}" if low is None else f"{value:.3g} ({low:.3g} to {high:.3g})"


def in_words(found: dict) -> str:
    """How the numbers that can be told from each other fall out."""
    said = ", ".join(f"{words} {count}" for words, count in found["summary"]["says"].items())
    return (
        f"Of {found['summary']['numbers']} numbers {found['summary']['compared']} can be compared with retraining: "
        f"{said}. In brackets: the 95 % interval, or the span of all splits of the retrained models."
    )


MEASURE = "run python docs/evaluation.py --measure ./store with an empty store"


def refuse_unmeasured(lines: list[dict]) -> None:
    """Exit with a sentence where an attack that audits have by its row has no line."""
    if lacking := {*BY_ONE_MODEL, *BY_TAUGHT} - {line["by"] for line in lines}:
        sys.exit(f"Not measured yet: {', '.join(sorted(lacking))}; {MEASURE}.")


def why(said: dict[str, str], name: str) -> str:
    if name not in said:
        sys.exit(
            f"No line was measured for {name}: {MEASURE}, or say in ELSEWHERE or PARTS there why no audit has one."
        )
    return said[name]


def elsewhere(lines: list[dict]) -> str:
    """What is a function only, and why."""
    rows = [
        (METRICS[name].label, DIRECTIONS[METRICS[name].direction], why(ELSEWHERE, name), METRICS[name].source)
        for name in METRICS
        if name not in {line["metric"] for line in lines}
    ]
    known_ones = {f.func if isinstance(f, partial) else f for f in (row.function for row in METRICS.values())}
    functions = {name: getattr(evaluation, name) for name in sorted(evaluation.__all__)}
    parts = [
        (f"`{name}`", first_sentence(inspect.getdoc(function)), why(PARTS, name))
        for name, function in functions.items()
        if inspect.isfunction(function) and function not in known_ones
    ]
    return "\n\n".join(
        [
            "## Not in an audit",
            "Metrics that are functions alone, and why an audit has no line for them.",
            table(("metric", "better", "why", "source"), rows),
            "What metrics are made of, or say image by image.",
            table(("function", "what it gives", "why it is no line"), parts),
        ]
    )


GIVES = {
    "scores": "a score an image",
    "efficacy": "share of the forget images called non-members",
    "reference": "a score an image, with more than one model",
}


def attacks() -> str:
    rows = [
        (row.label, ", ".join(row.needs), GIVES[row.gives] if name != "simple" else "its accuracy", row.source)
        for name, row in ATTACKS.items()
    ]
    return table(("attack", "needs", "gives", "source"), rows)


def page() -> str:
    found = json.loads((ROOT / "docs" / "evaluation.json").read_text())
    refuse_unmeasured(found["lines"])
    parts = [HEAD, costs(found), CONVENTIONS, in_words(found)]
    for number, tier in enumerate(TIERS):
        parts += [f"## Tier {number}: {tier.name}", tier.question, tier_table(found, number)]
    parts += [elsewhere(found["lines"]), "## Attacks", attacks()]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    file = ROOT / "docs" / "evaluation.md"
    if sys.argv[1:2] == ["--measure"]:
        with progress() as tell:
            found = measured(Store(Path(sys.argv[2])), tell)
        (ROOT / "docs" / "evaluation.json").write_text(json.dumps(found) + "\n")
    if "--check" not in sys.argv:
        file.write_text(page())
    elif not file.exists() or file.read_text() != page():
        sys.exit("docs/evaluation.md is stale: run python docs/evaluation.py")
