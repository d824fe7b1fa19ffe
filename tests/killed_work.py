"""Work that is killed again and again until it is done.

Run as a program by test_resume_bits.py: one thread, and nothing computed before, so that forking is safe.

    python killed_work.py ROOT HOW SPEC

It fulfils the spec in ROOT/undisturbed, and in ROOT/killed with processes that die by SIGKILL: HOW is "results" (each
after a few new results, the first ones in the middle of a training before) or "workers" (once some parts of a bank are
there, while workers are busy with the others). It prints how many were killed.
"""

import json
import os
import signal
import sys
from itertools import count
from pathlib import Path

import scipy.stats  # noqa: F401 - this and the next two once for all processes, rather than in each
import sklearn.datasets  # noqa: F401
import torch._dynamo  # noqa: F401

from unlearn_core.experiment import embedded_images, fulfil
from unlearn_core.params import build
from unlearn_core.progress import silent
from unlearn_core.store import Store

IN_TRAINING = 2  # processes that die in the middle of a training
EACH = 5  # results that a process lives for


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def after_results(number, root):
    """Die once so many results are made. Returns a tell."""
    honest, made, told = Store._make, count(1), count(1)

    def make(self, *rest):
        result = honest(self, *rest)
        if next(made) == EACH:
            die()
        return result

    if number < IN_TRAINING:
        return lambda stage, done, total: next(told) > 7 and die()
    Store._make = make
    return silent


def among_workers(number, root):
    """Die when more parts are there than when the work began, once."""
    parts = Path(root, "results", "BankPart")

    def there():
        return len(list(parts.iterdir())) if parts.is_dir() else 0

    before = there()
    return lambda *_: number < 1 and there() > before and die()


def undisturbed():
    return silent


def attempt(spec, root, tell):
    """Whether a process of its own came to the end."""
    pid = os.fork()
    if pid == 0:
        if tell is undisturbed:
            os.environ["UNLEARN_ENGINE"] = "here"
        fulfil(Store(root), spec, tell())
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("the work failed")
    return not os.WIFSIGNALED(status)


def main(root, how, text):
    embedded_images.projection.umap = lambda x, *_: x[:, :2].copy()  # seconds, and tested elsewhere
    spec, plan = build(json.loads(text)), {"results": after_results, "workers": among_workers}[how]
    attempt(spec, f"{root}/undisturbed", undisturbed)
    for number in count():
        if attempt(spec, f"{root}/killed", lambda number=number: plan(number, f"{root}/killed")):
            print(json.dumps(number))
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
