"""Write docs/algorithms.md from the registry and from docs/algorithms.json, what the leaderboard measured.

`python docs/algorithms.py --measure STORE` measures first; `--check` only says if the page is stale.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from tables import SCOPES, first_sentence, plus_minus, table  # noqa: E402

from unlearn_core.cli.frame import progress  # noqa: E402
from unlearn_core.experiment.leaderboard import TASKS, contenders, leaderboard, short_name  # noqa: E402
from unlearn_core.experiment.run_times import length_of  # noqa: E402
from unlearn_core.experiment.study_table import REFERENCES  # noqa: E402
from unlearn_core.experiment.usual_times import FILE  # noqa: E402
from unlearn_core.params import params  # noqa: E402
from unlearn_core.store import Store  # noqa: E402
from unlearn_core.unlearning import ALGORITHMS, Unlearner  # noqa: E402

HEAD = """# Unlearning algorithms

Measured and written by one command, about a minute and a half on two processor cores:

```sh
python docs/algorithms.py --measure ./store
```

Every algorithm runs with its defaults. These were found on models and forget sets that are not reported here, with
validation images in the place of the test images: `python -m unlearn_core defaults --store ./store` searches again. A
small net on small images says which algorithms work as they should; it does not rank them for yours: run a study for
that."""


def overview() -> str:
    rows = [
        (
            f"[`{name}`](#{name})",
            cls.group,
            SCOPES[cls.scope],
            ", ".join(cls().needs) or "nothing",
            "yes" if cls.reconstruction else "",
            first_sentence(cls.__doc__),
        )
        for name, cls in ALGORITHMS.items()
    ]
    return table(("algorithm", "group", "for", "looks at", "reconstruction", "what it does"), rows)


RATES = {"tpr_at_1_fpr": "1 %", "tpr_at_10_fpr": "10 %"}


def measured(task: dict) -> str:
    """One task: the table, and who does not come closer than doing nothing."""
    lines, retrained = task["methods"], task["methods"]["retrained"]
    shown = sorted((n for n in lines if n != "retrained"), key=lambda n: -lines[n]["group_tow"]["mean"])
    rates = {rate: words for rate, words in RATES.items() if retrained[rate]["value"] is not None}
    rows = [
        (f"`{n}`", *(plus_minus(lines[n][m]) for m in ("group_tow", "tow")), plus_minus(lines[n]["attack_auc"], 2))
        + tuple(_rate(lines[n][rate]) for rate in rates)
        + tuple(f"{lines[n][f'{s}_accuracy']['mean']:.3f}" for s in ("forget", "retain", "test"))
        + (f"{lines[n]['seconds']:.2f}",)
        for n in shown
    ]
    target = "/".join(f"{retrained[f'{s}_accuracy']['mean']:.3f}" for s in ("forget", "retain", "test"))
    attacked = ", ".join(f"TPR at {words} FPR {_rate(retrained[rate])}" for rate, words in rates.items())
    heads = ("algorithm", "group ToW", "ToW", "AUC", *(f"TPR at {words} FPR" for words in rates.values()))
    text = (
        f"{task['forget']} images of {task['dataset']}, {task['seeds']} seeds; ± is the 95 % interval over them. "
        f"`original` is doing nothing, `retrained-again` the ceiling: one retrained model against another. A retrained "
        f"model's accuracy on forgotten, kept and test images is {target}; the confidence attack, which is to find no "
        f"more in an unlearned model than in a retrained one, reads AUC {plus_minus(retrained['attack_auc'], 2)} there"
        f"{attacked and ', ' + attacked}."
    )
    for rate, words in RATES.items():
        if rate not in rates:
            text += f" The TPR at {words} FPR is {retrained[rate]['why']}."
    text += f"\n\n{table((*heads, 'forget', 'retain', 'test', 'seconds'), rows)}"
    behind = [n for n in shown if n not in REFERENCES and not better(lines[n]["closer_than_original"])]
    if not behind:
        return f"{text}\n\nEvery one of them comes closer to retraining than doing nothing."
    named = ", ".join(f"`{n}` ({_signed(lines[n]['closer_than_original'])})" for n in behind)
    return (
        f"{text}\n\nNot shown to come closer to retraining than doing nothing (group ToW minus that of the original of "
        f"the same seed): {named}."
    )


def _rate(found: dict) -> str:
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def better(difference: dict) -> bool:
    """Whether the whole interval of a difference lies above 0."""
    return difference["half_width"] is not None and difference["mean"] > difference["half_width"]


def _signed(difference: dict) -> str:
    return f"{difference['mean']:+.3f} ± {difference['half_width']:.3f}"


def card(name: str, cls: type) -> str:
    """All that is said of one algorithm."""
    settings = [(f"`{p.name}`", f"`{_default(p.default)}`", p.help) for p in params(cls)]
    parts = [f"### {name}", f"**{cls.title}**", inspect.getdoc(cls)]
    parts += [s for s in (cls.reconstruction, cls.caution) if s]
    return "\n\n".join([*parts, table(("setting", "default", "what it is"), settings)] if settings else parts)


def _default(value) -> str:
    return value.title if isinstance(value, Unlearner) else str(value)


def refuse_unmeasured(tasks: dict) -> None:
    """Exit with a sentence where an algorithm has no line at a task that it is for."""
    asked = {(short_name(cls()), name) for name, task in TASKS.items() for cls in contenders(task)}
    lacking = sorted({method for method, name in asked if method not in tasks[name]["methods"]})
    if lacking:
        sys.exit(f"Not measured yet: {', '.join(lacking)}. Run python docs/algorithms.py --measure ./store")


def usual_times(tasks: dict) -> dict[str, float]:
    """Seconds of each algorithm at the first task that it is for: for an epoch, or for all of a run that has none."""
    at = {method: line["seconds"] for task in reversed(tasks.values()) for method, line in task["methods"].items()}
    times = {name: at.get(short_name(cls())) for name, cls in ALGORITHMS.items()}
    timed = {name: t / length_of(ALGORITHMS[name]()) for name, t in times.items() if t and name != "original"}
    return {name: float(f"{t:.3g}") for name, t in timed.items()}


def page() -> str:
    tasks = json.loads((ROOT / "docs" / "algorithms.json").read_text())
    refuse_unmeasured(tasks)
    parts = [HEAD, overview()]
    for task in tasks.values():
        parts += [f"## Forgetting {task['title']}", measured(task)]
    group = None
    for name, cls in ALGORITHMS.items():
        if cls.group != group:
            group = cls.group
            parts.append(f"## {group[0].upper()}{group[1:]}")
        parts.append(card(name, cls))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    file = ROOT / "docs" / "algorithms.md"
    if sys.argv[1:2] == ["--measure"]:
        with progress() as tell:
            found = leaderboard(Store(Path(sys.argv[2])), tell=tell)
        (ROOT / "docs" / "algorithms.json").write_text(json.dumps(found) + "\n")
        FILE.write_text(json.dumps(usual_times(found), indent=0) + "\n")
    if "--check" not in sys.argv:
        file.write_text(page())
    elif not file.exists() or file.read_text() != page():
        sys.exit("docs/algorithms.md is stale: run python docs/algorithms.py")
