"""How long algorithms take beside one another, for those that nobody has timed here: seconds as they were measured on
digits, by `python docs/algorithms.py --measure`, which writes them to usual_times.json.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from unlearn_core.unlearning import ALGORITHMS, Unlearner

FILE = Path(__file__).with_suffix(".json")


@cache
def usual() -> dict[type[Unlearner], float]:
    """Seconds of a run of each algorithm of this program: for an epoch, or for all of a run that has none."""
    return {ALGORITHMS[name]: seconds for name, seconds in json.loads(FILE.read_text()).items()}
