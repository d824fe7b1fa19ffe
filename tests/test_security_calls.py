"""No page changes the store without asking who asks: read off the source, so that a new page cannot forget it."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What writes, by the last part of its name, whatever it is called on.
ACTS = {"write_text", "write_bytes", "mkdir", "unlink", "rmdir", "rmtree", "touch", "symlink_to", "hardlink_to"}
ACTS |= {"remember", "sweep", "fulfil", "write_whole", "Popen", "copytree", "copyfile"}
MOVES = {"os.rename", "os.replace", "os.remove", "os.truncate", "shutil.move"}
# Classes of the store are judged by the act (`remember`, `sweep`), not by their constructor.
STORE = {"unlearn_core.store.Store", "unlearn_core.result.Draft", "unlearn_core.result.Result"}
# These ask for what a finished study rests on, which is found, and made once more only where it was damaged; and the
# file of a study is written in a folder of its own, and the store only read.
LOOKS = {
    f"unlearn_core.experiment.{name}"
    for name in (
        "views.OpenStudy", "recommended.doubt", "each_image.nearest_forgotten", "memorized.memorization_of",
        "embedded_images.embedding_sums", "proxy_scores.proxy_scores", "retrain_free.read", "bundle.writing.export",
    )
}  # fmt: skip


def module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees() -> dict[str, ast.Module]:
    files = [*(ROOT / "unlearn_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]
    return {module(file): ast.parse(file.read_text()) for file in files if "__pycache__" not in file.parts}


def names(tree: ast.Module, of: str) -> dict[str, str]:
    """What each name of a module stands for, in full: imports, wherever they are, and what it defines."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
    return found | {n.name: f"{of}.{n.name}" for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}


@cache
def all_names() -> dict[str, dict[str, str]]:
    return {of: names(tree, of) for of, tree in trees().items()}


def dotted(node: ast.AST) -> str:
    """`a.b.c` as it stands; what is called on something else (`f().b`) begins with a full stop."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def full(node: ast.AST, known: dict[str, str]) -> str:
    """What a name or an attribute stands for, through every module that passes it on."""
    head, _, rest = dotted(node).partition(".")
    name, before = known.get(head, head) + (f".{rest}" if rest else ""), None
    while name != before:
        before, (of, _, last) = name, name.rpartition(".")
        name = all_names().get(of, {}).get(last, name)
    return name


def acts(name: str) -> bool:
    return name in MOVES or (name.rpartition(".")[2] in ACTS and not name.startswith("pages."))


def mentions(node: ast.AST, known: dict[str, str]) -> set[str]:
    read = (n for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute)) and isinstance(n.ctx, ast.Load))
    return {full(n, known) for n in read}


@cache
def writers() -> frozenset[str]:
    """The functions and classes of the core that write to the disk, themselves or through others."""
    said = {
        f"{of}.{node.name}": mentions(node, all_names()[of])
        for of, tree in trees().items()
        if of.startswith("unlearn_core")
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    said = {name: inside for name, inside in said.items() if name not in STORE | LOOKS}
    found = {name for name, inside in said.items() if any(map(acts, inside))}
    while new := {name for name, inside in said.items() if name not in found and inside & found}:
        found |= new
    return frozenset(found)


def asks(statement: ast.stmt, known: dict[str, str]) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and full(call.func, known) == "pages.shared.access.need"


def unasked(tree: ast.Module, known: dict[str, str]) -> list[str]:
    """What a page does to the store without having asked before, in the same function and on the way to it.

    A function that writes may only be called, and not in a lambda: what is handed on runs at another time.
    """
    found = []

    def look(node: ast.AST, asked: bool, called: bool = False) -> None:
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = full(node, known)
            if (name in writers() or acts(name)) and not (asked and called):
                found.append(f"line {node.lineno}: {name}")
                return
        if isinstance(node, ast.Call):
            look(node.func, asked, called=True)
        inside = asked and not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef))
        for field, value in ast.iter_fields(node):
            if isinstance(node, ast.Call) and field == "func":
                continue
            before = inside
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    look(child, before)
                    before = before or (isinstance(child, ast.stmt) and asks(child, known))

    look(tree, False)
    return found


PAGES = sorted(of for of in trees() if not of.startswith("unlearn_core"))


@pytest.mark.parametrize("of", PAGES)
def test_every_change_of_the_store_asks_first(of):
    assert not unasked(trees()[of], all_names()[of])


def test_what_writes_is_found():
    """Those that pages call today, however many modules lie between them and the disk; and none that only looks."""
    assert writers() >= {
        f"unlearn_core.{name}"
        for name in (
            "jobs.submit", "jobs.resume", "jobs.cancel", "jobs.forget_job", "data.own.add",
            "experiment.bundle.reading.import_bundle", "experiment.saved_plans.save", "experiment.saved_plans.remove",
            "experiment.forget_sets.keep", "experiment.forget_sets.give_name", "experiment.forget_sets.take_name",
            "experiment.own_weights.keep", "experiment.judged.ask",
        )
    }  # fmt: skip
    looks = ("jobs.find", "jobs.listing", "experiment.listed.studies", "experiment.forget_sets.rows_of")
    assert not writers() & {f"unlearn_core.{name}" for name in looks}


def test_pages_do_change_the_store():
    """Or the test above would hold of anything."""
    called = {name for of in PAGES for name in mentions(trees()[of], all_names()[of])} & writers()
    assert len(called) >= 12


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        ("def f():\n    access.need('runner')\n    jobs.submit(1)", True),
        ("def f():\n    access.need('runner')\n    if x:\n        with y:\n            jobs.submit(1)", True),
        ("def f():\n    jobs.submit(1)", False),
        ("def f():\n    jobs.submit(1)\n    access.need('runner')", False),
        ("def f():\n    if x:\n        access.need('runner')\n    jobs.submit(1)", False),
        ("access.need('runner')\ndef f():\n    jobs.submit(1)", False),
        ("def f():\n    access.need('runner')\n    g(lambda: jobs.submit(1))", False),
        ("def f():\n    access.need('runner')\n    g(on_click=jobs.submit)", False),
        ("def f():\n    access.may('runner')\n    jobs.submit(1)", False),
        ("from unlearn_core.jobs import submit as go\ndef f():\n    go(1)", False),
        ("from unlearn_core.experiment import fulfil\ndef f():\n    fulfil(1)", False),
        ("def f(store):\n    store().remember(1)", False),
        ("def f(path):\n    path.write_text('')", False),
        (
            "def f():\n    try:\n        access.need('runner')\n    except E:\n        jobs.submit(1)",
            False,
        ),
        ("def f():\n    return jobs.find(1)", True),
    ],
)
def test_a_page_that_forgot_would_be_seen(body, clean):
    tree = ast.parse(f"from pages.shared import access\nfrom unlearn_core import jobs\n{body}")
    assert (not unasked(tree, names(tree, "pages.new"))) == clean
