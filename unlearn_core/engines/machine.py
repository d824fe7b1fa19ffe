"""How many workers this machine carries, and how much at once."""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from pathlib import Path

import psutil

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # what a container may use: microseconds of CPU in each period, or max
HALVINGS = "UNLEARN_HALVINGS"  # how often a job's process died without a word before this one
MOST_HALVINGS = 3
THREADS = Path("/proc/self/task")  # in schedstat of each the nanoseconds on a CPU, and waiting for one
MINUTE = 60.0


def halvings() -> int:
    """How often the number of models at once is halved: a system that is short of memory kills without a word."""
    said = os.environ.get(HALVINGS, "")
    return min(MOST_HALVINGS, int(said)) if said.isdecimal() else 0


def card() -> str:
    """The number of the one card that jobs of this process are given (UNLEARN_DEVICE=cuda:1), "" where they are given
    the whole machine.
    """
    found = re.fullmatch(r"cuda:(\d{1,4})", os.environ.get("UNLEARN_DEVICE") or "")
    return found[1] if found else ""


def cpus() -> int:
    """The CPUs this process may use: those it is bound to, and no more than its container's share."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError):
        return allowed


def load() -> float:
    """How many processes of the whole machine, not only of this container, had or wanted a CPU in the last minute."""
    return max(0.0, psutil.getloadavg()[0])


def waited() -> float:
    """The share of the time in which the threads that this process has wanted a CPU and others had it, since they
    began. 0 where the system does not tell; Linux does.
    """
    ran = waited = 0
    for thread in THREADS.glob("*/schedstat"):
        with suppress(OSError, ValueError):  # one that has just ended
            on, off, _ = map(int, thread.read_text().split())
            ran, waited = ran + on, waited + off
    return waited / max(1, ran + waited)


def still_counted(processes: int, worked: float, since: float) -> float:
    """How many of so many processes, which worked for so many seconds and ended so many ago, `load` still counts: it
    forgets by the minute, exponentially.
    """
    return processes * (math.exp(-max(0.0, since) / MINUTE) - math.exp(-(max(0.0, since) + worked) / MINUTE))


def crowded(workers: int, others: float) -> float:
    """By which factor so many workers are slower where `others` processes want the CPUs of the machine too, at least 1:
    whoever wants one gets the same share.
    """
    return max(1.0, (workers + others) / (os.cpu_count() or 1)) if others > 0 else 1.0


def gpus() -> list[str]:
    """The CUDA devices that workers may have one each of, as CUDA_VISIBLE_DEVICES names them.

    None where UNLEARN_DEVICE names the CPU or one device: then that is what every worker uses.
    """
    if (os.environ.get("UNLEARN_DEVICE") or "cuda") != "cuda":
        return []
    import torch

    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    count = torch.cuda.device_count()
    return (visible or [str(number) for number in range(count)])[:count]


def workers() -> int:
    """One worker a GPU, or one a CPU where models train on CPUs; a single device of another kind has one."""
    if found := gpus():
        return len(found)
    device = os.environ.get("UNLEARN_DEVICE")
    if device:
        return cpus() if device == "cpu" else 1
    import torch

    return 1 if torch.backends.mps.is_available() else cpus()
