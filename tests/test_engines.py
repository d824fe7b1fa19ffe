"""Work spread over processes gives what one process gives; killed workers, errors and Ctrl-C lose nothing."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from engine_tasks import Particular, describe, die, fail, halves, loaded, meet, sleep, threads, until

from unlearn_core.data import Data
from unlearn_core.disk import StoreError
from unlearn_core.engines import Engine, EngineError, engine, machine
from unlearn_core.engines.base import RESTARTS, portable
from unlearn_core.engines.here import Here
from unlearn_core.engines.local import Local
from unlearn_core.ensembles import Bank
from unlearn_core.experiment import BankPart
from unlearn_core.experiment.spread import fulfil_all, make
from unlearn_core.params import BadField, BadValue, plain
from unlearn_core.progress import Cancelled
from unlearn_core.result import find_fault
from unlearn_core.store import Store
from unlearn_core.training import Training

ROOT = Path(__file__).parents[1]
QUICK = Training(data=Data(train=220, test=60), width=8, epochs=2)
SLOW = QUICK.but(epochs=600, batch=8)  # seconds a part
BUSY = QUICK.but(epochs=250, batch=8)  # about one second a part


def parts(training, count=3):
    """Parts of ten members of one bank."""
    shared = Bank(training=training, models=10).training
    return [BankPart(training=shared, first=10 * i, count=10) for i in range(count)]


def contents(results):
    """Kind, key and the checksum of every file but the manifest, which says when and how long."""
    return [(r.folder.parent.name, r.key, r.manifest()["files"]) for r in results]


def living(pid, words):
    """The processes below this one that are alive and have these words in their command."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):  # it may end while it is looked at
            if words in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def workers_of(pid):
    """The living processes that a process has begun as workers: by itself, or from a template."""
    return living(pid, "spawn_main") + [worker for worker in living(pid, "forkserver") if worker.ppid() != pid]


def template_of(pid):
    """The process that the workers of a process are made from."""
    return next(child for child in living(pid, "forkserver") if child.ppid() == pid)


@pytest.fixture
def two():
    with_workers = Local(2)
    yield with_workers
    with_workers.close()
    assert workers_of(os.getpid()) == []


# -- local processes ---------------------------------------------------------------------------------------------------


WARMED = """
import os
import sys

from engine_tasks import loaded, origin

from unlearn_core.engines.here import Here
from unlearn_core.engines.local import Local

if __name__ == "__main__":
    pair, name = Local(2), "xml.dom.pulldom"
    pair.method = sys.argv[1]
    Here().warm((name,))
    pair.warm((name,))
    pair.warm((name,))
    os.environ["SAID"] = "later"
    found = dict(result for _, result in pair.map(loaded, [name] * 2))
    above = dict(result for _, result in pair.map(origin, ["SAID"] * 4))
    print(list(found.values()), len(found), name in sys.modules, set(above.values()), os.getpid() in above)
    pair.close()
"""


@pytest.mark.parametrize("method, begun", [("forkserver", "{'later'} False"), ("spawn", "{None} True")])
def test_workers_load_what_they_need_before_they_have_work(method, begun, tmp_path):
    """Once for all of them where they are made from a template: later, so they hear what the environment says then."""
    script = tmp_path / "warmed.py"
    script.write_text(WARMED)
    about = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "UNLEARN_DEVICE": "cpu"}
    done = subprocess.run([sys.executable, script, method], env=about, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"[True, True] 2 False {begun}", done.stderr


def test_workers_are_processes_with_one_thread_that_stay_warm(two):
    results = dict(two.map(describe, range(6)))
    assert sorted(results) == list(range(6))
    pids = {pid for pid, *_ in results.values()}
    assert len(pids) == 2 and os.getpid() not in pids
    assert all(rest == ["Here", "1", None] for _, *rest in results.values())  # an engine inside a worker is itself
    assert {pid for _, (pid, *_) in two.map(describe, range(4))} <= pids
    assert list(two.map(threads, [0])) == [(0, 1)]
    assert list(two.map(describe, [])) == []


def test_each_worker_has_a_gpu_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "gpus", lambda: ["3", "GPU-5"])
    before, pair = dict(os.environ), Local(2)

    def places(name):
        (tmp_path / name).mkdir()
        return {pid: gpu for _, (pid, *_, gpu) in pair.map(meet, [str(tmp_path / name)] * 2)}

    first = places("first")
    psutil.Process(next(pid for pid, gpu in first.items() if gpu == "3")).kill()
    again = places("again")
    assert sorted(first.values()) == sorted(again.values()) == ["3", "GPU-5"] and len(first.keys() & again.keys()) == 1
    pair.close()
    assert dict(os.environ) == before


@pytest.mark.parametrize("kind", ["here", "local"])
def test_errors_come_as_they_are_and_nothing_else_is_lost(kind, two):
    spread, came = Here() if kind == "here" else two, []
    with pytest.raises(FileNotFoundError) as caught:
        for _, result in spread.map(fail, ["a", "file", "b", "c", "d"]):
            came.append(result)
    assert sorted(came) == ["a", "b", "c", "d"] and caught.value.filename == "/no/such/file"
    with pytest.raises(BadValue, match="^Lr must be at least 0, not -1.$"):
        list(spread.map(fail, ["field"]))
    with pytest.raises(Exception, match="^1 and 2$"):
        list(spread.map(fail, ["particular"]))
    assert list(spread.map(fail, ["a"])) == [(0, "a")]  # and it works on


def test_an_error_that_cannot_be_sent_is_sent_as_the_kind_it_is_of():
    assert type(portable(BadField("lr", "is wrong."))) is BadField
    assert type(portable(Particular(1, 2))) is Exception
    plain_error = StoreError("The disk is full.")
    assert type(portable(plain_error)) is StoreError and portable(plain_error).args == plain_error.args


@pytest.mark.parametrize("kind", ["here", "local"])
def test_progress_rises_to_its_total(kind, two):
    told = []
    results = dict((Here() if kind == "here" else two).map(halves, [1, 2, 3], lambda *a: told.append(a)))
    assert results == {0: 2, 1: 4, 2: 6}
    assert {(stage, total) for stage, _, total in told} == {("work", 3000)}
    done = [d for _, d, _ in told]
    assert done == sorted(done) and done[0] == 0 and done[-1] == 3000
    assert [d for d in done if d % 1000]  # tasks under way count


def test_a_killed_worker_costs_its_own_task_only(two, tmp_path):
    tasks = []
    for i, times in enumerate([0, 2, 0, 1]):
        (tmp_path / str(i)).mkdir()
        tasks.append((str(tmp_path / str(i)), times))
    assert dict(two.map(die, tasks)) == {0: 0, 1: 2, 2: 0, 3: 1}


def test_a_killed_template_costs_no_task(two, tmp_path):
    """What its workers were at is begun again, by workers of a new one."""
    killed = []

    def kill(stage, done, total):
        if not killed and len(workers_of(os.getpid())) == 2:
            killed.append(template_of(os.getpid()))
            killed[0].kill()

    assert [result for _, result in sorted(two.map(loaded, ["json"] * 4, kill))] and killed
    assert len(dict(two.map(describe, range(6)))) == 6 and template_of(os.getpid()) != killed[0]


def test_a_script_without_a_guard_is_told_so_at_once(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import os\nfrom pathlib import Path\n"
        "from engine_tasks import describe\nfrom unlearn_core.engines import engine\n"
        f"Path({str(tmp_path)!r}, f'run-{{os.getpid()}}').touch()\n"
        "with engine() as spread:\n    print(len(list(spread.map(describe, range(6)))))\n"
    )
    about = {"UNLEARN_ENGINE": "local", "UNLEARN_WORKERS": "2", "UNLEARN_DEVICE": "cpu"}
    about["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"

    def run(**changes):
        return subprocess.run(
            [sys.executable, script], env=os.environ | about | changes, capture_output=True, text=True, timeout=60
        )

    done = run()
    assert done.returncode == 1 and done.stdout == ""
    assert "a script must keep its work below `if __name__ ==" in done.stderr.splitlines()[-1]
    assert len(list(tmp_path.glob("run-*"))) <= 3  # the script itself, and each of two workers once
    assert run(UNLEARN_ENGINE="here").stdout == "6\n"


def test_a_worker_that_cannot_start_after_others_could_is_started_again(two, monkeypatch):
    assert len(list(two.map(describe, [0]))) == 1
    two.close()
    two.method = "spawn"  # what is made from a template has begun already
    broken = iter([{"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"}])  # ends with an error before it has begun
    honest = Local._new_worker

    def new_worker(self):
        worker = honest(self)
        worker.environment |= next(broken, {})
        return worker

    monkeypatch.setattr(Local, "_new_worker", new_worker)
    assert len(list(two.map(describe, [0]))) == 1 and next(broken, None) is None


def test_a_task_that_always_dies_is_given_up_with_one_sentence(two, tmp_path):
    came = []
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(EngineError) as caught:
        for index, _ in two.map(die, [(str(tmp_path / "a"), 99), (str(tmp_path / "b"), 0)]):
            came.append(index)
    assert came == [1] and len(list((tmp_path / "a").iterdir())) == RESTARTS + 1
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value) and "UNLEARN_WORKERS" in str(caught.value)


def test_one_who_stops_listening_stops_the_work(two, tmp_path):
    """By raising from `tell`, or by taking no more results; the engine works on for others."""

    def stop(stage, done, total):
        if len(list(tmp_path.iterdir())) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(two.map(sleep, [str(tmp_path)] * 3, stop))
    assert workers_of(os.getpid()) == [] and len(list(tmp_path.iterdir())) == 2
    some = two.map(fail, range(100))
    next(some)
    some.close()
    assert sorted(two.map(fail, [7, 8])) == [(0, 7), (1, 8)]


# -- when the whole program is stopped ---------------------------------------------------------------------------------

PROGRAM = """
from engine_tasks import sleep
from unlearn_core.engines.local import Local
if __name__ == "__main__":
    list(Local(2).map(sleep, ["{folder}"] * 4))
"""


@pytest.mark.parametrize("how", ["killed", "Ctrl-C"])
def test_no_worker_outlives_the_program(how, tmp_path):
    marks, program = tmp_path / "marks", tmp_path / "program.py"
    marks.mkdir()
    program.write_text(PROGRAM.format(folder=marks))
    said = tmp_path / "said.txt"
    with said.open("w") as stderr:
        parent = subprocess.Popen(
            [sys.executable, str(program)],
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            stderr=stderr,
            start_new_session=True,
        )
    until(lambda: len(list(marks.iterdir())) == 2, 60)
    workers = [psutil.Process(int(mark.name)) for mark in marks.iterdir()]
    if how == "killed":
        parent.kill()
    else:
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: every process of the group
    parent.wait(10)
    until(lambda: not any(worker.is_running() for worker in workers), 5)
    if how == "Ctrl-C":
        assert said.read_text().count("Traceback") == 1  # the program's own


# -- what the environment asks for -------------------------------------------------------------------------------------


def test_the_environment_chooses(monkeypatch):
    def made():
        with engine() as found:
            assert isinstance(found, Engine)
            with engine() as again:
                assert again is found
            return found

    monkeypatch.setenv("UNLEARN_DEVICE", "cpu")
    monkeypatch.delenv("UNLEARN_ENGINE", raising=False)
    monkeypatch.delenv("UNLEARN_WORKERS", raising=False)
    monkeypatch.setattr(machine, "cpus", lambda: 3)
    assert type(made()) is Local and made().at_once == 3 and made() is not made()
    monkeypatch.setenv("UNLEARN_WORKERS", "5")
    assert made().at_once == 5
    monkeypatch.setenv("UNLEARN_WORKERS", "1")
    assert type(made()) is Here and made().at_once == 1
    monkeypatch.setenv("UNLEARN_WORKERS", "2")
    monkeypatch.setenv("UNLEARN_ENGINE", "here")
    assert type(made()) is Here
    for name, value in (("UNLEARN_WORKERS", "0"), ("UNLEARN_WORKERS", "many"), ("UNLEARN_ENGINE", "cloud")):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            with pytest.raises(BadValue, match=f"{name} is '{value}'"):
                made()


def test_a_thread_of_a_server_begins_no_processes(monkeypatch):
    """Its main module may be a page, which every process would run again."""
    monkeypatch.setenv("UNLEARN_ENGINE", "local")
    monkeypatch.setenv("UNLEARN_WORKERS", "2")
    found = []

    def look():
        with engine() as mine:
            found.append(type(mine))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [Here]


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_package_is_named_with_its_command(name, package, monkeypatch):
    monkeypatch.setenv("UNLEARN_ENGINE", name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadValue, match=rf"pip install -e '\.\[{name}\]'"), engine():
        pass


@pytest.mark.parametrize(
    ("quota", "cpus"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("", 8), ("9900000 100000", 8)]
)
def test_a_container_may_use_its_share_only(quota, cpus, tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "QUOTA", tmp_path / "cpu.max")
    assert machine.cpus() == 8
    (tmp_path / "cpu.max").write_text(quota)
    assert machine.cpus() == cpus


@pytest.mark.parametrize(
    ("device", "visible", "gpus", "workers"),
    [
        ("", "", ["0", "1"], 2),
        ("cuda", "2,GPU-7", ["2", "GPU-7"], 2),
        ("cuda:1", "", [], 1),
        ("cpu", "2,3", [], 6),
    ],
)
def test_one_worker_a_gpu_or_one_a_cpu(device, visible, gpus, workers, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(machine, "cpus", lambda: 6)
    monkeypatch.setenv("UNLEARN_DEVICE", device)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == gpus and machine.workers() == workers


# -- results through the store -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The results of three parts, made in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARN_ENGINE", "here")
        return contents(fulfil_all(Store(tmp_path_factory.mktemp("alone")), parts(BUSY)))


@pytest.fixture
def spread_over_two(monkeypatch):
    monkeypatch.setenv("UNLEARN_ENGINE", "local")
    monkeypatch.setenv("UNLEARN_WORKERS", "2")


def test_workers_make_the_same_bits(store, alone, spread_over_two):
    told = []
    asked = parts(BUSY)
    assert contents(fulfil_all(store, [*reversed(asked), asked[0]], lambda *a: told.append(a))) == [
        *reversed(alone),
        alone[0],
    ]
    assert told[-1] == ("work", 3000, 3000) and any(0 < done < 1000 for _, done, _ in told)
    told.clear()
    assert contents(fulfil_all(store, asked, lambda *a: told.append(a))) == alone
    assert told == []  # what is there is not sent again


def test_a_worker_killed_in_the_middle_of_its_work(store, alone, spread_over_two):
    killed = []

    def kill_one(stage, done, total):
        if done / total > 0.1 and not killed:
            killed.append(workers_of(os.getpid())[0])
            killed[0].kill()

    assert contents(fulfil_all(store, parts(BUSY), kill_one)) == alone
    assert killed
    assert all(find_fault(store.find(part).folder, deep=True) is None for part in parts(BUSY))


def test_two_who_make_the_same_result_at_once(two, store):
    task = {"store": str(store.root), "specs": [plain(spec) for spec in parts(QUICK, 2)]}
    (_, first), (_, second) = two.map(make, [task, task])
    assert first == second == [store.find(part).key for part in parts(QUICK, 2)]
    assert {result.key for result in store.results("BankPart")} == {*first}
    assert list((store.root / "staging").iterdir()) == []


def test_a_store_that_a_worker_cannot_see_is_not_begun_anew(tmp_path, two):
    task = {"store": str(tmp_path / "elsewhere"), "specs": [plain(parts(QUICK)[0])]}
    with pytest.raises(StoreError, match="all machines must share its folder"):
        list(two.map(make, [task]))
    assert not (tmp_path / "elsewhere").exists()
