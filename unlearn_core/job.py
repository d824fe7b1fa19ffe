"""What is known of a job: how it stands, how far it is, what it was expected to cost and what it has."""

from __future__ import annotations

from dataclasses import dataclass

STARTS = "starting"  # the stage before the work itself: a process and its libraries
ACTIVE = ("starting", "queued", "running")
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Expected:
    """What a job was expected to cost when it was submitted: seconds from when it has the machine (all three, in order
    of what is likely, least and most), megabytes on the disk, and the most megabytes of memory that a process takes; 0
    where that is not known. `how` names the rule that foresaw it; by it, so many earlier `jobs` corrected the seconds
    by a `factor`.
    """

    seconds: float
    fastest: float
    slowest: float
    megabytes: float = 0.0
    memory: float = 0.0
    how: str = ""
    factor: float = 1.0
    jobs: int = 0


@dataclass(frozen=True)
class Job:
    """What is known of a job now.

    `state`: starting, queued (another job has the machine), running, done, failed, cancelled, or interrupted (its
    process is gone and nothing was said: the machine went down, or it was killed). `message` is one sentence for the
    screen, `detail` the rest. `stages` lists (name, seconds so far) in the order in which they last began; `done` of
    `total` is the progress of the last, which it reached in the `lasted` seconds since that began, or began over; None
    where nobody said. `seconds` have passed since it was submitted; `worked` of them it had the machine, its
    earlier attempts and its start included, and did not wait: None before that. `expected` is None where nobody said.
    `by` is who started it: the address of whoever was logged in, or "local". `megabytes` is what it left on the disk;
    None until it is done, and where earlier attempts left some of it.
    """

    key: str
    kind: str
    title: str
    state: str
    submitted: float
    seconds: float
    stages: tuple[tuple[str, float], ...]
    done: float
    total: int
    message: str
    detail: str
    worked: float | None = None
    expected: Expected | None = None
    by: str = "local"
    megabytes: float | None = None
    lasted: float | None = None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def stage(self) -> str:
        return self.stages[-1][0] if self.stages else ""

    @property
    def share(self) -> float | None:
        """How far the stage is, 0 to 1; None while that is not known."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def left(self) -> tuple[float, float] | None:
        """Seconds of work still to go by what was expected, least and most. None where nobody said, where it does not
        run, and where it takes longer than the most that was expected.
        """
        if self.state != "running" or self.expected is None:
            return None
        worked = self.worked or 0.0
        if worked > self.expected.slowest:
            return None
        return max(0.0, self.expected.fastest - worked), self.expected.slowest - worked

    @property
    def stage_left(self) -> float | None:
        """Seconds until the stage is done if it goes on as so far; None while that cannot be known."""
        if self.state != "running" or not self.share or self.lasted is None:
            return None
        if self.done >= self.total == 1:  # it counts to one alone, and may have begun with it
            return None
        return self.lasted * (1 - self.share) / self.share
