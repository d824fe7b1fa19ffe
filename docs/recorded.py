"""Make the recorded example anew, docs/recorded.zip: `python docs/recorded.py STORE`, best the example's store."""

from __future__ import annotations

import sys
from pathlib import Path

from unlearn_core.experiment import fulfil, recorded_example
from unlearn_core.experiment.bundle import export
from unlearn_core.store import Store

FILE = Path(__file__).with_suffix(".zip")


def main(store: str) -> None:
    made = fulfil(Store(store), recorded_example())
    print(export(Store(store), made.key, FILE, weights=False))


if __name__ == "__main__":
    main(sys.argv[1])
