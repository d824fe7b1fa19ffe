"""A forecast is corrected by what jobs took that were foreseen in the same way."""

import math
from dataclasses import replace

import pytest

from unlearn_core import engines, job_forecast, jobs
from unlearn_core.engines import machine
from unlearn_core.hindsight import ENOUGH, LAST, corrected
from unlearn_core.job import Expected, Job

GUESS = Expected(20.0, 10.0, 40.0, 1.5, 410.0, how="Study")


def took(seconds: float, e: Expected | None = GUESS, state: str = "done") -> Job:
    return Job("1" * 32, "Study", "S", state, 0.0, seconds, (), 1, 1, "", "", seconds, e)


def test_without_jobs_of_its_way_a_forecast_stays():
    others = [took(5.0, replace(GUESS, how="Search")), took(5.0, None), took(5.0, state="failed"), took(0.0)]
    assert corrected(GUESS, others) is GUESS
    unnamed = replace(GUESS, how="")
    assert corrected(unnamed, [took(5.0, unnamed)]) is unnamed


def test_few_jobs_move_the_middle_and_the_range_holds_the_uncorrected_one():
    faster = corrected(GUESS, [took(5.0)])
    assert faster == replace(GUESS, seconds=5.0, fastest=2.5, slowest=40.0, factor=0.25, jobs=1)
    slower = corrected(GUESS, [took(30.0), took(50.0)])
    assert slower == replace(GUESS, seconds=40.0, fastest=10.0, slowest=80.0, factor=2.0, jobs=2)


def test_from_three_jobs_on_their_spread_is_the_range():
    same = corrected(GUESS, [took(5.0)] * ENOUGH)
    assert (same.seconds, same.fastest, same.slowest) == (5.0, 5.0, 5.0)
    found = corrected(GUESS, [took(20.0 / math.e), took(20.0), took(20.0 * math.e)])
    # 2.920 is Student's t of two degrees of freedom at 0.95; the logarithms deviate by 1, and one more by sqrt(1 + 1/3)
    assert found.seconds == 20.0 and found.slowest == pytest.approx(20.0 * math.exp(2.91999 * math.sqrt(4 / 3)), 1e-4)
    assert found.fastest * found.slowest == pytest.approx(20.0**2)


def test_what_was_corrected_is_held_against_what_it_was_before():
    """Else every correction would be undone by the next."""
    told = corrected(GUESS, [took(5.0)])
    assert corrected(GUESS, [took(5.0, told), took(5.0)]).factor == 0.25
    right = corrected(GUESS, [took(5.0, told)] * 5)
    assert (right.seconds, right.jobs) == (5.0, 5)


def test_the_newest_are_asked():
    assert corrected(GUESS, [took(10.0)] * LAST + [took(100.0)] * 100).factor == 0.5


def test_jobs_of_like_size_are_asked_first():
    small, large = replace(GUESS, seconds=20.0 / 4.1), replace(GUESS, seconds=80.0)
    others = [took(50.0, small), took(50.0, replace(small, how="Stream"))]
    assert corrected(GUESS, [*others, took(40.0, large)]).factor == 0.5  # four times as large is like enough
    assert corrected(GUESS, [*others * LAST, took(40.0, large)]).jobs == 1  # however many newer ones there are
    assert corrected(GUESS, others).factor == pytest.approx(10.25)  # better than nothing
    # What was foreseen is meant without its correction: 160 seconds were told, but 20 foreseen.
    told = replace(GUESS, seconds=160.0, factor=8.0, jobs=3)
    assert corrected(GUESS, [took(50.0, small), took(30.0, told)]).factor == 1.5


def test_a_correction_lies_on_the_whole_estimate(store, monkeypatch):
    """Also on the start of the process and what else runs, which earlier jobs had too."""
    monkeypatch.setattr(machine, "load", lambda: 0.0)
    before = job_forecast.foreseen(store, GUESS)
    monkeypatch.setattr(jobs, "listing", lambda store: [took(12.0, before)] * 3)
    after = job_forecast.foreseen(store, GUESS)
    assert before.seconds == 24.0 and after == replace(
        before, seconds=12.0, fastest=12.0, slowest=12.0, factor=0.5, jobs=3
    )
    nothing = Expected(0.0, 0.0, 0.0, how="Study")
    assert job_forecast.foreseen(store, nothing) == nothing


def test_what_a_whole_takes_beyond_a_part_is_a_share_of_the_whole(store, monkeypatch):
    """Of a job that runs, not the difference of two forecasts that other jobs may have corrected."""
    monkeypatch.setattr(machine, "load", lambda: 0.0)
    part, nothing = replace(GUESS, seconds=8.0), replace(GUESS, seconds=0.0, fastest=0.0, slowest=0.0)
    assert job_forecast.beyond(store, GUESS, part) == pytest.approx(12.0)  # 24 less 12, with a start of 4 each
    assert job_forecast.beyond(store, GUESS, nothing) == 24.0 and job_forecast.beyond(store, GUESS, GUESS) == 0.0
    halved = [took(12.0, replace(GUESS, seconds=24.0))] * 3 + [took(100.0, replace(GUESS, seconds=5.0))] * 20
    monkeypatch.setattr(jobs, "listing", lambda store: halved)
    assert job_forecast.beyond(store, GUESS, part) == pytest.approx(6.0)
    assert job_forecast.foreseen(store, part).factor == 20.0  # which would make the part take longer than the whole


def test_jobs_that_have_just_ended_are_not_in_the_way(store, monkeypatch):
    """The load of the last minute counts them still; a job of long ago is forgotten, and so is other work counted."""
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(engines, "at_once", lambda: 2)
    monkeypatch.setattr(jobs.time, "time", lambda: 10_000.0)
    monkeypatch.setattr(machine, "load", lambda: 2.0)
    long = replace(took(3600.0, None), submitted=10_000.0 - 3600)
    monkeypatch.setattr(jobs, "listing", lambda store: [long])
    assert job_forecast.foreseen(store, GUESS, 2).slowest == 48.0
    monkeypatch.setattr(jobs, "listing", lambda store: [replace(long, submitted=0.0)])
    assert job_forecast.foreseen(store, GUESS, 2).slowest == pytest.approx(96.0)
    assert machine.still_counted(2, 60.0, 60.0) == pytest.approx(2 * (math.exp(-1) - math.exp(-2)))
