"""A real server and a real headless Chromium. Without a Chromium these tests are skipped, in CI they must run."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Without a graphics card the browser draws by itself: to play one in software takes half as much again of the
# processor, and nothing here needs WebGL.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# What is on the canvas: how many pixels are of each colour, and the share of them that is seen.
PIXELS = """canvas => {
  const counts = {};
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3]) { const key = data.slice(i, i + 4).join(); counts[key] = (counts[key] ?? 0) + 1; }
  }
  return counts;
}"""
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(items):
    """A browser beside other work on two cores is late now and then, so what fails here is run once more. It is named
    in the summary (`-rR`): one that is named there often hides a fault.
    """
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.flaky(reruns=1))


class Server:
    """`python -m streamlit run app.py` on a free port, with its own store."""

    def __init__(self, store: Path, log: Path):
        self.store, self.log = store, log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)],
                cwd=ROOT,
                env=os.environ | {"UNLEARN_STORE": str(self.store), "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        answers(self.url)

    def kill(self) -> None:
        """With all that belongs to its session, as when a terminal is closed."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def answers(url: str) -> None:
    """Wait until the server at this address answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()  # noqa: S310
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the server did not start")


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("a Chromium is required here and there is none")
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium) -> Page:
    """A page of its own context, 1280x720. The test fails if the browser's console reports an uncaught error."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert not faults, faults


@pytest.fixture
def serve(tmp_path):
    """serve(store) -> a running Server, stopped at the end; its log must hold no traceback."""
    servers = []

    def start(store: Path) -> Server:
        server = Server(store, tmp_path / f"server{len(servers)}.log")
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.kill()
        assert "Traceback" not in server.log.read_text(), server.log.read_text()


@pytest.fixture
def copied(filled_store, tmp_path) -> Path:
    """A store of one's own with the small finished study."""
    return shutil.copytree(filled_store, tmp_path / "store")


@pytest.fixture(scope="session")
def looked_at(filled_store, tmp_path_factory):
    """A server of a store with the small finished study, for all who only look."""
    root = tmp_path_factory.mktemp("looked_at")
    server = Server(shutil.copytree(filled_store, root / "store"), root / "server.log")
    yield server
    server.kill()


@pytest.fixture
def look(looked_at):
    """The address of a server that other tests look at too; its log must hold no traceback."""
    yield looked_at.url
    assert "Traceback" not in looked_at.log.read_text(), looked_at.log.read_text()


def other_ways(page: Page) -> None:
    """Open the part of Explore with the ways to change the set that are not on the map."""
    page.get_by_text("A rule, row numbers, a file or a saved set").click()
    expect(page.get_by_role("button", name="Invert")).to_be_visible()
    settle(page)


def settle(page: Page) -> None:
    """Wait until the script of the page has run to its end and stays there."""
    page.wait_for_selector("[data-testid=stApp]")
    page.wait_for_timeout(300)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=60_000)


def painted(page: Page) -> None:
    """Wait until the map is drawn and the page stands; the first map of a store is made before, which takes longest."""
    expect(page.locator("[data-painted]")).to_have_count(1, timeout=120_000)
    settle(page)


class Frames:
    """What goes over the page's websocket."""

    def __init__(self, page: Page):
        self.up, self.down = [], []
        page.on("websocket", self._watch)

    def _watch(self, socket) -> None:
        socket.on("framesent", lambda frame: self.up.append(len(frame)))
        socket.on("framereceived", lambda frame: self.down.append(len(frame)))

    def clear(self) -> None:
        self.up.clear()
        self.down.clear()


@pytest.fixture(scope="session")
def alone_server(tmp_path_factory):
    """The address of a server of the map alone, and its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path_factory.mktemp("alone") / "alone.log"
    log = file.open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "tests/browser/map_alone.py", "--server.port", str(port)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=log, stderr=log,
    )  # fmt: skip
    answers(f"http://127.0.0.1:{port}")
    yield f"http://127.0.0.1:{port}", file
    server.kill()
    server.wait()
    log.close()


@pytest.fixture
def alone(alone_server):
    """The address of the map alone; the log of its server must hold no traceback."""
    url, log = alone_server
    yield url
    assert "Traceback" not in log.read_text()
