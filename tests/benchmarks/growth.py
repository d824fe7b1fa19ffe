"""What pages take as a store grows: `python tests/benchmarks/growth.py FOLDER`, an empty folder with 2 GB to spare.

Prints a JSON line for each page: with 100, 1,000 and 10,000 studies in the store, and with 20,000 and 200,000 images in
the dataset; and how long it took to take the images in and to make a study of them. Studies are copies of one under
other names, images are digits with noise. Needs a Chromium. Not a test: times depend on the machine.
"""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.pages import measure  # noqa: E402
from unlearn_core.data import Data  # noqa: E402
from unlearn_core.experiment import Study, fulfil  # noqa: E402
from unlearn_core.experiment.added_images import once  # noqa: E402
from unlearn_core.forget import AtRandom  # noqa: E402
from unlearn_core.progress import silent  # noqa: E402
from unlearn_core.store import Result, Store  # noqa: E402
from unlearn_core.training import recipe  # noqa: E402
from unlearn_core.unlearning import FineTune  # noqa: E402

STUDIES = (100, 1_000, 10_000)
IMAGES = (20_000, 200_000)


def small(data: Data, size: int) -> Study:
    """The least that every page has something to show of."""
    training = recipe(Data()).but(data=data, epochs=1, width=32)
    return Study(
        name="Growth", training=training, models=0, forget=AtRandom(size=size), unlearners=(FineTune(epochs=1),),
        plans=(), seeds=1, tuning_seeds=0,
    )  # fmt: skip


def copied(store: Store, made: Result, name: str) -> None:
    """The same study under another name."""

    def make(draft) -> None:
        draft.json("summary", made.json("summary"))
        draft.table(made.table())
        draft.arrays(**made.arrays())

    store.remember(made.spec().but(name=name), make)


def digits(n: int, place: Path) -> Path:
    """A parquet file of so many noisy digits as PNG."""
    known, rng = load_digits(), np.random.default_rng(0)
    rows = rng.integers(0, len(known.images), n)
    pixels = np.clip(known.images[rows] * 16 + rng.normal(0, 12, (n, 8, 8)), 0, 255).astype(np.uint8)
    encoded = []
    for image in pixels:
        Image.fromarray(image).save(file := io.BytesIO(), "PNG")
        encoded.append({"bytes": file.getvalue(), "path": None})
    place.mkdir(parents=True)
    pq.write_table(pa.table({"image": encoded, "label": known.target[rows]}), place / "train.parquet")
    return place


def say(about: dict, store: Path) -> None:
    for line in measure(str(store)):
        print(json.dumps(about | line), flush=True)


def main(folder: Path) -> None:
    place = folder / "studies"
    made = fulfil(Store(place), small(Data(), 40))
    there = 1
    for count in STUDIES:
        began = time.perf_counter()
        for number in range(there, count):
            copied(Store(place), made, f"Growth {number}")
        print(json.dumps({"studies": count, "seconds_each": round((time.perf_counter() - began) / (count - there), 4)}))
        there = count
        say({"studies": count}, place)
    for count in IMAGES:
        place, times = folder / f"images-{count}", {}
        # A tenth of what is left after the test images is for validation.
        source = digits(round(count / 0.72), folder / f"source-{count}")
        began = time.perf_counter()
        about = once(Store(place), source, "many", silent)
        times["import_seconds"] = round(time.perf_counter() - began, 1)
        began = time.perf_counter()
        made = fulfil(Store(place), small(Data(name=about.name, fingerprint=about.fingerprint), 1_000))
        times["study_seconds"] = round(time.perf_counter() - began, 1)
        print(json.dumps({"images": count} | times | {"stages": made.json("summary")["seconds"]}), flush=True)
        say({"images": count}, place)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
