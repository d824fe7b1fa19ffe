"""Write the tables of README.md from the registries. `python docs/tables.py` rewrites them, `--check` only says if they
are stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from unlearn_core.attacks import ATTACKS  # noqa: E402
from unlearn_core.data import DATASETS  # noqa: E402
from unlearn_core.evaluation import METRICS  # noqa: E402
from unlearn_core.forget import FORGET_SETS  # noqa: E402
from unlearn_core.models import MODELS  # noqa: E402
from unlearn_core.unlearning import ALGORITHMS  # noqa: E402

DIRECTIONS = {"better": "higher is better", "worse": "lower is better", "closer_to_retrain": "closer to retrained"}


def first_sentence(text: str) -> str:
    return " ".join(text.split()).split(". ")[0].rstrip(".") + "."


def table(heads: tuple[str, ...], rows: list[tuple]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in rows])


def tables() -> dict[str, str]:
    """The text between each pair of markers in README.md."""
    return {
        "datasets": table(
            ("dataset", "images", "shape", "how it is obtained"),
            [(f"`{name}`", row.size, row.shape, row.obtained) for name, row in DATASETS.items()],
        ),
        "models": table(("model", "what it is"), [(f"`{name}`", row.title) for name, row in MODELS.items()]),
        "algorithms": table(
            ("algorithm", "group", "what it does"),
            [(f"`{name}`", cls.group, first_sentence(cls.__doc__)) for name, cls in ALGORITHMS.items()],
        ),
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
    }


def rewritten(text: str) -> str:
    for name, body in tables().items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, rest = text.split(start)
        text = before + start + "\n" + body + "\n" + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    old = readme.read_text()
    new = rewritten(old)
    if "--check" in sys.argv:
        sys.exit("README.md is stale: run python docs/tables.py" if new != old else 0)
    readme.write_text(new)
