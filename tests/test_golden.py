"""The known answers hold, and the judge of them can say no."""

import copy
import json
import subprocess
import sys

import golden
import pytest

VECTORS = json.loads(golden.SHIPPED.read_text())["vectors"]


@pytest.mark.parametrize("name", golden.COMPUTE)
def test_known_answers(name):
    outputs = golden.compute(f"{name}__again", VECTORS[name]["inputs"])
    assert golden.judge(VECTORS[name], outputs) == []


def numbers(tree, path=()):
    """The paths of all numbers in a tree of dicts and lists."""
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from numbers(value, (*path, key))
    elif isinstance(tree, int | float):
        yield path


@pytest.mark.parametrize("name", golden.COMPUTE)
def test_every_single_number_is_judged(name):
    outputs = golden.compute(name, VECTORS[name]["inputs"])
    for path in numbers(VECTORS[name]["expected"]):
        wrong = copy.deepcopy(VECTORS[name])
        place = wrong["expected"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] += 0.01
        assert golden.judge(wrong, outputs) == [path[0]], path


def vector(expected, **more):
    return {"expected": expected, "tol": 1e-6, **more}


def test_either_of_two_answers():
    assert not golden.judge(vector({"a|b": 1.0}), {"a": 0.0, "b": 1.0})
    assert golden.judge(vector({"a|b": 1.0}), {"a": 0.0, "b": 2.0})
    assert not golden.judge(vector({"a": "nan|0.5"}), {"a": 0.5})
    assert not golden.judge(vector({"a": "nan|0.5"}), {"a": float("nan")})
    assert golden.judge(vector({"a": "nan|0.5"}), {"a": 0.6})


def test_only_core_keys_count_where_there_are_some():
    both = {"a": 1.0, "b": 2.0}
    assert golden.judge(vector(both), {"a": 1.0, "b": 3.0}) == ["b"]
    assert not golden.judge(vector(both, core=["a"]), {"a": 1.0, "b": 3.0})
    assert not golden.judge(vector(both, core=["a|b"]), {"a": 0.0, "b": 2.0})
    assert golden.judge(vector(both, core=["a|b"]), {"a": 2.0, "b": 1.0}) == ["a|b"]


def test_missing_and_infinite_answers():
    assert golden.judge(vector({"a": 1.0}), {}) == ["a"]
    assert golden.judge(vector({"a": [1.0, 2.0]}), {"a": [1.0]}) == ["a"]
    assert not golden.judge(vector({"a": "inf", "b": "nan", "c": None}), {"a": float("inf"), "b": None, "c": None})
    assert golden.judge(vector({"a": "inf"}), {"a": 1e300}) == ["a"]


def test_the_command_counts_and_fails(tmp_path):
    right = VECTORS["seed_confidence_interval"]
    wrong = right | {"expected": {"mean": 0.0, "half_width_95": 0.0}}
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps({"vectors": {"seed_confidence_interval__a": right, "unheard_of": right}}))
    command = [sys.executable, golden.__file__, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0
    assert run.stdout.splitlines()[-1] == "1 passed, 0 failed"
    assert "not yet  unheard_of" in run.stdout
    broken = right | {"inputs": {}}
    path.write_text(json.dumps({"vectors": dict(seed_confidence_interval=wrong, deepunlearn_scalars=broken)}))
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 1
    assert run.stdout.splitlines()[-1] == "0 passed, 2 failed"
