"""Processes that use one store at once, and die.

Run as a program by test_store.py, so that forking is safe: one thread, no torch.

    python store_writers.py crash ROOT KILLS     writers that are killed at random moments
    python store_writers.py points ROOT          writers that kill themselves at each system call in turn
    python store_writers.py race ROOT            four writers of the same results
    python store_writers.py limit ROOT           a writer that may not write large files
    python store_writers.py readonly ROOT        a reader without the right to write

Each prints one JSON object.
"""

import json
import os
import random
import resource
import signal
import sys
import time

import numpy as np

from unlearn_core.disk import StoreError
from unlearn_core.forget import AtRandom
from unlearn_core.params import key
from unlearn_core.store import Store

SIZE = 20_000


def content(size: int) -> np.ndarray:
    return np.random.default_rng(size).normal(size=SIZE)


def write(store: Store, size: int) -> str:
    """Make the result of AtRandom(size=size): 160 kB of numbers that follow from the spec."""

    def make(draft):
        draft.arrays(x=content(size))
        draft.json("note", {"size": size})

    return store.remember(AtRandom(size=size), make).key


def child(work) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def crash(root: str, kills: int) -> dict:
    rng, acknowledged, killed = random.Random(0), [], 0
    for turn in range(kills):
        heard, says = os.pipe()

        def work(turn=turn, says=says):
            store = Store(root)
            for size in range(turn * 10_000 + 1, turn * 10_000 + 9_999):
                os.write(says, write(store, size).encode())

        pid = child(work)
        os.close(says)
        text = os.read(heard, 32)  # it is well under way
        time.sleep(rng.uniform(0.0, 0.06))
        os.kill(pid, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        while more := os.read(heard, 1 << 16):
            text += more
        os.close(heard)
        acknowledged += [text[i : i + 32].decode() for i in range(0, len(text) - 31, 32)]
    return {"acknowledged": acknowledged, "killed": killed}


def points(root: str) -> dict:
    """Die at the 1st, 2nd, 3rd, ... call that touches the file system, until a writer comes through."""
    store, states = Store(root), []
    for point in range(1, 500):
        size = 1_000_000 + point

        def work(point=point, size=size):
            left = point

            def hook(event, _):
                nonlocal left
                if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"):
                    left -= 1
                    if left == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            write(store, size)

        if not os.WIFSIGNALED(os.waitpid(child(work), 0)[1]):
            return {"points": point - 1, "states": states}
        states.append(store.find(AtRandom(size=size)) is not None)
    raise RuntimeError("no writer ever came through")


def race(root: str) -> dict:
    Store(root)
    heard, says = os.pipe()
    sizes = list(range(1, 21))

    def work(seed):
        store = Store(root)
        random.Random(seed).shuffle(sizes)
        for size in sizes:

            def make(draft, size=size):
                os.write(says, f"{key(AtRandom(size=size))}\n".encode())
                draft.arrays(x=content(size))

            assert (store.remember(AtRandom(size=size), make).arrays()["x"] == content(size)).all()

    pids = [child(lambda seed=seed: work(seed)) for seed in range(4)]
    os.close(says)
    with os.fdopen(heard) as stream:
        made = stream.read().split()
    ends = [os.waitpid(pid, 0)[1] for pid in pids]
    return {"made": made, "ends": ends}


def limit(root: str) -> dict:
    store = Store(root)
    write(store, 1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    try:
        write(store, 2)
    except Exception as error:
        return {"error": type(error).__name__}
    return {"error": None}


def readonly(root: str) -> dict:
    store = Store(root)
    whole = write(store, 1)
    damaged = store.root / "results" / "AtRandom" / write(store, 2)
    (damaged / "note.json").unlink()
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o555)  # noqa: S103
    if os.getuid() == 0:
        os.setuid(65534)  # root may write everywhere
    reader = Store(root)
    answers = {
        "found": reader.find(AtRandom(size=1)).key == whole,
        "read": bool((reader.open("AtRandom", whole).arrays()["x"] == content(1)).all()),
        "damaged": reader.find(AtRandom(size=2)) is not None,
        "listed": [r.key for r in reader.results("AtRandom")] == [whole],
    }
    try:
        write(reader, 3)
    except StoreError as error:
        answers["says"] = str(error)
    return answers


if __name__ == "__main__":
    what, root, *rest = sys.argv[1:]
    print(
        json.dumps(
            {"crash": crash, "points": points, "race": race, "limit": limit, "readonly": readonly}[what](
                root, *map(int, rest)
            )
        )
    )
