"""A disk that fails, and a process that dies, at each step in turn.

Every call that touches a store's folder is a numbered point: Python's audit hooks see them all, so no step that is
added later can be forgotten. At one of them the disk fails once (`error`), is full from then on (`full`), or the
process is killed (`kill`).

Run as a program by test_faults.py, so that forking is safe: one thread, and nothing computed before.

    python faults.py SCENARIO HOW ROOT     a scenario of SCENARIOS with a fault at its 1st, 2nd, 3rd, ... point

It prints one JSON object: how many points there were, and what was wrong after which of them.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from unlearn_core import arrivals, job_work, jobs, trash
from unlearn_core.disk import StoreError, plainly
from unlearn_core.forget import AtRandom
from unlearn_core.params import key
from unlearn_core.provenance import provenance
from unlearn_core.result import Draft, Result, find_fault
from unlearn_core.store import Store

HOWS = ("error", "full", "kill")
WATCHED = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "fsync"}
MOST = 400  # points of a scenario
TINY = AtRandom(size=7)  # a spec that nothing has to be trained for
STUDY = (TINY, AtRandom(size=8))  # stands for a study, which is TINY, and what it leads to


def fulfil(store: Store, spec: AtRandom, tell: Callable = lambda *about: None) -> Result:
    """Stands for the work of a job: a few numbers, for this is about what happens around it."""

    def content(draft: Draft) -> None:
        draft.arrays(x=np.arange(spec.size))
        draft.json("note", {"size": spec.size})

    tell("writing", 0, 1)
    return store.remember(spec, content)


# The real one brings torch along, with which a process takes long to fork.
sys.modules["unlearn_core.experiment"] = SimpleNamespace(fulfil=fulfil)


def inject(root: Path, at: int, how: str) -> Callable[[], bool]:
    """From now on, let the point number `at` of this process fail; the answer says whether it came to that point."""
    count = 0

    def hook(event: str, args: tuple) -> None:
        nonlocal count
        if event not in WATCHED or not any(_inside(a, root) for a in _paths(event, args)):
            return
        count += 1
        if count < at:
            return
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "error" and count == at:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(args[0]))
        if how == "full" and _takes_room(event, args):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))

    _tell_of_flushes()
    sys.addaudithook(hook)
    return lambda: count >= at


@cache
def _tell_of_flushes() -> None:
    """No audit event is raised for them by Python itself."""
    flushed = os.fsync

    def fsync(handle: int) -> None:
        sys.audit("fsync", os.readlink(f"/proc/self/fd/{handle}"))
        flushed(handle)

    os.fsync = fsync


def _paths(event: str, args: tuple) -> tuple:
    """What an event is about. Who removes a whole folder names what is in it from an open folder."""
    if event in ("os.remove", "os.rmdir") and isinstance(args[1], int) and args[1] >= 0:
        return (os.path.join(os.readlink(f"/proc/self/fd/{args[1]}"), os.fsdecode(args[0])),)
    return args[:2]


def _inside(path: object, root: Path) -> bool:
    return isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(str(root))


def _takes_room(event: str, args: tuple) -> bool:
    writes = event == "open" and bool((args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return writes or event == "os.mkdir"


# -- what is done while it fails ---------------------------------------------------------------------------------------


def started(root: Path) -> str:
    """A job as it is before its process took it up: the process ends at once."""
    sys.executable = "/bin/true"
    return jobs.submit(Store(root), TINY)


def damaged(root: Path) -> None:
    """A store with a result that is cut off."""
    folder = fulfil(Store(root), TINY).folder
    (folder / "arrays.safetensors").write_bytes(b"x")


def nothing(root: Path) -> None:
    Store(root)


def submit(root: Path) -> None:
    started(root)


def work(root: Path) -> None:
    job_work.work(str(root), key(TINY))


def cancel(root: Path) -> None:
    jobs.cancel(Store(root), key(TINY))


def remove(root: Path) -> None:
    jobs.forget_job(Store(root), key(TINY))


def resume(root: Path) -> None:
    sys.executable = "/bin/true"
    jobs.resume(Store(root), key(TINY))


def make(root: Path) -> None:
    fulfil(Store(root), TINY)


def finished(root: Path) -> None:
    for each in STUDY:
        fulfil(Store(root), each)


def undo(store: Store) -> None:
    for entry in trash.entries(store):
        trash.restore(store, entry.id)


def remove_and_undo(root: Path) -> None:
    store = Store(root)
    undo(store)
    trash.move(store, "Study", "A study", [f"results/AtRandom/{key(each)}" for each in STUDY])
    undo(store)


def in_the_trash(root: Path) -> None:
    finished(root)
    trash.move(Store(root), "Study", "A study", [f"results/AtRandom/{key(each)}" for each in STUDY])


def empty(root: Path) -> None:
    trash.empty(Store(root))


def lighter(root: Path) -> None:
    """A store with a result that came in a file without one of its parts."""
    folder = fulfil(Store(root), TINY).folder
    (folder / "arrays.safetensors").unlink()
    about = json.loads((folder / "manifest.json").read_text())
    del about["files"]["arrays.safetensors"]
    (folder / "manifest.json").write_text(json.dumps(about | {"lacks": ["arrays.safetensors"]}))


def place(root: Path) -> None:
    """What an import does with a result, once it is checked."""
    store = Store(root)
    with plainly(root), store.lock(arrivals.LOCK):
        staged = Store(root / "staging" / "import.aside")
        arrivals.place(store, fulfil(staged, TINY).folder)
        shutil.rmtree(staged.root)
    store.sweep()


def look(root: Path) -> None:
    """What a page does that only shows what there is: it must go on, whatever the disk refuses."""
    store = Store(root)
    store.find(TINY)
    jobs.listing(store)


# Name -> what is there before, and what is done.
SCENARIOS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "make a result": (nothing, make),
    "make good a damaged result": (damaged, make),
    "submit a job": (nothing, submit),
    "do the work of a job": (started, work),
    "cancel a job": (started, cancel),
    "resume a job": (started, resume),
    "remove a job": (started, remove),
    "remove a study and undo it": (finished, remove_and_undo),
    "empty the trash": (in_the_trash, empty),
    "import over a lighter result": (lighter, place),
}
LISTED = ("cancel a job", "resume a job", "do the work of a job")  # whose job must be there afterwards


def faults(scenario: str, how: str, root: Path) -> dict:
    """The scenario with a fault at each of its points in turn, and what was wrong afterwards."""
    before, act = SCENARIOS[scenario]
    first, wrong = root / "before", []
    _in_a_process(partial(before, first))
    for point in range(1, MOST):
        place = Path(shutil.copytree(first, root / f"{point}"))
        fault = partial(inject, place, point, how)
        ended = _in_a_process(partial(act, place), fault, partial(look, place))
        if not ended.reached:
            return {"points": point - 1, "wrong": wrong}
        wrong += [f"point {point}: {fault}" for fault in _faults_of(scenario, place, ended)]
        again = _in_a_process(partial(act, place))
        if again.status != "done" and scenario != "remove a job":
            wrong.append(f"point {point}: it cannot be done afterwards either: {again.said}")
        wrong += [f"point {point}, afterwards: {fault}" for fault in _not_whole(place)]
        shutil.rmtree(place)
    raise RuntimeError("it never came through")


def _faults_of(scenario: str, place: Path, ended: Ended) -> list[str]:
    found = _not_whole(place)
    if ended.status == "raised":
        found.append(ended.said)
    store = Store(place)
    held = [lock.stem for lock in (place / "locks").glob("*.lock") if store.is_locked(lock.stem)]
    if held:
        found.append(f"locks without an owner: {held}")
    there = jobs.listing(store)
    if scenario in LISTED and [job.key for job in there] != [key(TINY)]:
        found.append("the job is lost")
    found += [f"the job is {job.state}" for job in there if job.active and job.state != "starting"]
    if scenario == "remove a study and undo it":
        found += _half(store)
    if scenario == "empty the trash":
        undo(store)
        if len([each for each in STUDY if store.find(each)]) == 1:
            found.append("half of an entry is gone")
    if scenario == "import over a lighter result":
        store.sweep()
        if not store.find(TINY):
            found.append("neither of the two is there")
        found += [f"{each.name} is left" for each in (store.root / "staging").iterdir()]
    return found


def _half(store: Store) -> list[str]:
    """What is wrong with the study: in the store it must be whole, and one call must bring it back there."""
    there = [(store.root / "results" / "AtRandom" / key(each)).is_dir() for each in STUDY]
    found = ["the study is there and what it leads to is not"] if there[0] and not all(there) else []
    undo(store)
    if not all(store.find(each) for each in STUDY) or trash.entries(store):
        found.append("it cannot be brought back")
    return found


def _not_whole(place: Path) -> list[str]:
    """Results that are there and not whole; one that this file damaged itself is set aside when it is looked at."""
    Store(place).find(TINY)
    folders = (place / "results").glob("*/*")
    return [f"{folder.name}: {fault}" for folder in folders if (fault := find_fault(folder, deep=True))]


@dataclass(frozen=True)
class Ended:
    """How a process ended: done, said (a sentence for the screen), raised or killed; and whether it met its fault."""

    status: str
    said: str
    reached: bool


def _in_a_process(
    act: Callable[[], object],
    arm: Callable[[], Callable[[], bool]] = lambda: lambda: False,
    then: Callable[[], object] = lambda: None,
) -> Ended:
    """Do this in a process of its own, with a fault in it where one is armed, and something else afterwards."""
    heard, says = os.pipe()
    if (pid := os.fork()) == 0:
        status, said, reached = "done", "", arm()
        try:
            act()
        except StoreError as error:
            status, said = "said", str(error)
        except BaseException as error:
            status, said = "raised", f"{type(error).__name__}: {error}"
        came = reached()
        try:
            then()
        except BaseException as error:
            status, said = "raised", f"looking at it: {type(error).__name__}: {error}"
        finally:
            os.write(says, json.dumps([status, said[:1000], came]).encode())
            os._exit(0)
    os.close(says)
    with os.fdopen(heard) as stream:
        text = stream.read()
    return Ended("killed", "", True) if os.WIFSIGNALED(os.waitpid(pid, 0)[1]) else Ended(*json.loads(text))


if __name__ == "__main__":
    begun = time.perf_counter()
    provenance("cpu")  # what is asked once a process, and would be asked anew by each that is forked
    print(json.dumps(faults(sys.argv[1], sys.argv[2], Path(sys.argv[3])) | {"seconds": time.perf_counter() - begun}))
