"""How long a page takes and what it weighs: `python tests/benchmarks/pages.py STORE [ROUNDS]`, a finished study there.

Prints a JSON line of the first page in a fresh browser, then one a page: seconds and bytes down of its first visit, and
of coming back to it by a click when everything it shows was shown before (the middle of ROUNDS, 3 unless told), with
bytes up and down; then the memory of the server after the first round and after the last, which should be the same.
Needs a Chromium. Not a test: times depend on the machine, and on what else it does.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.in_browser import Counted, serve  # noqa: E402
from tests.browser.conftest import CHROMIUM, FLAGS, settle  # noqa: E402

# Link -> heading of the page.
# Start is visited last: it is open already, and going where one is measures nothing.
HEADINGS = {name: name for name in ("Explore", "Plan", "Runs", "Compare", "Audit", "Report", "Guess")} | {
    "Start": "Unlearning workbench"
}
# In the page itself, from the click of the pointer on: what drives the browser first waits until a link stands still.
CLICKED = "document.addEventListener('click', () => { window.clicked = performance.now() }, true)"
DRAWN = """title => document.querySelector('h1')?.innerText === title
    && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
    && (performance.now() - window.clicked) / 1000"""


def visit(page: Page, name: str) -> float:
    """Seconds from the click to a page that stands."""
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    seconds = page.wait_for_function(DRAWN, arg=HEADINGS[name], timeout=120_000, polling=5).json_value()
    page.wait_for_timeout(1500)
    if page.get_by_text("could not be drawn").or_(page.get_by_test_id("stException")).count():
        raise SystemExit(f"{name} shows an error: what it takes to show that is not what is measured.")
    return seconds


def measure(store: str, rounds: int = 3, names: tuple[str, ...] = (*HEADINGS,)) -> Iterator[dict]:
    """A line a page, then one of the server's memory."""
    server, url = serve(ROOT / "app.py", UNLEARN_STORE=store)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            counted = Counted(page)
            began = time.perf_counter()
            page.goto(url)
            settle(page)
            opened = time.perf_counter() - began
            page.evaluate(CLICKED)
            page.wait_for_timeout(2000)
            yield {"opened_seconds": round(opened, 2), "bytes_down": counted.since()[1]}
            first = {}
            for name in names:
                first[name] = visit(page, name), counted.since()[1]
            back, megabytes = {name: [] for name in names}, []
            for _ in range(rounds):
                megabytes.append(round(psutil.Process(server.pid).memory_info().rss / 1e6))
                for name in names:
                    seconds = visit(page, name)
                    back[name].append((seconds, *counted.since()))
            for name in names:
                seconds, up, down = (statistics.median(each) for each in zip(*back[name], strict=True))
                yield {
                    "page": name,
                    "first_seconds": round(first[name][0], 2),
                    "first_bytes_down": first[name][1],
                    "seconds": round(seconds, 3),
                    "bytes_up": up,
                    "bytes_down": down,
                }
            megabytes.append(round(psutil.Process(server.pid).memory_info().rss / 1e6))
            yield {"visits": (rounds + 1) * len(names), "megabytes": [megabytes[0], megabytes[-1]]}
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    for line in measure(sys.argv[1], *map(int, sys.argv[2:])):
        print(json.dumps(line), flush=True)
