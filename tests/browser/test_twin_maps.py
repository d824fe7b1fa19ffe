"""The two maps of Compare with fifty thousand images: all of them are drawn, and only small things follow."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PIXELS, Frames, painted, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
N = 50_000
FORGET, KEPT, GREY = "213,94,0,255", "0,114,178,255", "201,205,212,255"


def test_fifty_thousand_points_on_two_maps(page, alone):
    frames = Frames(page)
    page.goto(f"{alone}/?twins&n={N}")
    expect(page.get_by_text("0 inside")).to_be_visible()
    painted(page)
    assert sum(frames.down) <= 14.5 * N
    fields = page.locator("canvas.field")
    legend = page.locator(".twins .legend")
    expect(legend).to_contain_text("kept, not highlighted (45,000)")
    for k in (0, 1):
        seen = fields.nth(k).evaluate(PIXELS)
        assert seen[FORGET] > 1000 and seen[GREY] > 5000 and KEPT not in seen

    for toggle in ("Highlight all", "Retrained on the right"):
        frames.clear()
        page.get_by_text(toggle).click()
        expect(legend).to_contain_text("kept (45,000)")
        settle(page)
        assert sum(frames.down) < N / 2
    expect(page.locator(".model").last).to_have_text("retrained")
    for k in (0, 1):
        seen = fields.nth(k).evaluate(PIXELS)
        assert seen[KEPT] > 5000 and seen[FORGET] > 1000 and GREY not in seen

    frames.clear()
    box = fields.last.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.wheel(0, -300)
    fields.last.press("ArrowLeft")
    page.wait_for_timeout(600)
    assert sum(frames.up) == sum(frames.down) == 0
    assert float(page.locator("[data-painted]").get_attribute("data-painted")) < 1000

    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    for x, y in ((300, 100), (300, 300), (100, 300)):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=5)
    page.mouse.up()
    expect(page.get_by_text("0 inside", exact=True)).to_have_count(0)
    settle(page)
    assert int(page.get_by_text("inside").inner_text().split()[0]) > 1000
    assert sum(frames.up) < 4000 and sum(frames.down) < N / 2
