"""What a forecast says, in words, and how it compares with what the work then took."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.shared.text import duration, escape
from unlearn_core import engines, job_forecast, jobs
from unlearn_core.disk import StoreError
from unlearn_core.experiment import OpenStudy
from unlearn_core.experiment.asking_cost import AskingCost, asking_cost
from unlearn_core.experiment.first_cost import FirstCost
from unlearn_core.experiment.forecast import Forecast, beyond, peak
from unlearn_core.experiment.landscape_cost import LandscapeCost
from unlearn_core.experiment.run_times import UNKNOWN
from unlearn_core.experiment.search_cost import SearchCost
from unlearn_core.job import Expected, Job
from unlearn_core.params import Spec, key
from unlearn_core.store import Store

WITH = "its start and what else runs here now included"  # what the seconds hold
STUDY = "Study"  # how a study like a finished one is foreseen


def cost(store: Store, f: Forecast, how: str = STUDY) -> str:
    """What is still to be done, how long it may take and what room it needs, in words."""
    if f.is_done:
        return "Nothing is left to compute: all results are stored already."
    counts = [
        (f.trainings, "model to train", "models to train"),
        (f.trials, "trial of a learning rate", "trials of learning rates"),
    ]
    counts.append((f.runs, "unlearning run", "unlearning runs"))
    work = ", ".join(f"{n:,} {one if n == 1 else many}" for n, one, many in counts if n)
    text = f"{how_long(expected(store, f, how))}, {WITH}: {work}"
    text += f"; {f.reused:,} more are stored already and cost nothing." if f.reused else "."
    return f"{text}{queue(store)}{_guessed(f)} {room(f)}"


def short(store: Store, f: Forecast) -> str:
    """Time and room alone, for where little fits."""
    if f.is_done:
        return "Nothing is left to compute: all results are stored already."
    return f"{how_long(expected(store, f))}.{queue(store)}{_guessed(f)} {room(f)}"


def queue(store: Store) -> str:
    """The jobs that go first, as a sentence after another; empty where there are none."""
    count, wait = job_forecast.before(store)
    if not count:
        return ""
    who = "1 job" if count == 1 else f"{count} jobs"
    if wait is None:
        return f" It begins after {who} before it."
    least = f"{duration(wait[0])} to" if wait[0] else "up to"
    return f" It begins after {who} before it ({least} {duration(wait[1])})."


def _guessed(f: Forecast) -> str:
    return f" Never timed by itself here on such a model, so guessed: {', '.join(f.guessed)}." if f.guessed else ""


def part(store: Store, whole: Forecast, f: Forecast) -> str:
    """What a part of a study adds to it, in a few words; seconds as the whole study is told."""
    rest = beyond(whole, f)
    seconds = job_forecast.beyond(store, _work(whole), _work(rest), whole.at_once, whole.device) if f.seconds else 0.0
    return _added(replace(f, seconds=seconds))


def _added(f: Forecast) -> str:
    if f.is_done:
        return "adds nothing: stored already"
    models = f.runs + f.trainings
    return f"adds about {duration(f.seconds)}, {models:,} model{'' if models == 1 else 's'}, {megabytes(f.megabytes)}"


def baselines(store: Store, whole: Forecast, plan: Forecast) -> str:
    """What a study costs beyond its plan alone, as a sentence; seconds as the study is told."""
    seconds = job_forecast.beyond(store, _work(whole), _work(plan), whole.at_once, whole.device)
    more = _added(replace(beyond(whole, plan), seconds=seconds)).replace("adds", "add", 1)
    return f"The baselines {more}.{_guessed(whole) if whole.guessed != plan.guessed else ''}"


def room(f: Forecast) -> str:
    """Disk and memory, as estimates."""
    text = f"Estimated: **{megabytes(f.megabytes)}** of disk"
    return f"{text}, {memory(f)}, the most that a run took." if f.memory else f"{text}."


def memory(f: Forecast | LandscapeCost | SearchCost | FirstCost) -> str:
    """The most that a process takes, inside a sentence."""
    of = "GPU memory" if getattr(f, "device", "cpu") == "cuda" else "memory"
    each = f" in each of {f.at_once} processes" if f.at_once > 1 else ""
    return f"**{megabytes(f.memory)}** of {of}{each}"


def memory_of(f: LandscapeCost | SearchCost) -> str:
    """The same as a sentence after another; empty where nothing is known or left to do."""
    return f" It takes {memory(f)}, the most that a run of this study took." if f.memory else ""


def expected(store: Store, f: Forecast, how: str = STUDY) -> Expected:
    """What a job is told to expect of itself, as the machine is now; `how` it was foreseen: see `hindsight`."""
    return job_forecast.foreseen(store, _work(f, how), f.at_once, f.device)


def _work(f: Forecast, how: str = STUDY) -> Expected:
    """The work of a job alone."""
    return Expected(f.seconds, f.fastest, f.slowest, f.megabytes, f.memory, how)


def first(store: Store, f: FirstCost) -> str:
    """The cost of a study unlike any that is finished, in words."""
    counts = ((f.models + f.trainings, "models to train"), (f.trials, "trials of learning rates"), (f.runs, "runs"))
    work = ", ".join(f"{n:,} {name}" for n, name in counts if n)
    return (
        f"{how_long(about(store, f))}, {WITH}: {work} at most. No study with these images, this training and this bank "
        f"is finished here, so this goes by the speed of {escape(f.like)} and may be off by a factor of {f.factor:g}."
        f"{queue(store)} Estimated: **{megabytes(f.megabytes)}** of disk, about {memory(f)} "
        f"({megabytes(f.memory / f.memory_factor)} to {megabytes(f.memory * f.memory_factor)})."
    )


def about(store: Store, f: LandscapeCost | SearchCost | FirstCost | AskingCost, how: str = "") -> Expected:
    """What a landscape, a search or a first study may take, or asking models once more."""
    work = Expected(f.seconds, f.seconds / f.factor, f.seconds * f.factor, how=how or type(f).__name__)
    work = replace(work, megabytes=getattr(f, "megabytes", 0.0), memory=getattr(f, "memory", 0.0))
    return job_forecast.foreseen(store, work, getattr(f, "at_once", 1), getattr(f, "device", "cpu"))


def unsure(store: Store, how: str, seconds: float, disk: float = 0.0) -> Expected:
    """The same of work of which no spread is known, that takes so many megabytes of disk."""
    work = Expected(seconds, seconds / UNKNOWN, seconds * UNKNOWN, disk, how=how)
    return job_forecast.foreseen(store, work, engines.at_once())


def again(store: Store, study: OpenStudy, asked: Spec) -> tuple[str, Expected | None]:
    """What it takes to ask the models of a study once more: as a sentence, and what its job is told to expect."""
    if study.data.grey:
        return "Its images are not here, so its models cannot be asked.", None
    cost = _asking(study.key, key(asked), study, asked)
    if cost is None:
        return "It takes longer than a PCA map; how long is known once one was made here.", None
    expected = about(store, cost, type(asked).__name__)
    return f"This takes {inside(expected)}.", expected


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _asking(study: str, asked: str, _study: OpenStudy, _asked: Spec) -> AskingCost | None:
    """Kept for half a minute, by the keys of both: it reads what such results took before."""
    return asking_cost(_study, _asked)


def roughly(store: Store, how: str, seconds: float) -> str:
    """How long work takes of which no spread is known, inside a sentence."""
    return inside(unsure(store, how, seconds))


def inside(e: Expected) -> str:
    """The best guess and its range inside a sentence, and what they hold."""
    said = how_long(e)
    return f"{said[0].lower()}{said[1:]}, {WITH}"


def megabytes(size: float) -> str:
    """A size in words: 3.2 MB, 140 MB, 1.3 GB."""
    if size < 0.1:
        return "less than 0.1 MB"
    if size < 999.5:
        return f"{size:,.1f} MB" if size < 99.95 else f"{size:,.0f} MB"
    return f"{size / 1e3:,.1f} GB"


def how_long(e: Expected) -> str:
    """The best guess and its range, and by how many earlier jobs both were corrected."""
    fastest, slowest = duration(e.fastest), duration(e.slowest)
    span = f" ({fastest} to {slowest})" if slowest != fastest else ""
    seen = f", corrected by {e.jobs} earlier job{'s' * (e.jobs > 1)}" if e.jobs else ""
    return f"About **{duration(e.seconds)}**{span}{seen}"


def against(job: Job, memory: float = 0.0) -> str:
    """The estimate of a finished job beside what it took, and beside the most megabytes of `memory` that its runs took;
    empty where there was none, or nothing to compare.
    """
    if job.expected is None or job.state != "done" or job.worked is None:
        return ""
    e, text = job.expected, _seconds_against(job.expected, job.worked)
    if e.megabytes and job.megabytes is not None:
        text += f"; disk: estimated {megabytes(e.megabytes)}, took {megabytes(job.megabytes)}"
    if e.memory and memory:
        text += f"; memory: estimated {megabytes(e.memory)}, took {megabytes(memory)}"
    return text


def _seconds_against(e: Expected, worked: float) -> str:
    text = f"estimated {duration(e.seconds)}"
    if e.slowest <= e.fastest:
        return f"{text}, took {duration(worked)}"
    side = "faster than that" if worked < e.fastest else "slower than that" if worked > e.slowest else ""
    span = f"{duration(e.fastest)} to {duration(e.slowest)}"
    return f"{text} ({span}), took {duration(worked)}: {side or 'inside that range'}"


def of_study(study: OpenStudy) -> str:
    """The same for the job that made a study, as a sentence; empty where it was not made by one here."""
    try:
        told = against(jobs.find(study.store, study.key), peak(study)[0])
    except StoreError:
        return ""
    return f"Work: {told}." if told else ""
