"""What pages take as a store grows: `python tests/benchmarks/growth.py FOLDER`, an empty folder with 2 GB to spare.

Prints a JSON line for each page: with 20, 100, 1,000 and 10,000 studies in the store, and with 50,000 and 200,000
images in the dataset; how long it took to take the images in and to make a study of them; and how long Explore takes
from the end of a lasso to the new count and until all numbers and charts beside the map stand. Studies are copies of
one under other names, images are digits with noise. Needs a Chromium. Not a test: times depend on the machine.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from playwright.sync_api import sync_playwright
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.in_browser import Counted, serve, surround  # noqa: E402
from tests.benchmarks.map_against_plotly import LASSOS  # noqa: E402
from tests.benchmarks.pages import measure  # noqa: E402
from tests.browser.conftest import CHROMIUM, FLAGS, settle  # noqa: E402
from unlearn_core.data import Data  # noqa: E402
from unlearn_core.experiment import Study, fulfil  # noqa: E402
from unlearn_core.experiment.added_images import once  # noqa: E402
from unlearn_core.forget import AtRandom  # noqa: E402
from unlearn_core.progress import silent  # noqa: E402
from unlearn_core.result import Result  # noqa: E402
from unlearn_core.store import Store  # noqa: E402
from unlearn_core.training import recipe  # noqa: E402
from unlearn_core.unlearning import FineTune  # noqa: E402

STUDIES = (20, 100, 1_000, 10_000)
IMAGES = (50_000, 200_000)
HEADING = "document.querySelector('h3')?.innerText"
CHANGED = f"before => {HEADING}?.startsWith('Your set') && {HEADING} != before"
RESTS = "() => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"


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


def lassos(store: Path) -> Iterator[dict]:
    """A line for lassos on Explore, the middle of them all."""
    server, url = serve(ROOT / "app.py", UNLEARN_STORE=str(store))
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            counted = Counted(page)
            page.goto(f"{url}/explore")
            page.wait_for_selector("canvas.field", timeout=120_000)
            settle(page)
            page.wait_for_timeout(4000)
            down, found = counted.since()[1], []
            for corners in LASSOS:
                before = page.evaluate(HEADING)
                surround(page, "canvas.field", corners)
                counted.since()
                began = time.perf_counter()
                page.mouse.up()
                page.wait_for_function(CHANGED, arg=before, timeout=60_000, polling=5)
                counts = time.perf_counter() - began
                page.wait_for_function(RESTS, timeout=60_000, polling=5)
                found.append((counts, time.perf_counter() - began, counted.since()[0]))
                settle(page)
                page.wait_for_timeout(3000)
            count, rest, up = (statistics.median(each) for each in zip(*found, strict=True))
            yield {
                "lasso_to_count": round(count, 3),
                "lasso_to_rest": round(rest, 3),
                "bytes_up": up,
                "bytes_down": down,
            }
        finally:
            server.kill()
            server.wait()


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
        for line in lassos(place):
            print(json.dumps({"images": count} | line), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
