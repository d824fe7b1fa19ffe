"""Opening a page as the app does, without a browser."""

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import pages.shared.loaded  # noqa: F401 - seconds, which no single test should wait for
from pages.shared import folds
from unlearn_core import jobs
from unlearn_core.experiment import OpenStudy, studies
from unlearn_core.store import Store

APP = str(Path(__file__).parents[2] / "app.py")


@pytest.fixture(autouse=True)
def main_stays():
    """Streamlit leaves its page behind as __main__, which every process that is started later would run first."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture
def open_page(monkeypatch):
    """open_page(name, store_folder, **address) -> the page, run to its end; "start" is where the app opens.
    Whatever is folded away there is open."""

    def start(name: str, root, **address) -> AppTest:
        monkeypatch.setenv("UNLEARN_STORE", str(root))
        at = AppTest.from_file(APP, default_timeout=60)
        for parameter, value in address.items():
            at.query_params[parameter] = value
        for part in folds.NAMES:
            at.session_state[folds.key(part)] = True
        if name != "start":
            at.switch_page(f"pages/{name}.py")
        at.run()
        assert not at.exception and not any("could not be drawn" in error.value for error in at.error)
        return at

    return start


@pytest.fixture
def study(filled_store) -> OpenStudy:
    """The finished small study."""
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


@pytest.fixture
def foreseen(monkeypatch) -> list:
    """What the jobs that pages submit are told to expect; nothing is started."""
    found = []
    monkeypatch.setattr(jobs, "submit", lambda store, spec, expected=None: found.append(expected))
    return found


@pytest.fixture
def submitted(monkeypatch) -> list:
    """The specs that pages submit; nothing is started."""
    specs = []
    monkeypatch.setattr(jobs, "submit", lambda store, spec, expected=None: specs.append(spec))
    return specs
