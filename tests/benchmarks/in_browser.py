"""What benchmarks in a browser share: a server for a script, and bytes on the way between it and the page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]


class Counted:
    """How many bytes went over the page's websocket."""

    def __init__(self, page: Page):
        self.up = self.down = 0
        page.on("websocket", self._watch)

    def _watch(self, socket) -> None:
        socket.on("framesent", lambda frame: setattr(self, "up", self.up + len(frame)))
        socket.on("framereceived", lambda frame: setattr(self, "down", self.down + len(frame)))

    def since(self) -> tuple[int, int]:
        """(up, down) since the last call."""
        found, self.up, self.down = (self.up, self.down), 0, 0
        return found


def surround(page: Page, field: str, corners: Sequence[tuple[float, float]]) -> None:
    """Draw a line with the mouse through places given as shares of the width and height of `field`, a selector, and
    rest at its end: the button is still down.
    """
    box = page.locator(field).bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.wait_for_timeout(800)


def serve(script: Path, **env: str) -> tuple[subprocess.Popen, str]:
    """A Streamlit server of this script, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | env
    server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()  # noqa: S310
            return server, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the server did not start")
