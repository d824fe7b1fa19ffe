"""Write the tables of README.md and docs/performance.md from the registries and from what was measured.

`python docs/tables.py` rewrites them, `--check` only says if they are stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from unlearn_core.attacks import ATTACKS  # noqa: E402
from unlearn_core.data import DATASETS  # noqa: E402
from unlearn_core.evaluation import METRICS  # noqa: E402
from unlearn_core.forget import FORGET_SETS  # noqa: E402
from unlearn_core.models import MODELS  # noqa: E402
from unlearn_core.proxies import PROXIES  # noqa: E402
from unlearn_core.unlearning import ALGORITHMS  # noqa: E402

SCOPES = {"samples": "single images", "classes": "whole classes", "both": "both"}
MARK = " (reconstruction)"
DIRECTIONS = {"better": "higher is better", "worse": "lower is better", "closer_to_retrain": "closer to retrained"}


def first_sentence(text: str) -> str:
    return " ".join(text.split()).split(". ")[0].rstrip(".") + "."


def table(heads: tuple[str, ...], rows: list[tuple]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in rows])


def plus_minus(estimate: dict, digits: int = 3) -> str:
    return f"{estimate['mean']:.{digits}f} ± {estimate['half_width']:.{digits}f}"


def example() -> str:
    """The example study in numbers and sentences, all taken from docs/example.json."""
    study = json.loads((ROOT / "docs" / "example.json").read_text())
    closeness, gaps, attack = study["intervals"]["group_tow"], study["part_gaps"], study["intervals"]["lira_auc"]
    shown = sorted((n for n in study["group_tow"]), key=lambda n: -study["group_tow"][n])
    rows = [
        (f"`{n}`", plus_minus(closeness[n]), f"{study['tow'][n]:.3f}")
        + tuple(f"{gaps[n][part]['mean']:+.2f}" for part in ("low", "medium", "high"))
        + (plus_minus(attack[n], 2),)
        for n in shown
    ]
    against = study["plans_against_best_single"][0]
    apart = "within" if abs(against["mean"]) <= against["half_width"] else "beyond"
    pulled, tuned = gaps["random-label"], gaps["fine-tune"]
    torn = [f"`{n}`" for n in shown if closeness[n]["half_width"] > 0.2]
    each = study["parts"]["low"]["images"]
    sentences = [
        f"{study['forget']} images, {each} from each memorization level; {study['seeds']} seeds; memorization "
        f"from {study['bank_models']} models; learning rates chosen on other models, with "
        "validation images in place of the test images. Gaps are accuracy "
        "minus that of the retrained model, on the low, medium and high third: above 0 = not forgotten enough, below 0 "
        "= too much. `retrained-again` is the ceiling: one retrained model against another.",
        "Relabelling and fine-tuning run opposite ways: on the high third `random-label` misses retraining by "
        f"{pulled['high']['mean']:+.2f} and `fine-tune` by {tuned['high']['mean']:+.2f}, on the low third by "
        f"{pulled['low']['mean']:+.2f} and {tuned['low']['mean']:+.2f}.",
        f'The plan "nothing on low, fine-tune on medium, random-label on high" lies {against["mean"]:+.3f} ± '
        f"{against['half_width']:.3f} from the best single algorithm, `{against['best_single']}`: {apart} the spread "
        "of the seeds. The rival is picked on the seeds it is judged on, which favours it.",
    ]
    if torn:
        sentences.append(f"On some seeds {', '.join(torn)} broke down at the learning rate that other models chose.")
    heads = ("method", "group ToW", "ToW", "gap low", "gap medium", "gap high", "LiRA AUC")
    return "\n\n".join([sentences[0], table(heads, rows), *sentences[1:]])


def benchmarks() -> str:
    """The table of ratios, from docs/benchmarks.jsonl: what tests/benchmarks/run.py printed."""
    lines = [json.loads(line) for line in (ROOT / "docs" / "benchmarks.jsonl").read_text().splitlines()]
    rows = [
        (line["work"], f"{line['seconds']:,.3g}", f"{line['obvious']:,.3g}", f"{line['ratio']:g}", _goal(line))
        for line in lines
    ]
    return table(("work", "here, s", "the usual way, s", "times faster", "to reach"), rows)


def _goal(line: dict) -> str:
    if line["goal"] is None:
        return "no goal"
    return f"{line['goal']:g}{', missed' if line['ratio'] < line['goal'] else ''}"


def cifar() -> str:
    """The study on real images, from docs/cifar.json: the last line that the study command printed."""
    study = json.loads((ROOT / "docs" / "cifar.json").read_text())
    seconds = ", ".join(f"{stage} {s:.0f} s" for stage, s in study["seconds"].items() if s >= 1)
    parts = ", ".join(f"{name} {at['memorization']:.2f}" for name, at in study["parts"].items())
    sentence = (
        f"{seconds}. {study['bank_models']} models in the bank, which get {study['bank_fitted']:.1%} of their training "
        f"images right. {study['forget']} images to forget; mean memorization of their parts: {parts}. "
        f"{study['seeds']} seeds; ± is the 95 % interval over them, and `retrained-again` the ceiling."
    )
    closeness, attack = study["intervals"]["group_tow"], study["intervals"]["lira_auc"]
    gaps = study["part_gaps"]
    rows = [
        (f"`{n}`", plus_minus(closeness[n]))
        + tuple(f"{gaps[n][part]['mean']:+.2f}" for part in ("low", "medium", "high"))
        + (plus_minus(attack[n], 2),)
        for n in sorted(study["group_tow"], key=lambda n: -study["group_tow"][n])
    ]
    heads = ("method", "group ToW", "gap low", "gap medium", "gap high", "LiRA AUC")
    return f"{sentence}\n\n{table(heads, rows)}"


def measured() -> dict[str, str]:
    """The text between each pair of markers in docs/performance.md."""
    return {"benchmarks": benchmarks(), "cifar": cifar()}


def registries() -> dict[str, str]:
    """The text between each pair of markers in README.md."""
    return {
        "datasets": table(
            ("dataset", "training and test images", "pixels", "how it is obtained"),
            [
                (f"`{n}`", " + ".join(f"{k:,}" for k in row.size), "x".join(map(str, row.shape)), row.obtained)
                for n, row in DATASETS.items()
            ],
        ),
        "models": table(("model", "what it is"), [(f"`{name}`", row.title) for name, row in MODELS.items()]),
        "algorithms": table(
            ("algorithm", "group", "for", "what it does"),
            [
                (
                    f"`{name}`",
                    cls.group,
                    SCOPES[cls.scope],
                    first_sentence(cls.__doc__) + MARK * bool(cls.reconstruction),
                )
                for name, cls in ALGORITHMS.items()
            ],
        ),
        "proxies": table(("score", "what it is"), [(row.title, first_sentence(row.help)) for row in PROXIES.values()]),
        "forget-sets": table(
            ("rule", "what it names"),
            [(f"`{name}`", first_sentence(cls.__doc__)) for name, cls in FORGET_SETS.items()],
        ),
        "metrics": table(
            ("metric", "direction", "what it is"),
            [(row.label, DIRECTIONS[row.direction], first_sentence(row.help)) for row in METRICS.values()],
        ),
        "attacks": table(
            ("attack", "what it does"), [(row.label, first_sentence(row.help)) for row in ATTACKS.values()]
        ),
        "example": example(),
    }


def rewritten(text: str, tables: dict[str, str]) -> str:
    for name, body in tables.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        text = before + start + "\n" + body + "\n" + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    for name, tables in (("README.md", registries()), ("docs/performance.md", measured())):
        file = ROOT / name
        old = file.read_text()
        new = rewritten(old, tables)
        if "--check" not in sys.argv:
            file.write_text(new)
        elif new != old:
            sys.exit(f"{name} is stale: run python docs/tables.py")
