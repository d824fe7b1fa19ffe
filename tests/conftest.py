"""What several test files stand on: small data, a model that fits it, an empty store and a finished study."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("UNLEARN_DEVICE", "cpu")
os.environ.setdefault("UNLEARN_ENGINE", "here")  # what a worker does is what this process does, without its start

from pathlib import Path

import numpy as np
import pytest
import torch
from audit_story import Story, story
from engine_tasks import Crew
from filelock import FileLock

from unlearn_core import engines
from unlearn_core.data import Data, Dataset, Images, load
from unlearn_core.experiment import Study, embedded_images, fulfil, spread
from unlearn_core.forget import ByMemorization
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training, train
from unlearn_core.unlearning import FineTune, NegGradPlus, RandomLabel, Request

torch.set_num_threads(1)  # the default of two threads is many times slower on a busy machine


# One of these, begun late, would keep one of two processes busy long after the other has ended. Those with a browser
# take both cores and others wait for half of their time, so they take turns.
LONGEST = (
    "tests/test_readme_commands.py",
    "browser/test_walk.py",
    "tests/test_planted_truths.py",
    "tests/test_tiers.py",
    "browser/test_accessibility.py",
    "tests/test_faults.py",
    "browser/test_map.py",
    "tests/test_engines.py",
    "tests/test_jobs.py",
    "browser/test_sharing.py",
    "pages/test_address.py",
    "pages/test_plan.py",
    "tests/test_store.py",
    "browser/test_other_ways.py",
    "pages/test_hostile.py",
    "tests/test_resume_bits.py",
    "browser/test_guard.py",
    "tests/test_clients.py",
    "pages/test_compare.py",
    "browser/test_choosing_by_hand.py",
    "pages/test_recorded.py",
    "browser/test_back.py",
    "tests/test_memory_cost.py",
    "browser/test_fifty_thousand.py",
)


def pytest_configure(config):
    config.addinivalue_line("markers", "planted: audits of models with known truths, about three minutes")


def pytest_collection_modifyitems(items):
    """The files that take longest begin first; all others keep their places."""
    items.sort(key=lambda item: LONGEST.index(file) if (file := "/".join(item.path.parts[-2:])) in LONGEST else 99)


def pytest_terminal_summary(terminalreporter):
    """What a test recorded as `summary` is said at the end, for what it prints is seen of failures only."""
    for report in terminalreporter.getreports("passed"):
        for name, said in report.user_properties:
            if name == "summary" and report.when == "call":
                terminalreporter.write_line(said)


@pytest.fixture(scope="session", autouse=True)
def turns_of_their_own(tmp_path_factory):
    """Jobs of tests wait for each other, but not for those of another test process, nor of the person who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        yield


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> Dataset:
    """scikit-learn's digits as the program uses them. Read-only."""
    return load(Data(), tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    """300 training, 60 validation and 120 test images of 8x8 pixels in four classes: noisy stripes. Read-only."""
    rng = np.random.default_rng(0)
    prototypes = rng.integers(60, 190, (4, 1, 8, 8))

    def images(n):
        y = np.arange(n) % 4
        x = np.clip(prototypes[y] + rng.normal(0, 55, (n, 1, 8, 8)), 0, 255).astype(np.uint8)
        return Images(torch.from_numpy(x), torch.from_numpy(y.astype(np.int64)))

    return Dataset("tiny", ("a", "b", "c", "d"), images(300), images(60), images(120))


@pytest.fixture(scope="session")
def tiny_training() -> Training:
    """A recipe that fits `tiny` in a fraction of a second."""
    return Training(model="mlp", width=16, epochs=8, lr=0.2, batch=32)


@pytest.fixture(scope="session")
def tiny_model(tiny, tiny_training):
    """A model trained on all of `tiny`. Read-only: algorithms work on copies."""
    return train(tiny_training, tiny, np.arange(len(tiny.train.y))).model


@pytest.fixture
def tiny_request(tiny):
    """tiny_request(forget=..., retain=..., ...) -> a Request on `tiny`: rows 10 to 49 forgotten unless told."""

    def make(**changes) -> Request:
        rows = np.arange(len(tiny.train.y))
        forget = changes.pop("forget", np.arange(10, 50))
        given = {
            "x": tiny.train.x,
            "y": tiny.train.y,
            "forget": forget,
            "retain": np.setdiff1d(rows, forget),
            "classes": 4,
        }
        return Request(**given | changes)

    return make


@pytest.fixture
def store(tmp_path) -> Store:
    """A fresh, empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def crew(monkeypatch):
    """A crew of three, as UNLEARN_WORKERS asks for, that small work is worth."""
    crews = []
    monkeypatch.setitem(engines.ENGINES, "local", lambda workers: crews.append(Crew(workers)) or crews[-1])
    monkeypatch.setenv("UNLEARN_ENGINE", "local")
    monkeypatch.setenv("UNLEARN_WORKERS", "3")
    monkeypatch.setitem(spread.WORTH, "cpu", 1.0)
    return lambda: [[len(task["specs"]) for task in each] for crew in crews for each in crew.tasks]


@pytest.fixture(scope="session")
def filled_study() -> Study:
    """A small study with at least one line of every kind: singles, a plan, its controls, and the references."""
    return Study(
        name="Small example",
        training=Training(data=Data(train=700, test=200), epochs=16),
        models=10,
        forget=ByMemorization(size=30),
        unlearners=(FineTune(epochs=2), NegGradPlus(epochs=2), RandomLabel(epochs=2)),
        plans=(Plan(medium=FineTune(epochs=2), high=RandomLabel(epochs=2)),),
        seeds=3,
        tuning_seeds=1,
    )


def once_for_all(tmp_path_factory) -> Path:
    """A folder that all processes of one run of the tests share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def filled_store(tmp_path_factory, filled_study):
    """The folder of a store in which `filled_study` is finished. All tests share it: copy it before writing to it."""
    root = once_for_all(tmp_path_factory) / "filled"
    with FileLock(f"{root}.lock"):
        fulfil(Store(root), filled_study)
    return root


@pytest.fixture(scope="session")
def audit_story(tmp_path_factory, filled_store, filled_study) -> Story:
    """An audit of every tier in the small finished study. All tests share its store: copy it before writing to it."""
    root = once_for_all(tmp_path_factory) / "audited"
    with FileLock(f"{root}.lock"):
        return story(root, filled_store, filled_study)


@pytest.fixture(scope="session")
def unbanked_study(filled_study) -> Study:
    """The small study without a bank of models."""
    return filled_study.but(name="Without a bank", models=0)


@pytest.fixture(scope="session")
def unbanked_store(tmp_path_factory, unbanked_study):
    """The folder of a store in which only `unbanked_study` is finished; its map is no UMAP. Copy it before writing."""
    root = once_for_all(tmp_path_factory) / "unbanked"
    with FileLock(f"{root}.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            embedded_images.projection, "umap", lambda x, *_: x[:, :2].copy()
        )  # seconds, and tested elsewhere
        fulfil(Store(root), unbanked_study)
    return root
