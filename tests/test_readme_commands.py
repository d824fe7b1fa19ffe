"""The commands of the README, run one after the other as they are printed, on a store of their own."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("python -m unlearn_core ")]


def run(command: str, folder: Path) -> dict | list | None:
    """The JSON of the last line of stdout; None where there is none."""
    words, env = shlex.split(command), {**os.environ, "PYTHONPATH": str(ROOT)}
    words[0] = sys.executable
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except ValueError:
        return None


def test_the_only_set_up_commands_are_two():
    installs = [line for block in BLOCKS for line in block.splitlines() if "pip install" in line]
    assert installs == [
        "python -m pip install -r requirements.txt && python -m streamlit run app.py",
        "python -m pip install -r requirements.txt -e '.[test]' && python -m pytest",
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_do_what_the_readme_says(tmp_path):
    answers = {command.split()[3]: run(command, tmp_path) for command in COMMANDS}
    made = ["example", "bank", "forget", "tune", "audit", "stream", "report", "bundle", "unlearn", "verify"]
    assert list(answers) == [*made, "remove", "list"]

    study = answers["example"]
    assert study["cached"] is False and set(study["seconds"]) >= {"bank", "map", "tuning", "unlearning"}
    assert study["bank_models"] == 64 and study["entanglement"]["share_of_random"] > 0
    measured = {"original", "retrained-again", "rum", "rum-shuffle", "fine-tune", "salun", "scrub"}
    assert measured <= set(study["tow"]) and measured <= set(study["group_tow"]) and measured <= set(study["accuracy"])
    assert study["lira_auc"]["before"] > study["lira_auc"]["retrained"]
    # What the example is there to show, at its real size and with all its seeds.
    gaps = {name: {part: at["mean"] for part, at in parts.items()} for name, parts in study["part_gaps"].items()}
    for relabels in ("random-label", "salun"):
        assert abs(gaps[relabels]["high"]) < abs(gaps["fine-tune"]["high"])
        assert abs(gaps[relabels]["low"]) > abs(gaps["fine-tune"]["low"])
    assert study["group_tow"]["retrained-again"] > max(study["group_tow"][n] for n in measured - {"retrained-again"})
    printed = json.loads((ROOT / "docs" / "example.json").read_text())
    for name, now in study["intervals"]["group_tow"].items():
        then = printed["intervals"]["group_tow"][name]
        about = max(0.05, now["half_width"] + then["half_width"])
        stale = (
            f"the README's {name} is {then['mean']:.3f}, measured now {now['mean']:.3f}: its end says how to renew it"
        )
        assert abs(now["mean"] - then["mean"]) < about, stale
    again = run(COMMANDS[0], tmp_path)
    assert again["cached"] is True and {**again, "cached": False} == study

    assert answers["bank"]["models"] == 256 and 0.9 < answers["bank"]["test_accuracy"] < 1
    assert answers["bank"]["fitted"] > 0.99
    assert answers["forget"]["size"] == 120
    assert answers["tune"]["trials"] == 64 and len(answers["tune"]["plans"]) == 3
    audit = answers["audit"]
    assert audit["tier"] == 1 and audit["forget"] == 120 and audit["compared"] > 80
    assert audit["says"]["over-unlearned"] > 10 and audit["says"]["not told from retraining"] > 10
    assert answers["stream"] is answers["verify"] is None  # tables and sentences
    assert answers["report"]["method"] == "rum" and answers["bundle"]["results"] > 50
    assert (tmp_path / "report.html").stat().st_size == answers["report"]["bytes"]
    assert (tmp_path / "study.zip").stat().st_size == answers["bundle"]["bytes"]
    assert answers["remove"]["results"] > 100 and answers["remove"]["trash"] is None  # only said
    assert answers["unlearn"]["accuracy"]["forget"] <= answers["unlearn"]["accuracy_before"]["forget"]
