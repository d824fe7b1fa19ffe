"""A metric has two names, the label of its row and the abbreviation that this ends with; pages, reports and commands
write no third one, and take the label from the row.
"""

import ast
import re
from pathlib import Path

import pytest

from unlearn_core.evaluation import METRICS
from unlearn_core.experiment.comparison import COLUMNS

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in ("pages/**/*.py", "unlearn_core/report/*.*", "unlearn_core/cli/*.py")
    for path in ROOT.glob(folder)
    if path.suffix in (".py", ".j2")
]
LABELS = {about.label for about in (*METRICS.values(), *COLUMNS.values())}
# Another name for ToW or TPR, such as "Closeness (ToW)" or "plain ToW": an abbreviation behind words of one's own.
THIRD = re.compile(r"\((group ToW|ToW|ToW-MIA|TPR@1%FPR)[,)]|[Pp]lain ToW|Group ToW")


def written(path: Path) -> list[str]:
    """The texts of a file that may come to a screen: those of a template, or all strings but docstrings."""
    if path.suffix != ".py":
        return [path.read_text(encoding="utf-8")]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told]
    return [node.value for node in texts if isinstance(node.value, str)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_names_of_metrics_are_those_of_their_rows(path):
    for text in written(path):
        assert not THIRD.search(text) and text not in LABELS | {"Attack AUC", "LiRA AUC"}, text


def test_no_two_metrics_share_a_label():
    assert len(LABELS) >= len(METRICS) == len({about.label for about in METRICS.values()})
    assert METRICS["group_tow"].short == "group ToW" and METRICS["retain_accuracy"].short == "Accuracy on kept images"
