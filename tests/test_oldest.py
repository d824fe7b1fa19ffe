"""requirements-oldest.txt is what it says: every direct dependency at the oldest version that is allowed."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
DIRECT = [*(ROOT / "requirements.txt").read_text().split(), *(each for extra in EXTRAS.values() for each in extra)]
PINS = {
    canonicalize_name(name): Version(version)
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements-oldest.txt").read_text(), re.M)
}


def floor(asked: Requirement) -> Version:
    """The version that a requirement begins with."""
    (first,) = (Version(each.version) for each in asked.specifier if each.operator in (">=", "=="))
    return first


@pytest.mark.parametrize("line", DIRECT)
def test_every_direct_dependency_is_pinned_at_its_floor(line):
    asked = Requirement(line)
    assert PINS[canonicalize_name(asked.name)] == floor(asked)


def test_what_is_compared_is_all_there_is():
    assert len(DIRECT) > 30 and len(PINS) > len(DIRECT)
    assert floor(Requirement("x>=1.5,<2")) == Version("1.5.0") != floor(Requirement("x==1.6"))
