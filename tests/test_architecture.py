"""Who may import whom, read from the source: each module stands at one place of the data's way and looks back only."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from unlearn_core.unlearning import ALGORITHMS

ROOT = Path(__file__).parents[1]
CORE = ROOT / "unlearn_core"


def listed(text):
    """The modules and folders of the core that ARCHITECTURE.md lists, in its order: the names at the starts of the
    lines below unlearn_core/.
    """
    inside = text.split("    unlearn_core/\n", 1)[1]
    found = []
    for line in inside.splitlines():
        if line.strip() and not line.startswith(" " * 6):
            break
        if re.match(r" {6}\S", line):  # lines that go on are further in
            names = re.match(r" {6}((?:\w+(?:\.py|/)(?:, )?)+) ", line)
            assert names, f"{line!r} names no module or folder"
            found += [name.removesuffix(".py").removesuffix("/") for name in names[1].split(", ")]
    return tuple(found)


# The data's way. A module or folder imports from those before it; inside a folder the order is the folder's own affair.
ORDER = listed((ROOT / "ARCHITECTURE.md").read_text())
# What an algorithm needs: what lies beside the groups (its base, gradients, layers, ...), what its own group shares,
# the declaration of values, and arithmetic. Only wrappers know other algorithms.
LIBRARIES = {
    "__future__", "collections", "copy", "dataclasses", "math", "time", "typing", "numpy", "scipy", "sklearn", "torch",
}  # fmt: skip
GROUPS = [folder for folder in sorted((CORE / "unlearning").iterdir()) if (folder / "__init__.py").exists()]
WRAP = ("wrappers", "condensed")
ALGORITHM_FILES = {cls.__module__ for cls in ALGORITHMS.values()}
# Where results are kept, and where the store is opened, read and written.
MAY_USE_STORE = {"result", "store", "trash", "arrivals", "experiment", "removal", "cli"}
MAY_USE_STORE |= {"jobs", "job_process", "job_forecast", "job_work"}


def imports(file):
    """Every module a file imports, wherever in the file it does, with names of submodules spelled out."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            found.add(node.module)
            found |= {f"{node.module}.{a.name}" for a in node.names if is_module(f"{node.module}.{a.name}")}
    return found


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def packages(file):
    """The top-level packages a file imports."""
    return {name.split(".")[0] for name in imports(file)}


def place(file):
    """The module of the data's way that a file of the core belongs to."""
    return file.relative_to(CORE).parts[0].removesuffix(".py")


def sources(folder):
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


core_files = pytest.mark.parametrize("file", sources(CORE), ids=lambda f: str(f.relative_to(ROOT)))
page_files = pytest.mark.parametrize("file", sources(ROOT / "pages"), ids=lambda f: str(f.relative_to(ROOT)))


def test_every_module_has_a_place():
    assert {place(f) for f in sources(CORE)} - {"__init__"} == set(ORDER) and len(set(ORDER)) == len(ORDER)


def test_a_line_of_the_architecture_that_moves_is_seen():
    lines = (
        "x",
        "    unlearn_core/",
        "      a.py    one, b.py",
        "              more",
        "      c/, d.py more",
        "    pages/",
    )
    assert listed("\n".join(lines)) == ("a", "c", "d")
    whole = (ROOT / "ARCHITECTURE.md").read_text()
    line = next(line for line in whole.splitlines(keepends=True) if line.startswith("      attacks/ "))
    moved = listed(whole.replace(line, "") + line)
    assert "attacks" not in moved and set(moved) < set(ORDER)
    with pytest.raises(AssertionError, match="names no module"):
        listed(whole.replace(line, line.replace("attacks/", "attacks")))


@core_files
def test_the_core_looks_back_only(file):
    here = place(file)
    for name in imports(file):
        parts = name.split(".")
        if parts[0] == "unlearn_core" and len(parts) > 1 and parts[1] != here:
            assert here != "__init__", "the package itself imports nothing"
            assert ORDER.index(parts[1]) < ORDER.index(here), f"{here} imports {parts[1]}, which stands after it"


@core_files
def test_the_core_has_no_screen(file):
    assert not packages(file) & {"streamlit", "plotly", "pages", "app"}


@core_files
def test_only_some_know_the_store(file):
    if imports(file) & {"unlearn_core.store", "unlearn_core.result"}:
        assert place(file) in MAY_USE_STORE


@pytest.mark.parametrize("folder", ["attacks", "evaluation"])
def test_attacks_and_metrics_never_see_a_model(folder):
    for file in sources(CORE / folder):
        assert "torch" not in packages(file)
        assert not {n.split(".")[1] for n in imports(file) if n.startswith("unlearn_core.")} & {
            "models",
            "training",
            "unlearning",
        }


@pytest.mark.parametrize("file", [f for folder in GROUPS for f in sources(folder)], ids=lambda f: f.stem)
def test_an_algorithm_stands_alone(file):
    for name in imports(file):
        package, *inner = name.split(".")
        if package != "unlearn_core":
            assert package in LIBRARIES
        elif inner[:1] == ["unlearning"] and len(inner) > 1:
            if name in ALGORITHM_FILES:
                assert file.parent.name in WRAP, f"{file.stem} imports another algorithm"
            elif inner[1] in {folder.name for folder in GROUPS}:
                assert inner[1] == file.parent.name, f"{file.stem} imports what another group shares"
        else:
            assert inner in (["params"], ["models"])  # a result may be a model of another kind


@page_files
def test_pages_only_show(file):
    assert not packages(file) & {"torch", "torchvision", "sklearn", "umap", "safetensors"}


@page_files
def test_a_file_of_the_pages_is_read_in_one_go(file):
    assert len(file.read_text().splitlines()) <= 250


@pytest.mark.parametrize("file", sorted((ROOT / "pages").glob("*.py")), ids=lambda f: f.name)
def test_a_page_always_goes_through_the_frame(file):
    """A deep link on a fresh server runs the file alone: its last line hands over to the frame."""
    last = ast.parse(file.read_text()).body[-1]
    assert ast.unparse(last) == "frame.page(draw)"


def test_app_lists_every_page():
    text = (ROOT / "app.py").read_text()
    for file in (ROOT / "pages").glob("*.py"):
        assert f'"pages/{file.name}"' in text


EVERYWHERE = [f for folder in (CORE, ROOT / "pages") for f in sources(folder)] + [ROOT / "app.py"]


@pytest.mark.parametrize("file", EVERYWHERE, ids=lambda f: str(f.relative_to(ROOT)))
def test_nothing_that_can_run_a_strangers_code(file):
    """No pickle in any of its forms, no evaluation of text, no shell, no raw HTML."""
    assert not packages(file) & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in (
                "eval",
                "exec",
                "os.system",
                "torch.load",
                "torch.save",
                "torch.jit.load",
                "pd.read_pickle",
            )
            assert called.split(".")[-1] not in ("read_pickle", "to_pickle", "getoutput", "getstatusoutput")
            for keyword in node.keywords:
                value = isinstance(keyword.value, ast.Constant) and keyword.value.value
                assert not (keyword.arg in ("shell", "allow_pickle", "unsafe_allow_html") and value is not False)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("unlearn_core", ["torch", "streamlit", "plotly", "pandas"]),
        ("unlearn_core.engines", ["torch", "ray", "submitit", "unlearn_core.store"]),
        ("unlearn_core.job_work", ["torch", "streamlit", "plotly"]),  # a queued job waits without them
        ("unlearn_core.experiment", ["streamlit", "plotly", "umap", "numba", "sklearn", "torchvision"]),
        ("unlearn_core.attacks, unlearn_core.evaluation, unlearn_core.forget", ["torch", "streamlit"]),
    ],
)
def test_what_importing_brings_along(module, absent):
    code = f"import sys, {module}; print([m for m in {absent!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_a_worker_knows_every_spec():
    """A worker is handed specs as plain data, and knows those that the experiments bring with them."""
    code = (
        "import unlearn_core.experiment; from unlearn_core.params import SPECS; known = set(SPECS)\n"
        "import pkgutil, importlib\n"
        "for m in pkgutil.walk_packages(unlearn_core.__path__, 'unlearn_core.'):\n"
        "    m.name.endswith('__main__') or importlib.import_module(m.name)\n"
        "print(sorted(set(SPECS) - known))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]", "import these in unlearn_core/experiment/__init__.py, or in what that imports"


def test_the_experiments_name_every_file_of_theirs():
    folder = CORE / "experiment"
    contents = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    names = [f.name.removesuffix(".py") for f in folder.iterdir() if f.name[0] != "_"]
    missing = [name for name in names if not re.search(rf"\b{name}\b", contents)]
    assert missing == [], "say in the docstring of unlearn_core/experiment/__init__.py what these are for"


def test_a_wrong_import_would_be_seen(tmp_path):
    """The reader of imports finds them in functions, under aliases and as names of a package."""
    file = tmp_path / "x.py"
    file.write_text(
        "def f():\n    import streamlit as s\nfrom unlearn_core import jobs\nfrom unlearn_core.data import loading\n"
    )
    found = imports(file)
    assert {"streamlit", "unlearn_core.jobs", "unlearn_core.data.loading"} <= found


@pytest.mark.parametrize(
    "file", [f for f in sorted(CORE.rglob("*.py")) if f.name != "__init__.py"], ids=lambda f: str(f.relative_to(CORE))
)
def test_no_module_waits_for_the_package_that_it_is_in(file):
    """Two visitors of a server that was just started import at the same time. One that is inside a package, at a module
    which asks for the whole package, and another that goes through the package wait for each other, and Python hands
    out half a module. `import package.module as module` waits for nobody.
    """
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module not in (None, "unlearn_core"):
            package = CORE.parent.joinpath(*node.module.split("."))
            inside = package in file.parents and "import" in (package / "__init__.py").read_text()
            assert not inside, f"from {node.module} import ... in {file.relative_to(CORE)}"
