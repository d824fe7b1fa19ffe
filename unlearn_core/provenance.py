"""What a result was made with: what a reader may ask for, and what its bits go by."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path

from unlearn_core import __version__
from unlearn_core.engines import machine

RECORDED = (
    "torch", "torchvision", "numpy", "scipy", "scikit-learn", "umap-learn", "pandas", "pyarrow", "pillow", "optuna",
    "numba",
)  # fmt: skip


def provenance(device: str | Callable[[], dict]) -> dict:
    """What stands in the manifest of a result that is made now; `device` says where, or what it is called."""
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "waited": machine.waited(),
        **({"device": device} if isinstance(device, str) else device()),
        "versions": {"unlearning-workbench": __version__} | {name: version(name) for name in RECORDED},
        "packages": installed(),
        "commit": commit(),
    }


@cache
def installed() -> str:
    """The SHA-256 of the names and versions of all packages that are installed."""
    names = sorted({f"{each.name}=={each.version}" for each in distributions()})
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


@cache
def commit() -> str:
    """The commit of the checkout that runs, with `-dirty` where files were changed since; "" where it is none."""
    here = Path(__file__).resolve().parents[1]
    if not (here / ".git").exists() or (git := shutil.which("git")) is None:
        return ""
    asked = [git, "-C", str(here), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    return ""
