"""Algorithms from a folder of one's own: loaded everywhere, refused in one sentence, and held to what all promise."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unlearn_core import params
from unlearn_core.cli import algorithms as commands
from unlearn_core.cli.frame import Failure
from unlearn_core.params import BadValue, build, key, plain
from unlearn_core.unlearning import ALGORITHMS
from unlearn_core.unlearning.check import PROMISES, check
from unlearn_core.unlearning.own import load, load_folder

ROOT = Path(__file__).parents[2]
EXAMPLE = re.search(r"<!-- example algorithm -->\n```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)[1]
# Under names of its own, so that whoever begins by pasting the example into the core breaks nothing here.
CONTRIBUTED = EXAMPLE.replace("LogitShrink", "OwnShrink").replace("Logit shrink", "Own shrink")
KNOWN = dict(ALGORITHMS)


@pytest.fixture(autouse=True)
def specs(monkeypatch):
    """What a test loads is forgotten after it."""
    monkeypatch.setattr(params, "SPECS", params.SPECS)
    before = dict(params.SPECS)
    yield
    params.SPECS.clear()
    params.SPECS.update(before)
    for name in [name for name in sys.modules if name.startswith("unlearn_own.")]:
        del sys.modules[name]


@pytest.fixture
def own(tmp_path):
    """own(code, name) -> the file loaded."""

    def write(code: str, name: str = "own_shrink.py"):
        (tmp_path / name).write_text(code, encoding="utf-8")
        return load(tmp_path / name, KNOWN)

    return write


def changed(before: str, after: str) -> str:
    assert CONTRIBUTED.count(before) == 1
    return CONTRIBUTED.replace(before, after)


# -- loading -----------------------------------------------------------------------------------------------------------


def test_the_documented_algorithm_is_loaded_and_its_code_is_part_of_the_key(own, tmp_path):
    first = own(CONTRIBUTED)
    assert (first.name, first.algorithm.title, first.fault, first.changed) == (
        "own-shrink",
        "Own shrink",
        "",
        False,
    )
    written, name = plain(first.algorithm(weight=0.5)), key(first.algorithm(weight=0.5))
    assert build(written) == first.algorithm(weight=0.5)
    assert key(own(CONTRIBUTED).algorithm(weight=0.5)) == name
    second = own(f"{CONTRIBUTED}\n# another byte\n")
    assert first.changed and not second.changed
    assert key(second.algorithm(weight=0.5)) != name
    with pytest.raises(BadValue, match="cannot be read"):
        build(written)  # what the code was when it was written is not here any more
    assert not list(tmp_path.rglob("*.pyc"))


BROKEN = {
    "no Python": ("x = (", r"line 1: SyntaxError"),
    "stops": ("1 / 0", r"line 1: ZeroDivisionError \(division by zero\)"),
    "leaves": ("import sys; sys.exit(3)", r"line 1: SystemExit"),
    "imports what is not there": ("import no_such_module", "ModuleNotFoundError"),
    "no algorithm": ("x = 1", "should define one algorithm.*it defines 0"),
    "two algorithms": (CONTRIBUTED + CONTRIBUTED.split("\n\n\n", 1)[1].replace("OwnShrink", "Other"), "defines 2"),
    "not a spec": (changed("@spec\n", ""), "not declared with @spec"),
    "the name of a class that there is": (changed("OwnShrink", "FineTune"), "two specs are called FineTune"),
    "a title that there is": (changed('"Own shrink"', '"Fine-tune"'), "the title Fine-tune already"),
    "unknown needs": (changed('walk = "paired"', 'walk = "paired"\n    needs = ("retain", "magic")'), "not 'magic'"),
    "no tuple": (changed('walk = "paired"', 'walk = "paired"\n    needs = "retain"'), "not no tuple"),
    "unknown scope": (changed('walk = "paired"', 'scope = "all"'), "scope must be one of"),
    "no words": (re.sub(r'    """.*?"""\n', "", CONTRIBUTED, flags=re.S), "its docstring"),
    "a default out of range": (changed("param(0.1, 0.0", "param(-1.0, 0.0"), "Weight must be at least 0"),
    "a default that is missing": (changed("param(0.1, 0.0, 100.0, log=True, ", "param("), "no default"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_one_sentence_and_leaves_nothing_behind(own, case):
    code, says = BROKEN[case]
    before = dict(params.SPECS)
    found = own(code)
    assert found.algorithm is None and before == params.SPECS
    assert re.match(rf"own_shrink\.py was not loaded: .*{says}", found.fault), found.fault
    assert found.fault.endswith(".") and "\n" not in found.fault and len(found.fault) < 300
    assert "unlearn_own.own_shrink" not in sys.modules


def test_names_that_cannot_be_used_are_refused(own, tmp_path):
    assert "an algorithm called fine-tune already" in own(CONTRIBUTED, "fine_tune.py").fault
    assert "must be called like logit_shrink.py" in own(CONTRIBUTED, "Own-Shrink.py").fault
    assert "no such file" in load(tmp_path / "nowhere.py", KNOWN).fault
    (tmp_path / "nul.py").write_bytes(b"\0\xff")
    assert load(tmp_path / "nul.py", KNOWN).fault
    (tmp_path / "large.py").write_bytes(b"#" * (1 << 21))
    assert "too much for one algorithm" in load(tmp_path / "large.py", KNOWN).fault


def test_a_folder_is_read_only_where_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "own_shrink.py").write_text(CONTRIBUTED)
    (tmp_path / "twice.py").write_text(changed("OwnShrink", "Twice"))
    (tmp_path / "_shared.py").write_text("1 / 0")
    (tmp_path / "notes.txt").write_text("1 / 0")
    monkeypatch.delenv("UNLEARN_ALGORITHMS", raising=False)
    assert load_folder(KNOWN) == ([], "")
    monkeypatch.setenv("UNLEARN_ALGORITHMS", str(tmp_path))
    files, fault = load_folder(KNOWN)
    assert not fault and [f.name for f in files] == ["own-shrink", "twice"]
    assert files[0].algorithm and "the title Own shrink already" in files[1].fault
    monkeypatch.setenv("UNLEARN_ALGORITHMS", str(tmp_path / "nowhere"))
    assert load_folder(KNOWN)[1].endswith("cannot be read: No such file or directory.")


def test_a_worker_knows_it_and_refuses_other_code_in_its_place(tmp_path):
    """In processes of their own, as jobs and workers are: only text passes between them."""
    (tmp_path / "own_shrink.py").write_text(CONTRIBUTED)
    (tmp_path / "broken.py").write_text("x = (")
    code = (
        "import json, sys; from unlearn_core.unlearning import ALGORITHMS, OWN\n"
        "from unlearn_core.params import build, plain\n"
        "given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else plain(ALGORITHMS['own-shrink'](epochs=1))\n"
        "print(json.dumps(given)); print([o.fault for o in OWN if o.fault], build(given))"
    )

    def worker(*given):
        command = [sys.executable, "-c", code, *given]
        env = os.environ | {"UNLEARN_ALGORITHMS": str(tmp_path)}
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)

    first = worker()
    assert first.returncode == 0, first.stderr
    asked, said = first.stdout.splitlines()
    assert "broken.py was not loaded" in said and "OwnShrink(" in said
    (tmp_path / "own_shrink.py").write_text(f"{CONTRIBUTED}# other code\n")
    other = worker(asked)
    assert other.returncode and "OwnShrink version" in other.stderr and "cannot be read" in other.stderr


# -- what every algorithm promises -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["retrain", "fine-tune", "neggrad-plus", "salun", "unsir", "scrub", "ssd", "fisher"])
def test_algorithms_of_the_program_keep_every_promise(name):
    assert {c.promise: c.found for c in check(ALGORITHMS[name])} == dict.fromkeys(PROMISES, "")


def test_the_documented_algorithm_keeps_every_promise(own):
    assert all(c.held for c in check(own(CONTRIBUTED).algorithm))


def with_run(*lines: str, needs: str = '("retain", "forget", "labels")') -> str:
    """An algorithm that takes a step down on the kept images, and these lines in its run."""
    body = "\n".join(f"        {line}" for line in lines)
    return f'''import torch
from torch.nn import functional as F
from unlearn_core.params import param, spec
from unlearn_core.unlearning.base import Unlearner


@spec
class Faulty(Unlearner):
    """A step on the images to keep."""

    title = "Faulty"
    group = "retain set only"
    needs = {needs}

    def run(self, model, original, request, cost):
        keep, gone = request.retain[:64], request.forget
        F.cross_entropy(model(request.x[keep]), request.y[keep]).backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.01 * p.grad
{body}
        return model
'''


FAULTY = {
    "return original": "stays as it was",
    "original.head.weight.data += 1": "stays as it was",
    "request.x[0] += 1": "stays as it was",
    "request.forget[0] += 1": "stays as it was",
    "return __import__('copy').deepcopy(original)": "changes the model",
    "model.head.weight.data *= float('nan')": "changes the model",
    "model.head.weight.data += torch.rand_like(model.head.weight)": "the same seed",
    "model.head = torch.nn.Linear(16, 3)": "its model answers",
}


@pytest.mark.parametrize("line", FAULTY)
def test_a_fault_is_found_and_named(own, line):
    found = own(with_run("with torch.no_grad():", "    pass", line), "faulty.py")
    broken = [c for c in check(found.algorithm) if not c.held]
    assert any(FAULTY[line] in c.promise for c in broken), broken
    assert all(c.found.endswith(".") and "\n" not in c.found for c in broken)
    sound = own(with_run(), "faulty.py")
    assert all(c.held for c in check(sound.algorithm))


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        ("p.data += 0.0 * request.x[gone].float().sum()", '("retain", "labels")'),
        ("p.data += 0.0 * request.validation.x.float().sum()", '("retain", "labels")'),
        ("p.data += 0.0 * request.x.float().sum()", '("retain", "forget", "labels")'),
        ("next(request.recipe(keep, [0]))", '("retain", "labels")'),
    ],
)
def test_a_look_that_is_not_declared_is_found(own, line, needs):
    broken = [c.promise for c in check(own(with_run(line, needs=needs), "faulty.py").algorithm) if not c.held]
    assert "it looks at nothing that it does not declare" in broken


def test_a_loss_that_asks_its_settings_is_found(own):
    code = changed(
        "        return keep + ", "        if self.weight > 1:\n            return keep\n        return keep + "
    )
    broken = [c for c in check(own(code).algorithm) if not c.held]
    assert [c.promise for c in broken] == ["it runs side by side as alone"]
    assert "asks them no questions" in broken[0].found


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_says_what_was_found(own, tmp_path):
    own(CONTRIBUTED)
    run = CliRunner().invoke(commands.app, ["check", str(tmp_path / "own_shrink.py")])
    answer = json.loads(run.stdout.splitlines()[-1])
    assert run.exit_code == 0 and answer["broken"] == 0 and answer["algorithm"] == "own-shrink"
    own(with_run("return original"), "faulty.py")
    run = CliRunner().invoke(commands.app, ["check", str(tmp_path / "faulty.py")])
    assert run.exit_code == 1 and json.loads(run.stdout.splitlines()[-1])["broken"] >= 1
    assert "BROKEN what it is given stays as it was" in run.stderr
    (tmp_path / "broken.py").write_text("x = (")
    run = CliRunner().invoke(commands.app, ["check", str(tmp_path / "broken.py")])
    assert isinstance(run.exception, (BadValue, Failure)) and "broken.py was not loaded" in str(run.exception)
