"""Visitors of a fresh server who arrive together never meet half a module: one of them imports, the others wait."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]


def imports(script: Path) -> list[str]:
    """The modules of the workbench that a script imports, in order, names of submodules spelled out."""
    found = []
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
    return [name for name in found if name.split(".")[0] in ("pages", "unlearn_core")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_each_script_waits_before_it_imports_anything_else(script):
    assert imports(script)[0] == "pages.shared.loaded"


def test_nothing_is_left_to_import_for_whoever_waited():
    wanted = {name for script in SCRIPTS for name in imports(script)}
    code = (
        "import sys, importlib.util, pages.shared.loaded\n"
        "ours = {m for m in sys.modules if m.split('.')[0] in ('pages', 'unlearn_core')}\n"
        f"print([m for m in {sorted(wanted)!r} if m not in ours and is_module(m)])\n"
    )
    is_module = (
        "def is_module(name):\n"
        "    from importlib.util import find_spec\n"
        "    try: return find_spec(name) is not None\n"
        "    except ModuleNotFoundError: return False\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", is_module + code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
