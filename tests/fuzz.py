"""Odd inputs for one parser, for as long as one likes:

    python tests/fuzz.py PARSER SECONDS            what Hypothesis thinks of
    python tests/fuzz.py PARSER SECONDS --guided   what reaches new lines of the code, where atheris is installed

It prints one JSON line: parser, inputs, seconds, refused, accepted, megabytes (by how much the process grew at most).
At a fault it ends with the input and status 1; each run looks elsewhere.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("UNLEARN_DEVICE", "cpu")
os.environ.setdefault("UNLEARN_ENGINE", "here")

MEGABYTES = 250  # that a run may grow by: 200 for an input, and what the libraries keep
ROUND = 200  # inputs that one start of Hypothesis thinks of


class Over(BaseException):
    """The time is over."""


class TooLarge(BaseException):
    """An input took too much memory; a process never forgets how much it took at most, so this ends the run."""


class Run:
    """Hands inputs to a parser and counts what came of them."""

    def __init__(self, name: str, seconds: float, takes):
        self.name, self.takes = name, takes
        self.inputs = self.accepted = 0
        self.fault = ""  # the last input that something else came of, and what
        self.started, self.until = time.perf_counter(), time.perf_counter() + seconds
        with suppress(OSError):  # what it took to make the inputs is not counted, where the system lets us
            Path("/proc/self/clear_refs").write_text("5")
        self.grown_from = peak()

    def __call__(self, given) -> None:
        if time.perf_counter() > self.until:
            raise Over
        self.inputs += 1
        try:
            self.accepted += self.takes(given)
        except BaseException:
            self.fault = f"{given!r:.3000}\n{traceback.format_exc()}"
            raise
        if self.megabytes() > MEGABYTES:
            raise TooLarge(f"{self.megabytes():.0f} MB more than at the start, for {given!r:.3000}")

    def megabytes(self) -> float:
        return peak() - self.grown_from

    def line(self) -> str:
        seconds = round(time.perf_counter() - self.started, 1)
        about = {"parser": self.name, "inputs": self.inputs, "seconds": seconds}
        about |= {"refused": self.inputs - self.accepted, "accepted": self.accepted}
        return json.dumps(about | {"megabytes": round(self.megabytes())})


def peak() -> float:
    """MB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def unguided(run: Run, inputs) -> None:
    from hypothesis import HealthCheck, Phase, given, seed, settings

    usual = settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    while True:
        usual(seed(random.getrandbits(64))(given(inputs)(lambda value: run(value))))()


def guided(run: Run, inputs) -> None:
    import atheris
    from hypothesis import HealthCheck, given, settings

    usual = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
    one = usual(given(inputs)(lambda value: run(value))).hypothesis.fuzz_one_input

    def ask(data: bytes) -> None:
        try:
            one(data)
        except Over:  # the fuzzer never returns
            print(run.line(), flush=True)
            os._exit(0)

    atheris.Setup([sys.argv[0], "-rss_limit_mb=0", "-timeout=60", "-max_len=20000", "-verbosity=0"], ask)
    atheris.Fuzz()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("parser")
    asked.add_argument("seconds", type=float)
    asked.add_argument("--guided", action="store_true")
    given = asked.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")  # what a decoder says of a damaged file
    if given.guided:
        import atheris

        with atheris.instrument_imports(include=["unlearn_core", "pages"]):
            from fuzz_inputs import PARSERS
    else:
        from fuzz_inputs import PARSERS
    if given.parser not in PARSERS:
        asked.error(f"there is no parser called {given.parser}; there are {', '.join(PARSERS)}")
    with tempfile.TemporaryDirectory(prefix="fuzz.") as root:
        parser = PARSERS[given.parser](Path(root))
        run = Run(given.parser, given.seconds, parser.takes)
        try:
            (guided if given.guided else unguided)(run, parser.inputs)
        except Over:  # also while a fault is being made smaller
            print(run.line())
            sys.exit(run.fault or 0)
        except TooLarge as error:
            print(run.line())
            sys.exit(str(error))


if __name__ == "__main__":
    main()
