"""Take the pictures of the documents, every page at 1280x720, light and dark: `python docs/pictures.py STORE`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from itertools import product
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
PAGES = {"start": ""} | {name: name for name in ("explore", "plan", "runs", "compare", "audit", "report", "guess")}


def main(store: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"UNLEARN_STORE": str(Path(store).resolve())})  # noqa: S603
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()  # noqa: S310
                break
            except OSError:
                time.sleep(0.2)
        photograph(url)
    finally:
        server.kill()


def photograph(url: str) -> None:
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for theme, (name, path) in product(("light", "dark"), PAGES.items()):
            page = browser.new_page(viewport={"width": 1280, "height": 720}, color_scheme=theme)
            page.goto(f"{url}/{path}")
            page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=120_000)
            page.wait_for_timeout(3000)
            file = FOLDER / theme / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=file)
            page.close()
            # A palette of 128 colours halves the file and cannot be told apart.
            Image.open(file).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
