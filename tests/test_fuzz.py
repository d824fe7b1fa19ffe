"""Every parser of what a stranger may give takes it or refuses it in one sentence, soon, and leaves nothing behind."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from fuzz_inputs import PARSERS
from hypothesis import HealthCheck, Phase, given, settings

# Inputs of each: the same ones every time, a few seconds of them.
INPUTS = {
    "bundle": 60, "images": 600, "parquet": 150, "folder": 100, "weights": 300, "plans": 300, "rows": 300,
    "results": 300, "jobs": 100,
}  # fmt: skip


@pytest.mark.parametrize("name", PARSERS)
def test_odd_inputs_are_taken_or_refused_in_one_sentence(name, tmp_path, record_property):
    parser = PARSERS[name](tmp_path)

    @settings(
        max_examples=INPUTS[name],
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # tests/fuzz.py makes a fault smaller; here it would take minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(parser.inputs)
    def ask(given):
        counts[parser.takes(given)] += 1

    counts = {True: 0, False: 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a decoder says of a damaged file
        ask()
    record_property("summary", f"fuzz of {name}: {sum(counts.values())} inputs, {counts[True]} accepted")
    # Both ends are reached: neither are all inputs hopeless nor is nothing refused.
    assert counts[True] and counts[False]


@pytest.mark.parametrize("name", ["images", "rows"])
def test_the_command_counts_what_it_asked_and_how_much_room_it_took(name):
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("fuzz.py"), name, "1"], capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["inputs"] == said["refused"] + said["accepted"] > 0 and said["parser"] == name
    assert said["megabytes"] <= 250
