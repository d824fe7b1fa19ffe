"""Write docs/algorithms.md from the registry and from docs/algorithms.json, which the command leaderboard printed."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from tables import SCOPES, first_sentence, plus_minus, table  # noqa: E402

from unlearn_core.params import params  # noqa: E402
from unlearn_core.unlearning import ALGORITHMS, Unlearner  # noqa: E402

REFERENCES = ("original", "retrained", "retrained-again")
HEAD = """# Unlearning algorithms

Written by `python docs/algorithms.py` from the code and from `docs/algorithms.json`; that file is made by

```sh
python -m unlearn_core leaderboard --store ./store | tail -n 1 | python -m json.tool > docs/algorithms.json
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


def measured(task: dict) -> str:
    """One task: the table, and who does not come closer than doing nothing."""
    lines = task["methods"]
    shown = sorted((n for n in lines if n != "retrained"), key=lambda n: -lines[n]["group_tow"]["mean"])
    rows = [
        (
            f"`{n}`",
            plus_minus(lines[n]["group_tow"]),
            plus_minus(lines[n]["tow"]),
            plus_minus(lines[n]["tpr_at_1_fpr"], 2),
            *(f"{lines[n][f'{s}_accuracy']['mean']:.3f}" for s in ("forget", "retain", "test")),
            f"{lines[n]['seconds']:.2f}",
        )
        for n in shown
    ]
    retrained = lines["retrained"]
    target = "/".join(f"{retrained[f'{s}_accuracy']['mean']:.3f}" for s in ("forget", "retain", "test"))
    heads = ("algorithm", "group ToW", "ToW", "TPR at 1 % FPR", "forget", "retain", "test", "seconds")
    text = (
        f"{task['forget']} images of {task['dataset']}, {task['seeds']} seeds; ± is the 95 % interval over them. "
        f"`original` is doing nothing, `retrained-again` the ceiling: one retrained model against another. A retrained "
        f"model's accuracy on forgotten, kept and test images is {target}, its TPR at 1 % FPR "
        f"{plus_minus(retrained['tpr_at_1_fpr'], 2)}.\n\n{table(heads, rows)}"
    )
    behind = [n for n in shown if n not in REFERENCES and not better(lines[n]["closer_than_original"])]
    if not behind:
        return f"{text}\n\nEvery one of them comes closer to retraining than doing nothing."
    named = ", ".join(f"`{n}` ({_signed(lines[n]['closer_than_original'])})" for n in behind)
    return (
        f"{text}\n\nNot shown to come closer to retraining than doing nothing (group ToW minus that of the original of "
        f"the same seed): {named}."
    )


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


def page() -> str:
    tasks = json.loads((ROOT / "docs" / "algorithms.json").read_text())
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
    if "--check" not in sys.argv:
        file.write_text(page())
    elif not file.exists() or file.read_text() != page():
        sys.exit("docs/algorithms.md is stale: run python docs/algorithms.py")
