"""The documents say what is true: tables from the registries, commands that exist, an example that runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from docs import algorithms, evaluation
from unlearn_core import params
from unlearn_core.attacks import ATTACKS
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment.leaderboard import TASKS
from unlearn_core.models import new_model
from unlearn_core.rows import others
from unlearn_core.unlearning import ALGORITHMS, Request

ROOT = Path(__file__).parents[1]


def test_the_tables_of_the_readme_match_the_registries():
    done = subprocess.run([sys.executable, "docs/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_of_algorithms_matches_the_registry_and_what_was_measured():
    done = subprocess.run([sys.executable, "docs/algorithms.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_of_evaluation_matches_the_registries_and_what_was_measured():
    done = subprocess.run([sys.executable, "docs/evaluation.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_of_the_paper_and_its_figures_match_what_was_measured():
    done = subprocess.run([sys.executable, "docs/paper.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_metric_is_on_the_page_of_evaluation_by_a_line_or_by_why_there_is_none():
    page, found = ((ROOT / "docs" / f"evaluation.{end}").read_text() for end in ("md", "json"))
    for row in (*METRICS.values(), *ATTACKS.values()):
        assert f"| {row.label} |" in page
    lines = json.loads(found)["lines"]
    assert {line["metric"] for line in lines} <= set(METRICS) and {line["tier"] for line in lines} == set(range(4))
    assert not re.search(r"\bNaN\b|\bInfinity\b", found) and not re.search(r"\| (nan|inf)\b|\((nan|inf)\b", page)


def test_every_algorithm_and_attack_is_measured_on_the_tasks_that_it_is_for():
    tasks = json.loads((ROOT / "docs" / "algorithms.json").read_text())
    assert set(tasks) == set(TASKS) and all(task["seeds"] >= 5 for task in tasks.values())
    algorithms.refuse_unmeasured(tasks)
    del tasks["random"]["methods"]["scrub"], tasks["class"]["methods"]["unsir"]
    with pytest.raises(SystemExit, match="^Not measured yet: scrub, unsir. Run .* --measure ./store$"):
        algorithms.refuse_unmeasured(tasks)
    lines = json.loads((ROOT / "docs" / "evaluation.json").read_text())["lines"]
    left = [line for line in lines if line["by"] not in ("entropy", "svc")]
    with pytest.raises(SystemExit, match="^Not measured yet: .*; run .* --measure ./store") as said:
        evaluation.refuse_unmeasured(left)
    named = set(str(said.value).removeprefix("Not measured yet: ").partition(";")[0].split(", "))
    assert {"entropy", "svc"} <= named and not named & {line["by"] for line in left}


def test_the_glossary_has_what_is_related_and_not_ranked():
    text = (ROOT / "docs" / "glossary.md").read_text()
    for word in ("Differential privacy", "Unlearnable examples", "Reconstruction", "Zero-shot"):
        assert f"**{word}" in text


@pytest.mark.parametrize("file", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=lambda file: file.name)
def test_every_file_and_place_that_a_document_names_exists(file):
    text = file.read_text()
    for path in re.findall(r"`((?:unlearn_core|pages|tests|docs|\.ci)/[\w./]*)`", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([\w./-]+)\)", text):
        assert (file.parent / path).exists(), path
    heads = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.+)", text, re.M)]
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= {*heads, *re.findall(r'<a id="([^"]+)"', text)}


def unnamed(text, names):
    """Of modules and folders those that no line of the architecture begins with, alone or beside others."""
    starts = re.findall(r"^ {6}((?:\w+(?:\.py|/)(?:, )?)+) ", text, re.M)
    return set(names) - {name.strip("/") for start in starts for name in start.split(", ")}


def test_the_architecture_names_every_module():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    names = {entry.name for entry in (ROOT / "unlearn_core").iterdir()} - {"__init__.py", "__pycache__"}
    assert len(names) > 20 and unnamed(text, names) == set()
    # Each of them is missed where its line is, whatever else speaks of it.
    for name in names:
        line = next(line for line in text.splitlines() if re.search(rf"^ {{6}}(\S+, )*{re.escape(name)}/?,? ", line))
        assert name in unnamed(text.replace(line, f"    {line}"), names)


def test_the_algorithm_of_the_contributing_page_runs(digits, monkeypatch):
    """Adding the next algorithm is one file and one row: the documented one is run as it stands."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    code = re.search(r"<!-- example algorithm -->\n```python\n(.*?)```", text, re.S)[1]
    # Whoever begins by pasting it into the core has a class of this name already.
    monkeypatch.setattr(params, "SPECS", {name: cls for name, cls in params.SPECS.items() if name != "LogitShrink"})
    scope = {"__name__": "contributed"}
    exec(compile(code, "CONTRIBUTING.md", "exec"), scope)  # noqa: S102
    example, fine_tune = scope["LogitShrink"], ALGORITHMS["fine-tune"]
    assert "Source:" in example.__doc__ and "arXiv:" in example.__doc__  # what the contract asks of a docstring
    model = new_model("mlp", digits, 0, 16).eval()
    forget = np.arange(50)
    request = Request(digits.train.x, digits.train.y, forget, others(forget, len(digits.train.y)), len(digits.classes))

    def size(unlearner):
        unlearned = unlearner(model, request).model
        with torch.no_grad():
            return unlearned(digits.train.x[forget]).square().mean().item()

    plain = size(fine_tune(epochs=2, lr=example().lr))
    assert size(example(epochs=2, weight=10.0)) < plain / 2
    assert size(example(epochs=2, weight=0.0)) == plain
    assert params.build(params.plain(example(weight=0.5))) == example(weight=0.5)
