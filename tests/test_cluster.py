"""Work spread over a cluster survives what clusters do: workers are killed, machines go away, jobs are pre-empted.

The Ray cluster has two nodes on this machine, and Slurm's jobs run on it too: all else is as it would be elsewhere.
"""

import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from engine_tasks import fail, make_marked
from test_engines import QUICK, SLOW, contents, parts

from unlearn_core.disk import StoreError
from unlearn_core.engines import EngineError, engine
from unlearn_core.engines.slurm import Slurm
from unlearn_core.experiment.spread import fulfil_all, make
from unlearn_core.params import key, plain
from unlearn_core.store import Store

pytestmark = pytest.mark.cluster

HERE = str(Path(__file__).parent)  # where workers find the functions of test files
ASKED = parts(SLOW, 4)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process makes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARN_ENGINE", "here")
        return contents(fulfil_all(Store(tmp_path_factory.mktemp("alone")), ASKED))


@pytest.fixture
def tasks(store, tmp_path):
    (tmp_path / "marks").mkdir()
    fixed = {"store": str(store.root), "marks": str(tmp_path / "marks")}
    return [fixed | {"specs": [plain(spec)]} for spec in ASKED]


@contextmanager
def once_at_work(tasks, below, act):
    """Meanwhile, do something to the first process below this one that is in the middle of a task."""
    done = threading.Event()

    def watch():
        while not done.wait(0.05):
            marked = {int(mark.name) for mark in Path(tasks[0]["marks"]).iterdir()}
            if found := [p for p in psutil.Process(below).children(recursive=True) if p.pid in marked]:
                act(found[0])
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
        assert not watcher.is_alive(), "nothing was seen at work"
    finally:
        done.set()
        watcher.join()


# -- Ray ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nodes():
    """(cluster, its second node): two nodes with one CPU each; the environment asks for them."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", HERE, prepend=os.pathsep)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_health_check_period_ms", "500")  # a node that is gone is missed sooner
        patch.setenv("RAY_health_check_failure_threshold", "3")
        small = {"num_cpus": 1, "object_store_memory": 100_000_000}
        cluster = Cluster(initialize_head=True, head_node_args=small | {"include_dashboard": False})
        second = cluster.add_node(**small)
        cluster.wait_for_nodes()
        patch.setenv("UNLEARN_ENGINE", "ray")
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster, second
        cluster.shutdown()


def raylet(node):
    """The process of a node that all its workers are below."""
    return node.all_processes["raylet"][0].process.pid


def test_a_killed_ray_worker_loses_nothing(nodes, store, tasks, alone):
    _, second = nodes
    told = []
    with engine() as ray, once_at_work(tasks, raylet(second), psutil.Process.kill):
        assert ray.at_once == 2
        keys = dict(ray.map(make_marked, tasks, lambda *a: told.append(a)))
    assert told[-1] == ("work", 4000, 4000)
    assert [keys[i] for i in range(4)] == [[key] for _, key, _ in alone]
    assert contents(fulfil_all(store, ASKED)) == alone


def test_a_removed_node_loses_nothing(nodes, store, tasks, alone):
    cluster, second = nodes

    def remove(process):
        cluster.remove_node(second, allow_graceful=False)

    with engine() as ray, once_at_work(tasks, raylet(second), remove):
        keys = dict(ray.map(make_marked, tasks))
    assert [keys[i] for i in range(4)] == [[key] for _, key, _ in alone]
    assert contents(fulfil_all(store, ASKED)) == alone


def test_errors_and_results_come_through_ray(nodes, store):
    """Also where the results are those of several specs, and a machine is gone."""
    asked = parts(QUICK, 2)
    with pytest.raises(StoreError, match="all machines must share its folder"), engine() as ray:
        list(ray.map(make, [{"store": str(store.root / "elsewhere"), "specs": []}]))
    assert [result.key for result in fulfil_all(store, asked)] == [key(spec) for spec in asked]


# -- Slurm -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def submitit():
    """Asked for first of all: without it nothing is trained in vain."""
    pytest.importorskip("submitit")


@pytest.fixture
def jobs(submitit, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", HERE, prepend=os.pathsep)
    two = Slurm(2, cluster="local")
    yield two
    two.close()


@pytest.mark.usefixtures("submitit")
def test_a_killed_job_loses_nothing(jobs, store, tasks, alone):
    with once_at_work(tasks, os.getpid(), psutil.Process.kill):
        keys = dict(jobs.map(make_marked, tasks))
    assert jobs.lost and [keys[i] for i in range(4)] == [[key] for _, key, _ in alone]
    assert contents([store.find(spec) for spec in ASKED]) == alone


def test_a_job_that_must_make_room_is_queued_again(jobs, tasks):
    """Slurm says so with a signal before it takes the machine away."""
    with once_at_work(tasks, os.getpid(), lambda process: process.send_signal(signal.SIGUSR2)):
        keys = dict(jobs.map(make_marked, tasks[:1]))
    assert keys == {0: [key(ASKED[0])]} and not jobs.lost


def test_errors_in_jobs(jobs, tmp_path, monkeypatch):
    elsewhere = {"store": str(tmp_path / "elsewhere"), "specs": []}
    with pytest.raises(StoreError, match="all machines must share its folder"):
        list(jobs.map(make, [elsewhere]))
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(EngineError, match="its log is in"):
        list(jobs.map(fail, ["a"]))  # a job cannot import it now
    jobs.close()
    assert any("No module named" in log.read_text() for log in jobs.folder.glob("*_log.err"))  # kept to be read
    assert jobs.folder.parent.stat().st_mode & 0o77 == 0  # nobody else reads or writes there
