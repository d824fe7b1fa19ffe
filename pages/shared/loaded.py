"""Every module of the workbench, imported by whoever comes first. Each script of the dashboard imports this one first.

Visitors of a server that was just started import at the same time, each from the page it asked for. Python takes the
lock of a module before that of the package it lies in, so two who come to a package from different ends wait for each
other, and Python then hands one of them half a module. Whoever comes second waits here instead, holding nothing.
"""

import importlib
import pkgutil
from pathlib import Path

import unlearn_core

PAGES = Path(__file__).parents[1]


def modules() -> list[str]:
    """What the scripts in pages/ import, and the core but for its commands."""
    parts = [f"pages.{file.parent.name}.{file.stem}" for file in sorted(PAGES.glob("*/*.py"))]
    parts += [".".join(file.parent.relative_to(PAGES.parent).parts) for file in sorted(PAGES.glob("*/*/__init__.py"))]
    core = [found.name for found in pkgutil.walk_packages(unlearn_core.__path__, "unlearn_core.")]
    return parts + [name for name in core if not name.endswith("__main__") and ".cli" not in name]


for name in modules():
    importlib.import_module(name)
