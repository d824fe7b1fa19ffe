"""The life of jobs in any order: submitted, cancelled, killed, resumed, removed, damaged, looked at, finished.

A hypothesis state machine, run as a program by test_faults.py so that the processes of jobs are forks: one thread, no
torch. Whatever the order, every published result verifies, a result that was there stays, no lock is without an owner,
no job is lost, and in the end all of them can be brought to their end.

    python job_life.py ROOT EXAMPLES     prints how often what happened, as one JSON object
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from unlearn_core import job_process, job_work, jobs
from unlearn_core.forget import AtRandom
from unlearn_core.params import key
from unlearn_core.provenance import provenance
from unlearn_core.result import Draft, Result, find_fault
from unlearn_core.store import Store

SPECS = tuple(AtRandom(size=size) for size in (100, 200, 300))
MEMBERS = 6  # results that a job makes on its way
counted: Counter = Counter()


def fulfil(store: Store, spec: AtRandom, tell: Callable = lambda *about: None) -> Result:
    """Stands for the work of a job: a few results one after the other, then the one that was asked for."""

    def content(size: int) -> Callable[[Draft], None]:
        def write(draft: Draft) -> None:
            draft.arrays(x=np.arange(size))
            time.sleep(0.004)
            draft.json("note", {"size": size})

        return write

    for i in range(MEMBERS):
        tell("members", i, MEMBERS)
        store.remember(AtRandom(size=spec.size + i + 1), content(spec.size + i + 1))
    return store.remember(spec, content(spec.size))


def start(store: Store, job: str) -> None:
    """The process of a job, as a fork of this one."""
    if (pid := os.fork()) == 0:
        with suppress(BaseException):
            job_work.work(str(store.root), job)
        os._exit(0)
    job_process.write_worker(store, job, pid)


class JobLife(RuleBasedStateMachine):
    root: Path

    def __init__(self):
        super().__init__()
        self.store = Store(self.root / uuid.uuid4().hex)
        self.there: set[str] = set()  # jobs that were submitted and not removed
        self.whole: set[Path] = set()  # results that were seen

    @initialize(first=st.permutations(("kill", "cancel", "damage", "finish")), spec=st.sampled_from(SPECS))
    def begin(self, first, spec):
        """Each life meets each of these once: its steps are drawn from some of the rules only."""
        for each in SPECS:
            self.submit(each)
        happen = {"kill": self.kill, "cancel": self.cancel, "damage": lambda spec: self.damage(0)}
        happen["finish"] = lambda spec: self.wait(spec, 20)
        for what in first:
            self.resume(spec)
            happen[what](spec)

    @rule(spec=st.sampled_from(SPECS))
    def submit(self, spec):
        assert jobs.submit(self.store, spec) == key(spec)
        self.there.add(key(spec))

    @rule(spec=st.sampled_from(SPECS))
    def cancel(self, spec):
        if key(spec) in self.there:
            was = jobs.find(self.store, key(spec))
            job = jobs.cancel(self.store, key(spec))
            assert not job.active
            counted["cancelled"] += was.active and job.state == "cancelled"

    @rule(spec=st.sampled_from(SPECS))
    def resume(self, spec):
        if key(spec) in self.there:
            assert jobs.resume(self.store, key(spec)) == key(spec)

    @rule(spec=st.sampled_from(SPECS))
    def kill(self, spec):
        process = job_process.worker(self.store, key(spec)) if key(spec) in self.there else None
        if process is not None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
                counted["killed"] += 1
            job_process.until_gone(self.store, key(spec), [process])

    @rule(spec=st.sampled_from(SPECS))
    def remove(self, spec):
        if key(spec) in self.there and not jobs.find(self.store, key(spec)).active:
            jobs.forget_job(self.store, key(spec))
            self.there.remove(key(spec))

    @rule(spec=st.sampled_from(SPECS), seconds=st.sampled_from((0.01, 0.05, 20)))
    def wait(self, spec, seconds):
        """Wait for a job until it has ended, or for a while."""
        until = time.monotonic() + seconds
        while key(spec) in self.there and jobs.find(self.store, key(spec)).active and time.monotonic() < until:
            time.sleep(0.005)
        if key(spec) in self.there and jobs.find(self.store, key(spec)).state == "done":
            counted["finished"] += 1
            assert self.store.find(spec).arrays()["x"].tolist() == list(range(spec.size))

    @rule(which=st.integers(0, 100))
    def damage(self, which):
        """Cut a result off, as a bad disk would; whoever asks for it next finds it missing."""
        until = time.monotonic() + 20
        while not self.whole and any(job.active for job in jobs.listing(self.store)) and time.monotonic() < until:
            time.sleep(0.005)  # until a job has made its first
            self.whole |= set((self.store.root / "results").glob("*/*"))
        folders = sorted(self.whole)
        if folders:
            folder = folders[which % len(folders)]
            spec = AtRandom(size=json.loads((folder / "note.json").read_text())["size"])
            self.whole.discard(folder)
            (folder / "arrays.safetensors").write_bytes(b"x")
            # A worker may have met it first, and made it anew.
            found = self.store.find(spec)
            assert found is None or found.arrays()["x"].tolist() == list(range(spec.size))
            counted["damaged"] += 1

    @rule()
    def restart(self):
        """The server goes and comes again."""
        self.store = Store(self.store.root)

    @invariant()
    def every_published_result_verifies_and_stays(self):
        folders = set((self.store.root / "results").glob("*/*"))
        assert {folder: fault for folder in folders if (fault := find_fault(folder, deep=True))} == {}
        assert self.whole <= folders
        self.whole |= folders

    @invariant()
    def no_job_is_lost_and_none_has_failed(self):
        found = {job.key: job for job in jobs.listing(self.store)}
        assert set(found) == self.there
        assert not [job for job in found.values() if job.state == "failed"], found

    @invariant()
    def no_lock_is_without_an_owner(self):
        for spec in SPECS:
            if job_process.worker(self.store, key(spec)) is None:
                # Its process may have begun, or ended, between the two looks.
                assert not self.store.is_locked(f"job-{key(spec)}") or job_process.worker(self.store, key(spec)), spec
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def teardown(self):
        for spec in SPECS:
            if key(spec) in self.there:
                jobs.resume(self.store, key(spec))
        for spec in SPECS:
            until = time.monotonic() + 30
            while key(spec) in self.there and jobs.find(self.store, key(spec)).active:
                assert time.monotonic() < until, "a job never came to its end"
                time.sleep(0.01)
            if key(spec) in self.there:
                assert jobs.find(self.store, key(spec)).state == "done" and self.store.find(spec) is not None
        self.every_published_result_verifies_and_stays()
        self.store.sweep()
        assert list((self.store.root / "staging").iterdir()) == []
        shutil.rmtree(self.store.root)


if __name__ == "__main__":
    sys.modules["unlearn_core.experiment"] = SimpleNamespace(fulfil=fulfil)  # the real one brings torch along
    jobs._start = start
    provenance("cpu")  # what is asked once a process, and would be asked anew by each that is forked
    JobLife.root = Path(sys.argv[1])
    run_state_machine_as_test(
        JobLife,
        settings=settings(
            max_examples=int(sys.argv[2]), stateful_step_count=25, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    print(json.dumps(counted))
