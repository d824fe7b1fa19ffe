"""The two maps of Compare with fifty thousand images: all of them are drawn, and only small things follow."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PIXELS, Frames, painted, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
N = 50_000
FORGET, KEPT, GREY = "213,94,0,255", "0,114,178,255", "201,205,212,255"
# Of the images that are selected: how many, and around how many of them there is ink, within as far as their line goes.
MARKED = """(canvas, k) => {
  const map = canvas.closest(".map").shown, { x, y } = map.clouds()[k];
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const dark = (px, py) => {
    const at = 4 * (py * canvas.width + px);
    return data[at + 3] > 200 && data[at] < 90 && data[at + 2] < 90;
  };
  let [count, marked] = [0, 0];
  for (let i = 0; i < x.length; i++) if (map.chosen[i]) {
    count++;
    const [px, py] = map.seen([x[i], y[i]]).map((place) => Math.round(place * map.view.ratio));
    let near = 0;
    for (let dy = -5; dy <= 5; dy++) for (let dx = -5; dx <= 5; dx++) near += dark(px + dx, py + dy);
    marked += near >= 4;
  }
  return [count, marked];
}"""


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

    square(page, box, 100, 300)
    expect(page.get_by_text("0 inside", exact=True)).to_have_count(0)
    settle(page)
    assert int(page.get_by_text("inside").inner_text().split()[0]) > 1000
    assert sum(frames.up) < 4000 and sum(frames.down) < N / 2


def square(page, box: dict, near: int, far: int) -> None:
    """Draw around the images between these pixels of a map, from its upper left."""
    page.mouse.move(box["x"] + near, box["y"] + near)
    page.mouse.down()
    for x, y in ((far, near), (far, far), (near, far)):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=5)
    page.mouse.up()


def test_every_selected_image_is_marked_on_both_maps_whatever_is_highlighted(page, alone):
    """By a pixel just outside its own shape, where there is nothing of an image that is not selected."""
    page.goto(f"{alone}/?twins&n=1500")
    expect(page.get_by_text("0 inside")).to_be_visible()
    painted(page)
    fields = page.locator("canvas.field")
    for toggle in ("", "Highlight all"):
        if toggle:
            page.get_by_text(toggle).click()
            expect(page.locator(".twins .legend")).not_to_contain_text("kept, not highlighted")
        box = fields.first.bounding_box()
        square(page, box, 20, 200)
        expect(page.get_by_text("0 inside", exact=True)).to_have_count(0)
        settle(page)
        count = int(page.get_by_text("inside").inner_text().split()[0])
        assert count > 100
        for k in (0, 1):
            marked = fields.nth(k).evaluate(MARKED, k)
            assert marked[0] == count and marked[1] > 0.9 * count, (toggle, k, marked)
