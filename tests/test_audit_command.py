"""The audit command by tiers: what it prints and writes, and how it refuses."""

import json
import re
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from unlearn_core.cli import app
from unlearn_core.cli.audit import COLUMNS
from unlearn_core.evaluation import METRICS
from unlearn_core.experiment import OpenStudy, fulfil
from unlearn_core.experiment.tiers import Audit
from unlearn_core.experiment.tiers.subject import subject_of_method, subject_of_run
from unlearn_core.experiment.unlearned_models import Run
from unlearn_core.params import key
from unlearn_core.store import Store
from unlearn_core.unlearning import Original


def run(*args):
    return CliRunner().invoke(app, [str(a) for a in args])


def strict(text: str):
    """JSON without NaN and infinity, which are none of its words."""

    def never(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=never)


def result(*args):
    done = run(*args)
    assert done.exit_code == 0, done.stderr
    return strict(done.stdout.splitlines()[-1])


def refusal(*args):
    """The one sentence with which a command refuses a wrong value."""
    done = run(*args)
    assert (done.exit_code, done.stdout) == (2, ""), done.stderr
    assert re.fullmatch(r"[^\n]+\n", done.stderr) and "Traceback" not in done.stderr
    return done.stderr.strip()


@pytest.fixture(scope="module")
def root(filled_store, tmp_path_factory):
    return shutil.copytree(filled_store, tmp_path_factory.mktemp("audit") / "store")


@pytest.fixture(scope="module")
def study(root, filled_study):
    return OpenStudy.open(Store(root), key(filled_study))


@pytest.fixture(scope="module")
def run_key(study):
    return study.run_result("random-label", 1).key


@pytest.fixture(scope="module")
def instant(root, run_key):
    """What tier 0 of a single run prints, the first time."""
    return run("audit", run_key, "--tier", 0, "--store", root)


def models(root):
    store = Store(root)
    return {kind: sum(1 for _ in store.results(kind)) for kind in ("Training", "Run", "Audit")}


def test_an_audit_of_a_single_run_is_made_once(instant, root, run_key):
    assert instant.exit_code == 0, instant.stderr
    first = strict(instant.stdout)
    done = run("audit", run_key, "--tier", 0, "--store", root)
    assert strict(done.stdout) == first | {"cached": True} and not first["cached"]
    assert done.stderr.splitlines()[0] == "Tier 0 was audited already." and "nothing was computed" in done.stderr
    subject = subject_of_run(Store(root).open("Run", run_key).spec())
    assert first["audit"] == key(Audit(name=f"Audit of {subject.unlearner.title}", subject=subject, tier=0))
    assert (first["tier"], first["seeds"], first["forget"]) == (0, 1, 30) and first["compared"] == 0
    assert len(done.stderr.splitlines()) > first["numbers"], "a line for each number"
    for word in (*(name for name in COLUMNS if name != "on"), "forget_accuracy", "cannot be told"):
        assert word in done.stderr


def test_models_of_the_run_are_used_and_those_there_are_counted(instant):
    """The run is of seed 1, an audit begins with seed 0: the study has both."""
    said = " ".join(instant.stderr.split())
    assert "Tier 0 asks for 0 models trained from scratch and 0 unlearned ones; 4 more are there already." in said
    assert "and measuring, which was never done here." in said


def test_as_json_every_line_is_there_and_nothing_else_is_printed(instant, root, run_key):
    done = run("audit", run_key, "--tier", 0, "--json", "--store", root)
    found = strict(done.stdout)
    assert done.stdout.count("\n") == 1 and len(found["lines"]) == found["numbers"]
    for line in found["lines"]:
        assert line["metric"] in METRICS and line["side"] is None and line["has_power"] is None
        assert line["unlearned"] is not None or line["why"]
    assert "forget_accuracy" not in done.stderr


def test_the_whole_audit_is_written_to_a_folder(instant, root, run_key, tmp_path):
    folder = tmp_path / "new" / "folder"
    found = result("audit", run_key, "--tier", 0, "--out", folder, "--store", root)
    assert sorted(found["written"]) == sorted(file.name for file in folder.iterdir())
    assert set(found["written"]) == {"audit.json", "table.parquet", "numbers.parquet"}
    written = strict((folder / "audit.json").read_text())
    made, spec = written.pop("made"), written.pop("spec")
    assert made["device"] == "cpu" and made["versions"]["torch"] and spec["spec"] == "Audit"
    assert written | {"written": found["written"]} == found | {"lines": written["lines"]}
    table, numbers = (pd.read_parquet(folder / name) for name in ("table.parquet", "numbers.parquet"))
    assert len(table) == len(written["lines"]) == found["numbers"]
    for line, row in zip(written["lines"], table.to_dict("records"), strict=True):
        for name in ("unlearned", "original", "retrained", "gap"):
            assert (line[name] is None and pd.isna(row[name])) or line[name] == pytest.approx(row[name], rel=1e-12)
        assert (line["metric"], line["on"], line["by"]) == (row["metric"], row["on"], row["by"])
    means = numbers[numbers["kind"] == "unlearned"].groupby(["metric", "on", "by"])["value"].mean()
    shown = table.set_index(["metric", "on", "by"])["unlearned"]
    assert means.to_dict() == pytest.approx(shown.to_dict(), nan_ok=True)
    again = result("audit", run_key, "--tier", 0, "--out", folder, "--store", root)
    assert again == found, "a folder that is there is written again"


def test_the_cost_is_said_and_nothing_is_made(root, study):
    before = models(root)
    args = ("audit", study.key, "--method", "random-label", "--cost", "--store", root)
    done = run(*args, "--tier", 1, "--seeds", 3)
    found = strict(done.stdout)
    assert done.stdout.count("\n") == 1
    assert (found["tier"], found["trainings"], found["runs"], found["reused"]) == (1, 0, 0, 12)
    assert found["seconds"] > 0 and "relearning" in found["unknown"], "measured once, and never taught again"
    assert "0 models trained from scratch and 0 unlearned ones; 12 more are there already" in done.stderr
    found = result(*args, "--tier", 1, "--seeds", 4)
    assert (found["trainings"], found["runs"], found["reused"]) == (3, 1, 12) and found["seconds"] > 0
    done = run(*args, "--tier", 3, "--seeds", 3, "--shadows", 18, "--models", 8, "--deletions", 7)
    found = strict(done.stdout)
    assert (found["trainings"], found["runs"]) == (3 * 5 + 18, 5 + 18 + 7)
    assert found["reused"] == 12 and found["megabytes"] > 0
    assert f"{found['trainings']} models trained from scratch and {found['runs']} unlearned ones" in " ".join(
        done.stderr.split()
    )
    assert models(root) == before


def test_a_method_is_what_the_study_ran_on_the_parts_of_the_study(root, study):
    found = result("audit", study.key, "--method", "random-label", "--tier", 0, "--store", root)
    subject = subject_of_method(study, "random-label")
    assert found["audit"] == key(Audit(name=found["name"], subject=subject, tier=0)) and len(subject.parts) == 3
    newest = result("audit", "--method", "random-label", "--tier", 0, "--store", root)
    assert newest == found | {"cached": True}, "without a source it is the newest study"


def test_where_nothing_of_the_kind_was_made_the_time_is_not_known(root, study):
    """Studies retrain, but never by a run of the algorithm."""
    done = run("audit", study.key, "--method", "retrained", "--tier", 1, "--cost", "--seeds", 3, "--store", root)
    found = strict(done.stdout)
    assert (found["trainings"], found["runs"], found["seconds"], found["megabytes"]) == (0, 3, None, None)
    assert "How long that takes is not known" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("0" * 32, "--method", "random-label", "--tier", "0"), "There is no Study result 0000"),
        (("nothing", "--method", "random-label", "--tier", "0"), "nothing"),
        (("STUDY", "--tier", "0"), "Say which method of the study by --method; compare lists them."),
        (("STUDY", "--method", "hypnosis", "--tier", "0"), "hypnosis"),
        (("STUDY", "--method", "retrained-again", "--tier", "0"), "part of every audit; audit a method."),
        (("RUN", "--method", "random-label", "--tier", "0"), "has no methods; leave --method out."),
        (("RUN", "--out", "somewhere"), "--cost and --out belong to an audit by tiers; say how deep by --tier."),
        (("RUN", "--cost"), "say how deep by --tier."),
        (("RUN", "--tier", "7"), "--tier must be at least 0 and at most 3, not 7."),
        (("RUN", "--tier", "-1"), "--tier must be at least 0"),
        (("RUN", "--tier", "deep"), "--tier"),
        (("RUN", "--tier", "2", "--shadows", "19"), "--shadows must be a multiple of three, not 19."),
        (("RUN", "--tier", "2", "--shadows", "9"), "--shadows must be at least"),
        (("RUN", "--tier", "1", "--seeds", "1"), "--seeds must be at least 2"),
        (("RUN", "--tier", "3", "--models", "7"), "--models must be at least 8"),
        (("RUN", "--tier", "2", "--deletions", "0"), "--deletions must be at least 1"),
    ],
)
def test_what_cannot_be_audited_is_refused_in_a_sentence(args, says, root, study, run_key):
    names = {"STUDY": study.key, "RUN": run_key}
    before = models(root)
    refused = refusal("audit", *(names.get(arg, arg) for arg in args), "--store", root)
    assert says in refused
    if "hypnosis" in args:
        assert "random-label" in refused, "and those that there are"
    assert models(root) == before


def test_a_run_of_a_model_of_part_of_the_images_is_refused(root, filled_study):
    training = filled_study.training.but(without="0-9", epochs=1)
    key_of_it = fulfil(Store(root), Run(training=training, forget="20-29", unlearner=Original())).key
    refused = refusal("audit", key_of_it, "--tier", "0", "--store", root)
    assert refused == "This run is of a model that was trained on part of the images; audit one of all images."
