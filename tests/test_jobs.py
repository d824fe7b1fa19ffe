"""Jobs are real processes: they finish, wait their turn, are shared, cancelled, killed and taken up again."""

import json
import os
import subprocess
import threading
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import psutil
import pytest

from unlearn_core import engines, job_forecast, job_process, job_work, jobs, room, trash
from unlearn_core.data import Data
from unlearn_core.disk import StoreError, write_whole
from unlearn_core.engines import machine
from unlearn_core.engines.here import Here
from unlearn_core.ensembles import Bank
from unlearn_core.experiment import BankPart, Map, Run, fulfil
from unlearn_core.forget import AtRandom
from unlearn_core.job import Expected
from unlearn_core.kinds import KINDS
from unlearn_core.params import BadValue, key, plain
from unlearn_core.result import find_fault
from unlearn_core.rum import Plan
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune, NegGrad

SMALL = Data(train=120, test=60)
QUICK = Training(data=SMALL, width=8, epochs=2)
LONG = Training(data=SMALL, width=8, epochs=1000, batch=1)  # minutes, unless it is stopped


def wait(store, job, until, seconds=90):
    """The job once `until(job)` holds."""
    end = time.monotonic() + seconds
    while not until(found := jobs.find(store, job)):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def ended(job):
    return not job.active


def processes(store, job):
    """The living processes that carry out this job of this store: others may have one of the same key."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        its_own = {job, str(store.root)} <= set(process.info["cmdline"] or [])
        if its_own and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


@pytest.fixture(autouse=True)
def nothing_left_running(store):
    yield
    for job in jobs.listing(store):
        for process in processes(store, job.key):
            process.kill()


# -- real processes ----------------------------------------------------------------------------------------------------


def test_a_job_makes_its_result_and_says_how_far_it_is(store):
    job = jobs.submit(store, QUICK)
    assert job == key(QUICK) and jobs.find(store, job).active
    found = wait(store, job, ended)
    assert (found.state, found.kind, found.message) == ("done", "Training", "Finished."), found.detail
    assert find_fault(store.find(QUICK).folder, deep=True) is None
    assert found.share == 1 and "train" in [name for name, _ in found.stages] and found.seconds > 0
    assert jobs.listing(store) == [found]
    assert "Warning" not in (store.root / "jobs" / job / "log.txt").read_text()
    wait(store, job, lambda _: not processes(store, job))
    # Asked for again, it is there already: no process is started.
    jobs.submit(store, QUICK)
    again = jobs.find(store, job)
    assert again.state == "done" and "there already" in again.message and processes(store, job) == []
    jobs.forget_job(store, job)
    assert jobs.listing(store) == [] and store.find(QUICK)  # the result stays


def test_an_estimate_holds_the_start_and_what_else_the_machine_does(store, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(machine, "load", lambda: 0.0)
    work = Expected(20.0, 10.0, 40.0, 1.5)
    assert job_forecast.foreseen(store, work) == Expected(24.0, 14.0, 44.0, 1.5)
    assert job_forecast.foreseen(store, work, 4) == Expected(28.0, 18.0, 48.0, 1.5)  # its workers start after it
    nothing = Expected(0.0, 0.0, 0.0)
    assert job_forecast.foreseen(store, nothing) == nothing
    monkeypatch.setattr(machine, "load", lambda: 3.0)
    assert job_forecast.foreseen(store, work) == Expected(24.0, 14.0, 44.0, 1.5)  # a CPU is free for it
    monkeypatch.setattr(machine, "load", lambda: 8.0)
    # Twelve on four CPUs: three times as long if the others stay, half-way where nobody knows.
    assert job_forecast.foreseen(store, work, 4) == Expected(56.0, 18.0, 144.0, 1.5)
    assert job_forecast.foreseen(store, work, 4, "cuda") == Expected(28.0, 18.0, 48.0, 1.5)
    other = jobs.Job("1" * 32, "Study", "S", "running", 0.0, 9.0, (("starting", 2.0), ("data", 1.0)), 1, 1, "", "")
    slower = replace(other, state="done", stages=(("starting", 9.0), ("data", 1.0)))  # on a busy machine
    monkeypatch.setattr(jobs, "listing", lambda store: [slower, other])
    monkeypatch.setattr(engines, "at_once", lambda: 8)
    # The CPUs are taken by a job that will be done by then, and it said how long a start takes.
    assert job_forecast.foreseen(store, work) == Expected(22.0, 12.0, 42.0, 1.5)
    assert job_forecast.before(store) == (1, None)


def test_what_was_expected_stays_with_the_job_through_its_attempts(store):
    job = jobs.submit(store, LONG, Expected(60.0, 30.0, 90.0, 1.5))
    wait(store, job, lambda job: job.worked)
    jobs.submit(store, LONG, Expected(1.0, 1.0, 1.0))  # joined: what was said first stands
    stopped = jobs.cancel(store, job)
    assert stopped.expected == Expected(60.0, 30.0, 90.0, 1.5)
    assert 0 < stopped.worked < stopped.seconds
    jobs.resume(store, job)
    again = wait(store, job, lambda job: job.worked)
    assert again.expected == stopped.expected and again.worked >= stopped.worked
    jobs.cancel(store, job)
    jobs.submit(store, LONG)  # asked for anew, and nobody said
    assert jobs.find(store, job).expected is None
    jobs.cancel(store, job)


def test_one_job_at_a_time_and_one_process_a_job(store):
    first = jobs.submit(store, LONG)
    wait(store, first, lambda job: job.state == "running")
    asked = []
    crowd = [threading.Thread(target=lambda: asked.append(jobs.submit(store, QUICK))) for _ in range(4)]
    for person in crowd:
        person.start()
    for person in crowd:
        person.join()
    assert asked == [key(QUICK)] * 4 and jobs.submit(store, LONG) == first
    second = asked[0]
    waiting = wait(store, second, lambda job: job.state == "queued")
    assert waiting.message == jobs.WAITING
    assert len(processes(store, first)) == len(processes(store, second)) == 1
    assert [job.key for job in jobs.listing(store)] == [second, first]
    with pytest.raises(StoreError, match="still under way"):
        jobs.forget_job(store, first)

    cancelled = jobs.cancel(store, first)
    assert (cancelled.state, processes(store, first)) == ("cancelled", [])
    assert store.find(LONG) is None and jobs.cancel(store, first).state == "cancelled"
    assert wait(store, second, ended).state == "done"  # its turn came
    assert store.find(QUICK)


def test_work_that_never_looks_up_is_cancelled_all_the_same(store):
    """A map spends seconds inside a library that tells nothing and asks nothing."""
    job = jobs.submit(store, Map(training=QUICK))
    running = wait(store, job, lambda job: job.stage == "map")
    assert running.state == "running"
    assert jobs.cancel(store, job).state == "cancelled"
    assert processes(store, job) == []  # gone when cancel() comes back
    assert store.find(Map(training=QUICK)) is None
    assert store.find(QUICK)  # what was finished is kept
    assert not store.is_locked(f"job-{job}") and not store.is_locked("machine")


def test_a_queued_job_can_be_cancelled_too(store):
    with store.lock("machine"):
        job = jobs.submit(store, QUICK)
        wait(store, job, lambda job: job.state == "queued")
        assert jobs.cancel(store, job).state == "cancelled" and processes(store, job) == []


def test_a_killed_job_is_offered_again_and_goes_on(store):
    bank = Bank(training=QUICK.but(epochs=100, batch=8), models=320)
    job = jobs.submit(store, bank)
    first = BankPart(training=bank.training, first=0)
    wait(store, job, lambda job: store.find(first) is not None)
    made = store.find(first).manifest()["created"], store.find(first).folder.stat().st_mtime_ns
    for process in processes(store, job):
        process.kill()
    found = wait(store, job, ended)
    assert found.state == "interrupted" and "resuming goes on" in found.message
    assert store.find(bank) is None
    assert jobs.resume(store, job) == job
    assert wait(store, job, ended, 180).state == "done"
    assert find_fault(store.find(bank).folder, deep=True) is None
    assert made == (store.find(first).manifest()["created"], store.find(first).folder.stat().st_mtime_ns)


def test_a_job_that_fails_says_why(store):
    nowhere = Training(data=Data(name="nowhere"))
    found = wait(store, jobs.submit(store, nowhere), ended)
    assert found.state == "failed" and found.message.startswith("There is no dataset called 'nowhere'")
    assert "\n" not in found.message and found.message.endswith(".")
    assert "Traceback" in found.detail and "BadValue" in found.detail
    assert not store.is_locked("machine")  # the next one can begin


# -- the worker's part, in this process --------------------------------------------------------------------------------


def record(store, spec, submitted=None):
    """The record of a job whose process was never started; submitted a minute ago unless told."""
    folder = store.root / "jobs" / key(spec)
    folder.mkdir()
    about = {"spec": plain(spec), "submitted": time.time() - 60 if submitted is None else submitted}
    write_whole(folder / "job.json", json.dumps(about))
    return key(spec)


def test_work_in_this_process(store):
    job = record(store, QUICK)
    assert jobs.find(store, job).state == "interrupted"
    job_work.work(str(store.root), job)
    found = jobs.find(store, job)
    assert found.state == "done" and [name for name, _ in found.stages][0] == "starting"
    assert all(seconds >= 0 for _, seconds in found.stages)
    progress = json.loads((store.root / "jobs" / job / "progress.json").read_text())
    assert 0 < progress["done"] <= progress["total"]


def test_it_says_what_it_left_on_the_disk(store):
    job = record(store, QUICK)
    job_work.work(str(store.root), job)
    files = [file.stat().st_size for file in (store.root / "results").rglob("*") if file.is_file()]
    assert jobs.find(store, job).megabytes == pytest.approx(sum(files) / 1e6) and len(files) > 1
    record_file = store.root / "jobs" / job / "job.json"  # what earlier attempts left is not known
    write_whole(record_file, json.dumps(json.loads(record_file.read_text()) | {"before": 5.0}))
    assert jobs.find(store, job).megabytes is None


def test_work_that_died_without_a_word_goes_on_with_fewer_models_at_once(store, monkeypatch):
    """A single worker is the job itself: who kills it for want of memory kills it again where it asks for as much."""
    told = []
    monkeypatch.setattr(
        jobs, "_process", lambda command, **about: told.append(about["env"]) or subprocess.Popen("true")
    )
    job = jobs.submit(store, QUICK)

    def again():
        wait(store, job, lambda job: job.state == "interrupted")
        jobs.resume(store, job)
        monkeypatch.setenv(machine.HALVINGS, told[-1][machine.HALVINGS])
        return machine.halvings()

    monkeypatch.setattr(jobs, "STARTING", 0.0)
    assert [again() for _ in range(4)] == [1, 2, 3, 3]
    jobs.end(store, job, "failed", "It said why.")
    jobs.resume(store, job)
    assert told[-1][machine.HALVINGS] == "0"


def test_a_process_that_lives_is_not_called_stopped_however_long_it_takes_to_begin(store):
    job = record(store, QUICK)  # submitted a minute ago
    with subprocess.Popen(["sleep", "60"]) as slow:
        job_process.write_worker(store, job, slow.pid)
        assert jobs.find(store, job).state == "starting"
        slow.kill()
    assert jobs.find(store, job).state == "interrupted"


def test_two_workers_do_not_meet(store):
    job = record(store, QUICK)
    with store.lock(f"job-{job}"):
        job_work.work(str(store.root), job)
    assert store.find(QUICK) is None and jobs.find(store, job).state == "interrupted"


def test_somebody_looking_does_not_keep_a_worker_from_its_work(store):
    """Asking whether a lock is held holds it for a moment; a worker that begins in that moment tries again."""
    job = record(store, QUICK)
    look = store.lock(f"job-{job}")
    look.acquire()
    worker = threading.Thread(target=job_work.work, args=(str(store.root), job))
    worker.start()
    time.sleep(0.2)
    look.release()
    worker.join()
    assert store.find(QUICK) and jobs.find(store, job).state == "done"


def work_through(store, order):
    """Have these jobs worked at, each by a thread that asks for the machine before those that were submitted before."""
    workers = [threading.Thread(target=job_work.work, args=(str(store.root), job), daemon=True) for job in order]
    with store.lock("machine"):
        for worker, job in zip(reversed(workers), reversed(order), strict=True):
            worker.start()
            wait(store, job, lambda job: job.state == "queued")
    for worker in workers:
        worker.join(30)


def test_turns_are_taken_in_the_order_of_asking(store, monkeypatch):
    """Whoever was submitted first comes first, however late it asks for the machine; the dead hold up nobody."""
    worked, now = [], time.time()

    def carry_out(store, job):
        worked.append(job)
        time.sleep(0.1)
        jobs.end(store, job, "done", "Finished.")

    def asked(seed, ago):
        return record(store, QUICK.but(seed=seed), now - ago)

    monkeypatch.setattr(job_work, "_carry_out", carry_out)
    asked(0, 9)  # its process is dead
    order = [asked(1, 8), asked(2, 7), *sorted([asked(3, 6), asked(4, 6)]), asked(5, 5)]
    work_through(store, order)
    assert worked == order


def test_one_that_hangs_is_passed_over_and_the_others_keep_their_order(store, monkeypatch):
    """It is alive, was asked for first, and never takes the machine; the clock stands while others work."""
    worked, now = [], time.time()

    def carry_out(store, job):
        worked.append(job)
        time.sleep(1.0)  # far longer than who waits has patience
        jobs.end(store, job, "done", "Finished.")

    def asked(seed, ago):
        return record(store, QUICK.but(seed=seed), now - ago)

    monkeypatch.setattr(job_work, "_carry_out", carry_out)
    monkeypatch.setattr(job_work, "YIELDS", 0.02)
    monkeypatch.setattr(job_work, "PATIENCE", 20)
    hangs, *order = asked(0, 9), asked(1, 8), asked(2, 7), asked(3, 6)
    with store.lock(f"job-{hangs}"):
        work_through(store, order)
        assert worked == order and jobs.find(store, hangs).state == "queued"


@pytest.mark.parametrize("stores", ["one", "two"])
def test_jobs_of_any_store_take_turns_on_one_device(store, stores, tmp_path, monkeypatch):
    """The second job begins beside the first where their devices differ, and else after it."""
    other = Store(tmp_path / "other") if stores == "two" else store
    begun, let_go, seeds = threading.Semaphore(0), threading.Event(), count()

    def carry_out(store, job):
        begun.release()
        assert let_go.wait(30)
        jobs.end(store, job, "failed", "It was let go.")

    def both(*devices, together):
        """The second begins before the first is let go, or not."""
        let_go.clear()
        threads = []
        for each, device in zip((store, other), devices, strict=True):
            monkeypatch.setenv("UNLEARN_DEVICE", device)  # read before the work begins
            job = record(each, QUICK.but(seed=next(seeds)))
            threads.append(threading.Thread(target=job_work.work, args=(str(each.root), job)))
            threads[-1].start()
            if len(threads) == 1:
                assert begun.acquire(timeout=30)
        assert begun.acquire(timeout=30 if together else 1.0) == together
        let_go.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert together or begun.acquire(timeout=0)

    monkeypatch.setattr(job_work, "_carry_out", carry_out)
    both("cpu", "cpu", together=False)
    both("cuda:1", "cuda:1", together=False)
    both("cuda:0", "cuda:1", together=True)
    monkeypatch.setenv("UNLEARN_ENGINE", "slurm")  # a cluster has a queue of its own, and a store takes turns there
    both("cpu", "cpu", together=stores == "two")


def test_only_jobs_of_one_card_go_before(store, monkeypatch):
    with store.lock(f"job-{record(store, QUICK)}"):
        assert job_forecast.before(store)[0] == 1
        monkeypatch.setenv("UNLEARN_DEVICE", "cuda:1")
        assert job_forecast.before(store)[0] == 0


def test_a_job_is_starting_while_somebody_starts_it(store, monkeypatch):
    seen = []
    monkeypatch.setattr(jobs, "_start", lambda store, job: seen.append(jobs.find(store, job).state))
    job = jobs.submit(store, QUICK)
    assert seen == ["starting"] and jobs.find(store, job).state == "interrupted"
    jobs.resume(store, job)
    assert seen == ["starting"] * 2
    jobs.forget_job(store, job)  # whoever removes it has the same lock, and is not taken for one who starts it


def test_a_job_that_ends_while_it_is_looked_at_is_not_called_interrupted(store, monkeypatch):
    job = record(store, QUICK)
    monkeypatch.setattr(jobs, "STARTING", 1000.0)
    monkeypatch.setattr(job_process, "worker", lambda store, job: jobs.end(store, job, "failed", "It failed."))
    assert jobs.find(store, job).message == "It failed."


def test_a_job_is_cancelled_while_somebody_starts_it(store, monkeypatch):
    processes, begun = [], threading.Event()

    def start(store, job):
        begun.set()
        time.sleep(0.3)
        processes.append(subprocess.Popen(["sleep", "60"]))
        job_process.write_worker(store, job, processes[0].pid)

    monkeypatch.setattr(jobs, "_start", start)
    somebody = threading.Thread(target=jobs.submit, args=(store, QUICK))
    somebody.start()
    begun.wait(30)
    assert jobs.cancel(store, key(QUICK)).state == "cancelled"
    somebody.join()
    assert processes[0].wait(30) == -9


def test_what_is_started_again_while_it_is_cancelled_goes_on(store, monkeypatch):
    """Somebody resumes the job between the kill and the word of it: the new process is not called cancelled."""
    monkeypatch.setattr(jobs, "STARTING", 1000.0)
    job, begun = record(store, QUICK), []

    def start(store, job):
        begun.append(subprocess.Popen(["sleep", "60"]))
        job_process.write_worker(store, job, begun[-1].pid)

    def gone(*about):
        waited(*about)
        begun[0].wait()
        jobs.resume(store, job)

    monkeypatch.setattr(jobs, "_start", start)
    start(store, job)
    waited = job_process.until_gone
    monkeypatch.setattr(job_process, "until_gone", gone)
    with pytest.raises(StoreError, match=jobs.STARTED_AGAIN):
        jobs.cancel(store, job)
    try:
        assert begun[1].poll() is None and jobs.find(store, job).active
    finally:
        begun[1].kill()
        begun[1].wait()


def test_a_process_that_is_gone_may_hold_its_lock_a_moment_longer(store, monkeypatch):
    monkeypatch.setattr(jobs, "STARTING", 1000.0)
    job = record(store, QUICK)
    monkeypatch.setattr(jobs, "_starts", lambda *about: True)  # under way by all that is seen
    with store.lock(f"job-{job}"):
        cancelling = threading.Thread(target=jobs.cancel, args=(store, job))
        cancelling.start()
        time.sleep(0.3)
    cancelling.join(30)
    assert jobs.find(store, job).state == "cancelled"


def test_a_job_of_another_machine_is_not_called_cancelled(store):
    """Two machines that share a disk: its lock is seen, and its process is not."""
    job = record(store, QUICK)
    worker = store.root / "jobs" / job / "worker.json"
    write_whole(worker, json.dumps({"pid": 1, "born": 1.0, "host": "elsewhere"}))
    with store.lock(f"job-{job}"):
        with pytest.raises(StoreError, match="runs on the machine elsewhere"):
            jobs.cancel(store, job)
        write_whole(worker, json.dumps({"pid": 1, "born": 1.0}))  # of an earlier version, which did not say
        with pytest.raises(StoreError, match="could not be stopped"):
            jobs.cancel(store, job)
        assert jobs.find(store, job).active
    assert not (store.root / "jobs" / job / "outcome.json").exists()


@pytest.mark.parametrize("engine", ["slurm", "local"])
def test_who_sent_work_to_a_cluster_can_take_it_back_when_cancelled(store, engine, monkeypatch):
    """The process of a job ends by itself where its tasks are elsewhere, and says so; others end at once."""
    monkeypatch.setenv("UNLEARN_ENGINE", engine)
    with store.lock("machine"):
        job = jobs.submit(store, QUICK)
        wait(store, job, lambda job: job.state == "queued")
        begun = time.monotonic()
        assert jobs.cancel(store, job).state == "cancelled" and processes(store, job) == []
    assert time.monotonic() - begun < (jobs.GRACE if engine == "slurm" else 2)
    said = (store.root / "jobs" / job / "log.txt").read_text()
    assert said == ("cancelled\n" if engine == "slurm" else "")


def test_a_worker_cleans_up_after_those_that_died(store):
    (store.root / "staging" / f"{'0' * 32}.dead").mkdir()
    job_work.work(str(store.root), record(store, QUICK))
    assert list((store.root / "staging").iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (Run(training=QUICK, forget="500", unlearner=FineTune()), "Row 500 does not exist"),
        (Run(training=QUICK, forget="", unlearner=FineTune()), "The forget set is empty"),
        (QUICK.but(model="resnet9"), "ResNet-9 needs images of at least 16x16"),
    ],
)
def test_failures_are_sentences(store, spec, says):
    job = record(store, spec)
    job_work.work(str(store.root), job)
    found = jobs.find(store, job)
    assert found.state == "failed" and found.message.startswith(says) and "Traceback" in found.detail
    assert jobs.resume(store, job) == job  # it can be tried again; that clears what was said
    assert jobs.find(store, job).state != "failed"
    jobs.cancel(store, job)


def test_a_job_of_another_version_fails_with_a_sentence(store):
    job = record(store, QUICK)
    about = json.loads((store.root / "jobs" / job / "job.json").read_text())
    about["spec"]["version"] = 99
    write_whole(store.root / "jobs" / job / "job.json", json.dumps(about))
    job_work.work(str(store.root), job)
    assert jobs.find(store, job).message == "Training version 99 cannot be read: this version knows 1."


def test_a_diverging_run_is_done_and_says_so(store):
    spec = Run(training=QUICK, forget="0-9", unlearner=NegGrad(lr=10.0, epochs=200, batch=2, momentum=0.999))
    job_work.work(str(store.root), record(store, spec))
    assert jobs.find(store, key(spec)).state == "done"
    assert store.find(spec).json("cost")["diverged_at"] > 0


class Odd(Exception):
    """An error nobody foresaw."""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (BadValue("The forget set is empty."), "The forget set is empty."),
        (StoreError("The disk is full."), "The disk is full."),
        (MemoryError(), "There was not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "There was not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "There was not enough memory"),
        (Odd("0xdeadbeef"), "The work stopped with an error (Odd)"),
        (KeyError("memory_retention_rate"), "The work stopped with an error (KeyError)"),
    ],
)
def test_any_error_is_one_sentence(error, says):
    sentence = job_work.plain_sentence(error)
    assert sentence.startswith(says) and sentence.endswith(".") and "0x" not in sentence and "Traceback" not in sentence


# -- records -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["", "x", "../../etc/passwd", "0" * 31, "0" * 32, "A" * 32, "0" * 32 + "/..", "\0"])
def test_a_key_that_names_no_job(store, bad):
    for ask in (jobs.find, jobs.cancel, jobs.resume, jobs.forget_job):
        with pytest.raises(StoreError, match="^There is no job"):
            ask(store, bad)
    assert jobs.listing(store) == []


def test_jobs_that_have_ended_are_read_once(store, monkeypatch):
    fulfil(store, QUICK)
    job, read = jobs.submit(store, QUICK), []
    real = jobs.read_record
    monkeypatch.setattr(jobs, "read_record", lambda *about: read.append(about) or real(*about))
    assert [j.state for j in jobs.listing(store)] == ["done"] and read
    read.clear()
    assert [j.state for j in jobs.listing(store)] == ["done"] and not read
    jobs.resume(store, job)  # it is written anew
    assert [j.state for j in jobs.listing(store)] == ["done"] and read


def test_one_job_is_read_without_the_others(store, monkeypatch):
    job, other = record(store, QUICK), record(store, LONG)
    read, honest = [], jobs.read_record
    monkeypatch.setattr(jobs, "read_record", lambda store, job, name: read.append(job) or honest(store, job, name))
    assert jobs.get(store, job) == jobs.find(store, job) and set(read) == {job}
    jobs.forget_job(store, job)
    assert jobs.get(store, job) is None and jobs.get(store, other)
    for bad in ("", "x", "../../etc/passwd", "0" * 32, "\0"):
        assert jobs.get(store, bad) is None


@pytest.mark.parametrize("again", [jobs.resume, lambda store, job: jobs.submit(store, QUICK)])
def test_a_job_that_is_started_while_it_is_removed(store, monkeypatch, again):
    """Between the look and the removal nobody can start it: whoever tries waits, and finds it gone or starts anew."""
    job, started, looked = record(store, QUICK), [], threading.Event()
    monkeypatch.setattr(jobs, "_start", lambda store, job: started.append(job))
    honest, said = jobs.trash.move, []

    def slowly(*about, **how):
        looked.set()
        time.sleep(0.5)
        assert not started
        return honest(*about, **how)

    def start():
        looked.wait(30)
        try:
            again(store, job)
        except StoreError as error:
            said.append(str(error))

    monkeypatch.setattr(jobs.trash, "move", slowly)
    other = threading.Thread(target=start)
    other.start()
    jobs.forget_job(store, job)
    other.join()
    assert said == [] and started == [job] and jobs.get(store, job)  # all of its record, and none of the old one
    assert set(json.loads((store.root / "jobs" / job / "job.json").read_text())) == {"spec", "submitted", "by"}


def test_a_job_that_was_started_meanwhile_is_not_removed(store, monkeypatch):
    """Whoever waited for the lock looks again."""
    job, honest, looks = record(store, QUICK), jobs.find, []

    def active(store, job, **how):
        looks.append(job)
        found = honest(store, job, **how)
        return found if len(looks) == 1 else replace(found, state="starting")

    monkeypatch.setattr(jobs, "find", active)
    with pytest.raises(StoreError, match="still under way"):
        jobs.forget_job(store, job)
    assert (store.root / "jobs" / job / "job.json").exists()


def test_a_damaged_record_does_not_keep_a_job_from_being_started(store, monkeypatch):
    job, started = record(store, QUICK), []
    (store.root / "jobs" / job / "job.json").write_text("{")
    monkeypatch.setattr(jobs, "_start", lambda store, job: started.append(job))
    assert jobs.submit(store, QUICK) == job == started[0] and jobs.get(store, job)


@pytest.mark.parametrize("file", ["progress.json", "outcome.json", "worker.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_damaged_record_is_no_worse_than_none(store, file, text):
    job = record(store, QUICK)
    (store.root / "jobs" / job / file).write_text(text)
    assert jobs.find(store, job).state == "interrupted"
    assert len(jobs.listing(store)) == 1


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_folder_that_is_no_record_is_passed_over(store, text):
    healthy = record(store, QUICK)
    (store.root / "jobs" / "notes").mkdir()
    folder = store.root / "jobs" / key(LONG)
    folder.mkdir()
    (folder / "job.json").write_text(text)
    assert [job.key for job in jobs.listing(store)] == [healthy]


@pytest.mark.parametrize(
    "outcome", [{}, {"state": "bogus", "message": "m", "ended": 1}, {"state": "done"}, {"state": ["done"]}]
)
def test_an_end_that_no_job_has_is_no_worse_than_none(store, outcome):
    job = record(store, QUICK)
    write_whole(store.root / "jobs" / job / "outcome.json", json.dumps(outcome))
    assert jobs.find(store, job).state == "interrupted" and len(jobs.listing(store)) == 1


def test_a_job_whose_record_is_damaged_can_be_cancelled_and_removed(store):
    job = jobs.submit(store, LONG)
    wait(store, job, lambda job: job.state == "running")
    (store.root / "jobs" / job / "job.json").write_text("{")
    (found,) = jobs.listing(store)
    assert (found.key, found.state, found.message) == (job, "running", jobs.DAMAGED)
    assert jobs.submit(store, LONG) == job and len(processes(store, job)) == 1  # it is joined as it stands
    assert jobs.cancel(store, job).state == "cancelled" and processes(store, job) == []
    with pytest.raises(StoreError, match=jobs.DAMAGED):
        jobs.resume(store, job)
    jobs.forget_job(store, job)
    assert jobs.listing(store) == [] and len(trash.entries(store)) == 1


def test_what_nothing_makes_is_one_sentence(store):
    with pytest.raises(BadValue, match="^Plan is not a kind of result, so nothing can be made of it.$"):
        fulfil(store, Plan())


def test_a_process_number_that_was_given_to_somebody_else(store):
    """Another process with the number of a dead worker is neither taken for it nor killed for it."""
    job = record(store, QUICK)
    folder = store.root / "jobs" / job
    about = json.loads((folder / "job.json").read_text())
    write_whole(folder / "job.json", json.dumps(about | {"submitted": time.time()}))
    write_whole(folder / "worker.json", json.dumps({"pid": os.getpid(), "born": 1.0}))
    assert jobs.find(store, job).state == "interrupted"
    write_whole(folder / "worker.json", json.dumps({"pid": os.getpid(), "born": psutil.Process().create_time()}))
    assert jobs.find(store, job).state == "starting"


def test_progress_is_written_now_and_then(store):
    job = record(store, QUICK)
    tell, file = job_work.Reporter(store, job), store.root / "jobs" / job / "progress.json"
    tell("train", 0, 1000)
    first = file.stat().st_mtime_ns
    for step in range(1, 1000):
        tell("train", step, 1000)
    tell("map", 0, 0)
    found = json.loads(file.read_text())
    assert [name for name, _ in found["stages"]] == ["train", "map"] and found["done"] == 0
    assert file.stat().st_mtime_ns > first
    shown = jobs.find(store, job)
    assert shown.stage == "map" and shown.share is None


def test_the_stage_of_now_stands_last_and_is_timed_from_where_it_began_over(store, monkeypatch):
    job, clock = record(store, QUICK), [0.0]
    monkeypatch.setattr(job_work.time, "perf_counter", lambda: clock[0])
    report = job_work.Reporter(store, job)

    def tell(now: float, stage: str, done: int) -> None:
        clock[0] = now
        report(stage, done, 100)

    with store.lock(f"job-{job}"):
        for told in ((10, "train", 0), (20, "train", 10), (70, "train", 90), (71, "measure", 0)):
            tell(*told)
        for told in ((72, "train", 1), (76, "train", 5)):  # a second round of what was there before
            tell(*told)
        shown = jobs.find(store, job)
        assert (shown.stage, shown.done) == ("train", 5) and dict(shown.stages)["train"] == pytest.approx(65)
        assert shown.stage_left == pytest.approx(5 / 5 * 95)  # by this round, not by the minute before
        for told in ((80, "train", 99), (90, "train", 2), (92, "train", 4)):  # the same stage starts over
            tell(*told)
        assert jobs.find(store, job).stage_left == pytest.approx(12 / 4 * 96)


def test_time_that_was_worked_is_kept_over_an_attempt_that_never_had_the_machine(store, monkeypatch):
    job = record(store, QUICK)
    file = store.root / "jobs" / job / "job.json"
    cost = {"seconds": 9.0, "fastest": 5.0, "slowest": 300.0}
    write_whole(file, json.dumps(json.loads(file.read_text()) | {"before": 100.0, "expected": cost}))
    monkeypatch.setattr(jobs, "_start", lambda *asked: None)
    for _ in range(2):
        jobs.resume(store, job)
        assert jobs.read_record(store, job, "job.json")["before"] == pytest.approx(100.0)
        jobs.end(store, job, "cancelled", "Cancelled.")


def test_what_goes_on_is_asked_for_the_room_that_it_still_needs(store, monkeypatch):
    begun = []
    monkeypatch.setattr(jobs, "_process", lambda command, **_: begun.append(command) or subprocess.Popen("true"))
    monkeypatch.setattr(jobs, "STARTING", 0.0)
    job = jobs.submit(store, QUICK, Expected(1.0, 1.0, 1.0, megabytes=50.0))
    stopped = wait(store, job, ended)
    assert stopped.state == "interrupted"

    def worked(since: float, until: float):
        about = {"began": since, "written": until}
        write_whole(store.root / "jobs" / job / "progress.json", json.dumps(about))

    def asked() -> str:
        with pytest.raises(StoreError) as said:
            jobs.resume(store, job)
        return str(said.value)

    now = time.time()
    before, _ = (store.remember(AtRandom(size=n), lambda draft: draft.arrays(x=np.zeros(int(2.5e6)))) for n in (1, 2))
    os.utime(before.folder, (now - 99, now - 99))
    monkeypatch.setenv(room.LIMIT, "0.06")  # 40 MB are used, and 20 of them by what came while it worked
    assert "This needs about 50.0 MB more" in asked()
    worked(now - 50, now + 50)
    assert "This needs about 30.0 MB more" in asked()
    monkeypatch.setenv(room.LIMIT, "0.08")
    assert jobs.resume(store, job) == job and len(begun) == 2
    wait(store, job, ended)
    monkeypatch.setenv(room.LIMIT, "0.06")
    assert "This needs about 30.0 MB more" in asked()  # the next attempt, which left nothing


def test_a_list_of_ended_jobs_looks_for_each_result_in_its_own_place(store, monkeypatch):
    """Among all kinds of results it would be a look for each of them, for each job, at every click."""
    for kind in KINDS:
        (store.root / "results" / kind).mkdir(parents=True, exist_ok=True)
    for size in range(1, 4):
        job = key(AtRandom(size=size))
        (store.root / "jobs" / job).mkdir()
        about = {"spec": plain(AtRandom(size=size)), "submitted": time.time() - size}
        (store.root / "jobs" / job / "job.json").write_text(json.dumps(about))
        jobs.end(store, job, "failed", "It failed.")
    jobs.listing(store)
    looked, honest = [], Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda path: looked.append(path) or honest(path))
    assert [job.state for job in jobs.listing(store)] == ["failed"] * 3
    assert {path.parent.name for path in looked} == {"AtRandom"} and len(looked) == 3


def test_only_jobs_of_many_short_tasks_have_workers_load_beforehand(store, monkeypatch):
    warmed = []
    monkeypatch.setattr(Here, "warm", lambda engine, modules: warmed.append(modules))
    monkeypatch.setenv("UNLEARN_ENGINE", "here")
    for seed, short in enumerate((set(), {"Training"})):
        monkeypatch.setattr(job_work, "SHORT", short)
        job_work.work(str(store.root), record(store, QUICK.but(seed=seed)))
    assert warmed == [(job_work.EXPERIMENT,)]


def test_kinds_of_many_short_tasks_are_kinds_of_results():
    assert set(KINDS) >= job_work.SHORT
