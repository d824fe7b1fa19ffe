"""What SECURITY.md promises of versions, secrets, paths and the settings that the program ships."""

import ast
import os
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_core import jobs, report
from unlearn_core.data.own import place_of
from unlearn_core.disk import StoreError, below
from unlearn_core.experiment import OpenStudy, fulfil
from unlearn_core.experiment.bundle import export, recorded
from unlearn_core.params import BadValue
from unlearn_core.store import Store

ROOT = Path(__file__).parents[1]
SAID = (ROOT / "SECURITY.md").read_text()

# Versions below these have holes that are known, or are what others of this list need.
FLOORS = {
    "streamlit": (
        (1, 60),
        "paths that lead elsewhere and log-in hashes given away on Windows before 1.54 (CVE-2026-33682)",
    ),
    "torch": ((2, 10), "code in files of weights even with weights_only before 2.10 (CVE-2026-24747, CVE-2025-32434)"),
    "torchvision": ((0, 25), "the one that belongs to torch 2.10"),
    "pillow": ((13, 0), "decoders are where images attack: only the newest major version gets every fix"),
    "jinja2": ((3, 1, 6), "attributes and templates that break out before 3.1.6 (CVE-2024-34064, CVE-2025-27516)"),
    "pyarrow": ((18, 0), "code in parquet files before 14.0.1 (CVE-2023-47248)"),
    "numpy": ((2, 0), "the line that is still kept up"),
    "scikit-learn": ((1, 6), "data kept where it should not be before 1.5 (CVE-2024-5206)"),
    "filelock": ((3, 20, 3), "a link laid in the place of a lock file before 3.20.3 (CVE-2025-68146)"),
    "ray": ((2, 54), "deleting without a login before 2.54 (CVE-2026-27482)"),
}


def padded(version) -> tuple[int, ...]:
    return (*version, 0, 0)[:3]


def floor(line: str) -> tuple[str, tuple[int, ...]]:
    """streamlit>=1.60,<2 -> ("streamlit", (1, 60, 0)); no floor is version ()."""
    name = re.match(r"[A-Za-z0-9_.-]+", line).group()
    least = re.search(r"[>=]=\s*([0-9.]+)", line)
    return name.lower(), padded(map(int, least.group(1).split("."))) if least else ()


def test_no_library_may_be_older_than_its_known_holes():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = [*(ROOT / "requirements.txt").read_text().split(), *(line for each in extras.values() for line in each)]
    found = {}
    for name, least in map(floor, wanted):
        found.setdefault(name, []).append(least)
    assert set(FLOORS) <= set(found)
    assert not [name for name, (least, _) in FLOORS.items() if min(found[name]) < padded(least)]
    assert all(least for name in found for least in found[name])  # everything has a floor


def test_a_lower_floor_would_be_seen():
    assert floor("streamlit>=1.60,<2") == ("streamlit", (1, 60, 0)) and floor("ruff==0.17.5")[1] == (0, 17, 5)
    assert floor("Jinja2") == ("jinja2", ()) and floor("torch>=2.9")[1] < padded(FLOORS["torch"][0])


def test_the_linter_for_holes_is_part_of_what_must_pass():
    assert "bandit -q -c pyproject.toml -r unlearn_core pages app.py" in (ROOT / ".ci" / "run").read_text()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["bandit"] == {
        "skips": ["B310", "B404", "B603", "B704"]
    }


def test_the_settings_that_ship_are_closed():
    said = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    server = said["server"]
    assert (server["address"], server["allowedHosts"]) == ("127.0.0.1", ["localhost", "127.0.0.1"])
    assert server["enableCORS"] and server["enableXsrfProtection"] and not server["enableStaticServing"]
    assert said["client"]["showErrorDetails"] == "none" and said["client"]["disableDataExport"]
    assert not said["browser"]["gatherUsageStats"]


def test_no_page_offers_more_than_the_server_takes():
    """A box that takes a file goes by the setting of the server, or says less; and SECURITY.md says the number."""
    most = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["server"]["maxUploadSize"]
    offered = []
    for file in (ROOT / "pages").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("file_uploader"):
                said = [word.value for word in node.keywords if word.arg == "max_upload_size"]
                offered.append(ast.literal_eval(said[0]) if said else most)  # a name instead of a number fails here
    assert len(offered) >= 4 and max(offered) == most
    assert f"up to {most} MB" in SAID


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_secrets_are_never_committed():
    assert ".streamlit/secrets.toml" in (ROOT / ".gitignore").read_text().split()
    ignored = subprocess.run(["git", "check-ignore", "-q", ".streamlit/secrets.toml"], cwd=ROOT)
    assert ignored.returncode == 0 or not (ROOT / ".git").exists()


def test_no_secret_and_nothing_of_the_environment_leaves(filled_store, tmp_path, monkeypatch):
    """What is made, a job's folder, a study's file and a report, with a value in the environment that none may hold."""
    canary = "canary-8f1c27"
    for name in ("UNLEARN_SECRET", "AWS_SECRET_ACCESS_KEY", "HTTP_PROXY_PASSWORD"):
        monkeypatch.setenv(name, canary)
    root = tmp_path / "store"
    subprocess.run(["cp", "-r", str(filled_store), str(root)], check=True)
    store = Store(root)
    study = next(store.results("Study"))
    opened = OpenStudy.open(store, study.key)
    fulfil(store, opened.spec.training.but(seed=77, epochs=1))
    monkeypatch.setattr(jobs, "_start", lambda *_: None)
    jobs.submit(store, opened.spec.training.but(seed=78, epochs=1))
    export(store, study.key, tmp_path / "study.zip")
    with zipfile.ZipFile(tmp_path / "study.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    (tmp_path / "report.html").write_text(report.write(opened, "technical"))
    monkeypatch.undo()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 100 and not [file for file in files if canary.encode() in file.read_bytes()]


def test_the_login_of_the_instructions_is_what_the_program_reads():
    """The example in SECURITY.md is a whole login with usable lists."""
    from pages.shared import access

    block = re.search(r"```toml\n(\[auth\].*?)```", SAID, re.S).group(1)
    said = tomllib.loads(block)
    assert (
        set(access.LOGIN) <= set(said["auth"])
        and access._usable(said["roles"])
        and set(said["roles"]) == set(access.ROLES)
    )
    for name in ("UNLEARN_BEHIND_PROXY=yes", "UNLEARN_ROLE"):
        assert name in SAID
    assert "SECURITY.md" in (ROOT / "README.md").read_text()


# -- paths -------------------------------------------------------------------------------------------------------------

LEADING_ELSEWHERE = (
    "..",
    ".",
    "",
    "/etc",
    "a/b",
    "a\\b",
    "../x",
    "x\0",
    ".hidden",
    "a" * 200,
    "C:",
    "a\n",
    "~",
    "é",
    None,
)


@pytest.mark.parametrize("name", LEADING_ELSEWHERE)
def test_only_plain_names_become_places(name, tmp_path):
    with pytest.raises(BadValue, match="is not a name that a file or a folder can have here"):
        below(tmp_path, "results", name)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_a_place_never_lies_outside(names):
    root = Path("/store/of/mine")
    try:
        place = below(root, *names)
    except BadValue:
        return
    assert place == root.joinpath(*names) and Path(os.path.normpath(place)).relative_to(root).parts == tuple(names)


@pytest.mark.parametrize("name", [n for n in LEADING_ELSEWHERE if n is not None])
def test_what_an_address_names_never_reaches_the_disk(name, store, tmp_path):
    (tmp_path / "outside").mkdir()
    assert store.kind_of(name) is None and recorded(store, name) is None and jobs.get(store, name) is None
    assert place_of(name, store.root / "data") is None
    for ask in (lambda: store.open("Study", name), lambda: jobs.find(store, name), lambda: jobs.cancel(store, name)):
        with pytest.raises(StoreError):
            ask()


# Joins of a folder with a name that is no constant and no name of a file that was found there, and does not go through
# `below`: what each name is, so that it cannot lead elsewhere.
JOINS = {
    "arrivals.py": {"folder.parent.name"},  # of the staged store, built by `below`
    "data/builtin.py": {"cls.filename", "file", "name"},  # torchvision's, and the rows of DATASETS
    "data/kept.py": {"IMAGES if has_images(place) else LABELS", "file"},  # constants
    "data/loading.py": {"data.name"},  # a field of Data, which NAME has checked
    "experiment/again.py": {"kind"},  # folders of the store
    "experiment/bundle/placing.py": {"kind"},  # of the staged store, built by `below`
    "experiment/bundle/reading.py": {"file", "kind"},  # constants, and what `below` has unpacked
    "experiment/bundle/writing.py": {"file", "name"},  # constants, and a manifest of this store
    "experiment/pace.py": {"training.data.name"},  # a row of DATASETS
    "experiment/saved_plans.py": {"f'{hashlib.sha256(name.strip().casefold().encode()).hexdigest()[:32]}.json'"},
    "experiment/soundness.py": {"kind", "key", "name", "f'{name}.lock'"},  # folders and locks of the store
    "experiment/listed.py": {"kind"},  # folders of the store
    "job_process.py": {"job", "name"},  # keys, constants
    "job_work.py": {"job", "f'card-{card}.lock' if (card := machine.card()) else 'machine.lock'"},  # keys, and a number
    # Keys, constants, kinds of specs.
    "jobs.py": {"_kind(store, folder.name, asked)", "job", "name", "stale", "about['spec']['spec']", "spec['spec']"},
    # Keys that were found, folders of the store, entries and places of the trash.
    "removal.py": {
        "job.key", "kind", "place", "found.id", "trash.FOLDER", "place.replace('/', '.')",
    },
    "result.py": {"name", "f'{name}.json'", "f'{name}.parquet'", "f'{name}.safetensors'"},  # constants, manifests
    "room.py": {"name"},  # what a folder lists, and constants
    # Constants, manifests, identifiers, keys that KEY has checked.
    "store.py": {"name", "kind", "k", "result_key", "key(spec)"},
    "trash.py": {"name", "entry.id", "other.id", "place"},  # folders of the store, places that THING has checked
}  # fmt: skip
FOLDERS = re.compile(r"(?:^|[.(])(?:root|folder|place|path|home|target|parent|aside)(?: / .*)?$")


def joins(text: str) -> set[str]:
    """The names that are joined to a folder in this source, as far as they are neither constants nor from a listing."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and FOLDERS.search(ast.unparse(node.left)):
            found.add(node.right)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".joinpath", "os.path.join")):
            found |= set(node.args)
    return {ast.unparse(name) for name in found if not _is_given(name)}


def _is_given(name: ast.expr) -> bool:
    """A constant, a file's own name or a random one, or a text of such."""
    if isinstance(name, ast.JoinedStr):
        return all(_is_given(v.value if isinstance(v, ast.FormattedValue) else v) for v in name.values)
    text = ast.unparse(name)
    of_a_file = isinstance(name, ast.Attribute) and text in (
        "folder.name", "file.name", "place.name", "each.name", "path.name", "type(spec).__name__",
    )  # fmt: skip
    random = text.startswith("uuid.uuid4().hex")
    return isinstance(name, ast.Constant) or (isinstance(name, ast.Name) and text.isupper()) or of_a_file or random


def test_there_is_one_way_from_a_name_to_a_place():
    """Whoever joins a folder and a name from outside goes through `below`, or stands in JOINS with what the name is.
    What is held is the spelling: a folder by another variable name is not seen.
    """
    core, found = ROOT / "unlearn_core", {}
    for file in core.rglob("*.py"):
        if names := joins(file.read_text()):
            found[str(file.relative_to(core))] = names
    assert found == JOINS


def test_a_new_join_would_be_seen():
    assert joins("store.root / 'results' / kind") == {"kind"} and joins("store.root / FOLDER / asked") == {"asked"}
    assert joins("place / f'{name}.json'") == {"f'{name}.json'"} and joins("folder.joinpath(*names)") == {"*names"}
    assert joins("place / 'a' / f'.{file.name}.x'") == joins("below(root, 'a', name)") == joins("a / b") == set()
