"""The map of 50,000 points against Plotly's, in one browser: `python tests/benchmarks/map_against_plotly.py [POINTS]`

Prints one JSON line a way: seconds from letting go of the mouse to the count on screen (the middle of five lassos),
bytes up for one, bytes down until the first picture stands, and bytes both ways for other colours; of the map also how
long it draws its points, at first, in other colours and nearer. Then a line with ratios. Needs a Chromium. Not a test:
times depend on the machine, and on what else it does.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.in_browser import Counted, serve, surround  # noqa: E402
from tests.browser.conftest import CHROMIUM, settle  # noqa: E402

# Plotly draws so many points with WebGL, which a machine without a graphics card plays in software.
WITH_WEBGL = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
]

PLOTLY = """
import sys
sys.path.insert(0, {root!r})
import numpy as np, plotly.graph_objects as go, streamlit as st

@st.fragment
def shown():
    by = st.segmented_control("Colour by", ["Role", "Class"], default="Role")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, {n})
    angle = labels * (2 * np.pi / 10)
    xy = (np.c_[np.cos(angle), np.sin(angle)] * 4 + rng.normal(size=({n}, 2))).astype(np.float32)
    colour = labels.astype(np.float32) if by == "Class" else np.zeros({n}, np.float32)
    fig = go.Figure(go.Scattergl(x=xy[:, 0], y=xy[:, 1], mode="markers", marker=dict(color=colour, size=4)))
    fig.update_layout(dragmode="lasso", height=560)
    event = st.plotly_chart(fig, theme=None, key="chart", on_select="rerun", selection_mode=("lasso",))
    st.markdown(f"{{len(event.selection.point_indices) or 100}} inside")

st.set_page_config(layout="wide")
shown()
"""
# Lassos of different sizes round the middle of the picture, as shares of its width and height.
INSETS = (0, 0.04, 0.08, 0.12, 0.16)
LASSOS = [[(0.2 + d, 0.2 + d), (0.8 - d, 0.2 + d), (0.8 - d, 0.8 - d), (0.2 + d, 0.8 - d)] for d in INSETS]
COUNTED = """before => [...document.querySelectorAll('p')].some(
    p => p.innerText.endsWith('inside') && p.innerText != before)"""


def measured(browser, script: Path, address: str, field: str, recolour: str, clear: bool) -> dict:
    server, url = serve(script)
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        counted = Counted(page)
        page.goto(url + address)
        page.wait_for_selector(field, timeout=60_000)
        settle(page)
        page.wait_for_timeout(4000)
        down, painted = counted.since()[1], {}
        painted["first"] = _painted(page)
        times, ups = [], []
        for corners in LASSOS:
            if clear:  # a drag inside an old lasso would move it
                page.locator(field).dblclick(position={"x": 20, "y": 20})
                page.wait_for_timeout(3000)
            seconds, up = lasso(page, field, corners, counted)
            times.append(seconds)
            ups.append(up)
        counted.since()
        page.get_by_role("button", name=recolour, exact=True).or_(page.get_by_role("radio", name=recolour)).click()
        page.wait_for_timeout(4000)
        recoloured = sum(counted.since())
        painted["colours"] = _painted(page)
        if not clear:
            page.get_by_role("button", name="Zoom in").click()
            page.wait_for_timeout(1000)
            painted["zoom"] = _painted(page)
        page.close()
    finally:
        server.kill()
        server.wait()
    return {
        "lasso_seconds": round(statistics.median(times), 3), "all_lassos": [round(t, 3) for t in times],
        "bytes_up": max(ups), "bytes_down_first": down, "bytes_recolour": recoloured, "painted_ms": painted,
    }  # fmt: skip


def _painted(page: Page) -> float | None:
    """Milliseconds in which the map drew its points last; None for Plotly, which does not say."""
    shown = page.locator("[data-painted]")
    return float(shown.get_attribute("data-painted")) if shown.count() else None


def lasso(page: Page, field: str, corners, counted: Counted) -> tuple[float, int]:
    """Seconds until another count is on screen, and bytes up until then."""
    before = page.get_by_text("inside").inner_text()
    surround(page, field, corners)
    counted.since()
    started = time.perf_counter()
    page.mouse.up()
    page.wait_for_function(COUNTED, arg=before, timeout=30_000, polling=5)
    seconds = time.perf_counter() - started
    page.wait_for_timeout(500)
    return seconds, counted.since()[0]


def main(n: int) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=WITH_WEBGL)
        chart = Path(folder) / "chart.py"
        chart.write_text(PLOTLY.format(root=str(ROOT), n=n))
        alone = ROOT / "tests" / "browser" / "map_alone.py"
        ours = measured(browser, alone, f"/?n={n}", "canvas.field", "Class", clear=False)
        print(
            json.dumps(
                {"way": "component", "points": n, "bytes_a_point": round(ours["bytes_down_first"] / n, 2)} | ours
            )
        )
        other = measured(browser, chart, "/", ".nsewdrag", "Class", clear=True)
        print(json.dumps({"way": "plotly", "points": n} | other))
        ratio = other["lasso_seconds"] / ours["lasso_seconds"]
        print(json.dumps({"case": f"lasso of {n:,} points to a count", "ratio": round(ratio, 1)}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
