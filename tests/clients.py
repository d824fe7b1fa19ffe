"""Several people at one server at once, without browsers: python -m tests.clients [CLIENTS] [SECONDS]

Each speaks what a browser speaks (Streamlit's messages over its websocket), goes from page to page with a study of its
own in the address, and starts and cancels jobs that all of them see. Prints one JSON object: page runs, what was wrong
with them (an exception, an error on the page, the title of another page, the study of another client), clicks, seconds
a run, and the memory of the server after a third of the time and at the end. The time runs from when the last of them
has seen its first page, for a server that was just started first reads its modules.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from pages.shared.text import escape
from tests.benchmarks.in_browser import serve
from unlearn_core import jobs
from unlearn_core.data import Data
from unlearn_core.experiment import Study, fulfil
from unlearn_core.forget import AtRandom
from unlearn_core.params import key
from unlearn_core.store import Store
from unlearn_core.training import Training
from unlearn_core.unlearning import FineTune

ROOT = Path(__file__).parents[1]
PAGES = {
    "explore": "Explore",
    "plan": "Plan",
    "runs": "Runs",
    "compare": "Compare",
    "audit": "Audit",
    "report": "Report",
}
TINY = Training(data=Data(train=120, test=60), width=8, epochs=3)
LONG = tuple(TINY.but(epochs=1000, batch=1, seed=seed) for seed in range(3))  # minutes, unless it is cancelled
STARTED_AGAIN = escape(jobs.STARTED_AGAIN)  # as a page shows it
SIZES = (12, 15)  # images to forget, by which a study is known on every page
WAIT = 60  # seconds for one page


def fill(root: Path) -> dict[int, str]:
    """Two small studies, and jobs that were cancelled before they did anything. Size of the forget set -> key."""
    store, found = Store(root), {}
    for size in SIZES:
        study = Study(
            name=f"Of {size}", training=TINY, models=0, forget=AtRandom(size=size), unlearners=(FineTune(epochs=1),),
            plans=(), seeds=2, tuning_seeds=0,
        )  # fmt: skip
        found[size] = fulfil(store, study).key
    for training in LONG:
        jobs.submit(store, training)
        jobs.cancel(store, key(training))
    return found


class Client:
    """One person at one browser tab."""

    def __init__(self, address: str, size: int, study: str, seed: int):
        self.address, self.size, self.study, self.random = address, size, study, random.Random(seed)
        self.seconds: list[float] = []
        self.wrong: list[str] = []
        self.clicks = 0

    def go_on(self, all_there: threading.Barrier, seconds: float) -> None:
        where = f"ws://{self.address}/_stcore/stream"
        try:
            with connect(
                where, origin=f"http://{self.address}", subprotocols=["streamlit"], max_size=None
            ) as self.line:
                self.visit()
                all_there.wait(timeout=2 * WAIT)
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    self.visit()
        except Exception as error:
            self.wrong.append(f"{type(error).__name__}: {error}"[:300])

    def visit(self) -> None:
        """Any page; where it is the one with jobs, a button too."""
        page = self.random.choice(list(PAGES))
        seen = self.run(page)
        self.check(page, seen)
        if page == "runs":
            self.click(seen)

    def run(self, page: str, pressed: str = "") -> list:
        """The elements of a page after one run; `pressed` is the id of a button."""
        asked = BackMsg()
        asked.rerun_script.query_string = f"study={self.study}"
        asked.rerun_script.page_name = page
        if pressed:
            state = asked.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = pressed, True
        begun = time.perf_counter()
        self.line.send(asked.SerializeToString())
        seen: list = []
        while True:
            told = ForwardMsg()
            told.ParseFromString(self.line.recv(timeout=WAIT))
            kind = told.WhichOneof("type")
            if kind == "new_session":
                seen = []
            elif kind == "delta" and told.delta.WhichOneof("type") == "new_element":
                seen.append(told.delta.new_element)
            elif kind == "script_finished" and told.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                self.seconds.append(time.perf_counter() - begun)
                return seen

    def check(self, page: str, seen: list) -> None:
        kinds = [element.WhichOneof("type") for element in seen]
        titles = [e.heading.body for e in seen if e.WhichOneof("type") == "heading" and e.heading.tag == "h1"]
        captions = " ".join(e.markdown.body for e in seen if e.WhichOneof("type") == "markdown")
        errors = [e.alert.body for e in seen if e.WhichOneof("type") == "alert" and e.alert.format == 1]
        errors = [error for error in errors if error != STARTED_AGAIN]  # true here: they cancel and start the same jobs
        if "exception" in kinds:
            found = next(e.exception for e in seen if e.WhichOneof("type") == "exception")
            self.wrong.append(f"{page}: {found.type}: {found.message} {list(found.stack_trace)[-3:]}")
        self.wrong += [f"{page}: {error}" for error in errors]
        if titles != [PAGES[page]]:
            self.wrong.append(f"{page}: the title is {titles}")
        if f"digits: {self.size} images to forget" not in captions:
            self.wrong.append(f"{page}: the study of another")

    def click(self, seen: list) -> None:
        """Start, or cancel, one of the jobs."""
        buttons = [e.button for e in seen if e.WhichOneof("type") == "button" and not e.button.disabled]
        found = [b for b in buttons if any(word in b.label for word in ("Cancel", "Resume", "Retry"))]
        if found:
            self.clicks += 1
            self.check("runs", self.run("runs", self.random.choice(found).id))


def together(root: Path, clients: int, seconds: float) -> dict:
    """So many clients for so long at a server of this store's own."""
    studies = fill(root)
    server, url = serve(ROOT / "app.py", UNLEARN_STORE=str(root), STREAMLIT_CLIENT_SHOW_ERROR_DETAILS="full")
    try:
        address, process = url.removeprefix("http://"), psutil.Process(server.pid)
        people = [Client(address, *list(studies.items())[i % len(studies)], seed=i) for i in range(clients)]
        all_there = threading.Barrier(clients + 1)
        threads = [threading.Thread(target=person.go_on, args=(all_there, seconds)) for person in people]
        for thread in threads:
            thread.start()
        with suppress(threading.BrokenBarrierError):  # what kept one of them away is among what was wrong
            all_there.wait(timeout=2 * WAIT)
        time.sleep(seconds / 3)
        before = process.memory_info().rss / 1e6
        for thread in threads:
            thread.join(timeout=seconds + 2 * WAIT)
        after = process.memory_info().rss / 1e6
        took = sorted(s for person in people for s in person.seconds)
        return {
            "clients": clients,
            "seconds": seconds,
            "runs": len(took),
            "wrong": [fault for person in people for fault in person.wrong],
            "clicks": sum(person.clicks for person in people),
            "median": round(statistics.median(took), 3),
            "of 20 the slowest": round(took[int(0.95 * len(took))], 3),
            "megabytes": [round(before), round(after)],
        }
    finally:
        server.kill()
        server.wait()
        for training in LONG:
            jobs.cancel(Store(root), key(training))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(together(Path(folder) / "store", *(int(n) for n in (sys.argv[1:] + ["10", "60"])[:2]))))
