"""The map under a real hand: 50,000 points alone, and the lasso on Explore."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PIXELS, Frames, other_ways, painted, settle
from unlearn_core.experiment import OpenStudy, studies
from unlearn_core.lasso import read_polygon
from unlearn_core.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
FORGET = "213,94,0,255"
AT_IMAGE_3 = """canvas => { const shown = canvas.closest(".map").shown, { x, y } = shown.points, { scale, left, top } =
    shown.view; return [x[3] * scale + left, top - y[3] * scale]; }"""


def lasso(page: Page, *corners: tuple[float, float], key: str | None = None, steps: int = 6) -> None:
    """Draw a line through places given as shares of the map's width and height."""
    box = page.locator("canvas.field").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    if key:
        page.keyboard.down(key)
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()
    if key:
        page.keyboard.up(key)


def test_fifty_thousand_points(page, alone):
    frames = Frames(page)
    page.goto(f"{alone}/?n=50000&colour=role")
    field = page.locator("canvas.field")
    expect(page.get_by_text("100 inside")).to_be_visible()
    painted(page)
    assert sum(frames.down) <= 10 * 50_000

    frames.clear()
    lasso(page, (0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7))
    expect(page.get_by_text("100 inside")).to_have_count(0)
    settle(page)
    said = int(page.get_by_text("inside").inner_text().split()[0])
    assert said > 1000 and sum(frames.up) <= 2000 and sum(frames.down) < 25_000
    assert page.locator("canvas.over").evaluate(PIXELS) == {}  # the line is gone once the set is there

    frames.clear()
    seen = field.evaluate(PIXELS)
    page.get_by_role("button", name="Class", exact=True).click()
    page.get_by_role("button", name="Zoom in").click()
    field.press("ArrowLeft")
    page.wait_for_timeout(600)
    assert field.evaluate(PIXELS) != seen and FORGET in seen and FORGET not in field.evaluate(PIXELS)
    assert sum(frames.up) == sum(frames.down) == 0
    assert float(page.locator("[data-painted]").get_attribute("data-painted")) < 500


@pytest.mark.parametrize("n", [1500, 50_000])
def test_lines_around_crosses_hide_no_colour(page, alone, n):
    """In a set that lies close together most of what is drawn of it is its colour."""
    page.goto(f"{alone}/?n={n}&colour=role")
    expect(page.get_by_text("100 inside")).to_be_visible()
    painted(page)
    page.get_by_role("button", name="Memorization").click()
    lasso(page, (0.5, 0.1), (0.7, 0.1), (0.7, 0.5), (0.5, 0.5))
    expect(page.get_by_text("100 inside")).to_have_count(0)
    settle(page)
    page.get_by_role("button", name="Memorization").click()
    page.wait_for_timeout(300)
    seen = page.locator("canvas.field").evaluate(PIXELS)
    line, gap = "16,16,20,255", "250,250,250,255"
    filled = sum(count for colour, count in seen.items() if colour.endswith(",255") and colour not in (line, gap))
    assert 0 < seen[line] < filled, (seen[line], filled)


def test_fingers(chromium, alone):
    """One finger draws, two move and zoom."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, has_touch=True)
    page = context.new_page()
    page.goto(f"{alone}/?n=3000&colour=role")
    painted(page)
    hand, field = context.new_cdp_session(page), page.locator("canvas.field")
    box = field.bounding_box()

    def touch(kind: str, *fingers: tuple[float, float]) -> None:
        points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in fingers]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = field.evaluate("canvas => canvas.closest('.map').shown.view.scale")
    touch("touchStart", (0.45, 0.5), (0.55, 0.5))
    for i in range(1, 6):
        touch("touchMove", (0.45 - 0.04 * i, 0.5), (0.55 + 0.04 * i, 0.5))
    touch("touchEnd")
    assert field.evaluate("canvas => canvas.closest('.map').shown.view.scale") > 2 * before
    expect(page.get_by_text("100 inside")).to_be_visible()  # nothing was drawn

    page.get_by_role("button", name="Fit").tap()
    touch("touchStart", (0.3, 0.3))
    for x, y in ((0.5, 0.3), (0.7, 0.3), (0.7, 0.5), (0.7, 0.7), (0.5, 0.7), (0.3, 0.7)):
        touch("touchMove", (x, y))
    touch("touchEnd")
    expect(page.get_by_text("100 inside")).to_have_count(0)
    settle(page)
    assert int(page.get_by_text("inside").inner_text().split()[0]) > 100
    assert page.evaluate("scrollY") == 0
    context.close()


def inside(page: Page) -> int:
    settle(page)
    return int(page.get_by_text("inside").inner_text().split()[0])


def test_keys_draw_a_line(page, alone):
    page.goto(f"{alone}/?n=3000&colour=role")
    painted(page)
    field = page.locator("canvas.field")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        field.press("Enter")
        for _ in range(4):
            field.press(key)
    field.press("Enter")
    assert inside(page) == 100  # the line is still open
    field.press("Enter")
    expect(page.get_by_text("100 inside")).to_have_count(0)
    # By the same corners: a square of 160 pixels a side, with its first corner where the middle was.
    line, xs, ys = field.evaluate(
        """canvas => { const { points, sent } = canvas.closest(".map").shown;
        return [sent.line, ...[points.x, points.y].map((each) => Array.from(each.slice(0, points.train)))]; }"""
    )
    corners, places = read_polygon(line), np.column_stack([xs, ys])
    within = ((places >= corners.min(0)) & (places <= corners.max(0))).all(1).sum()
    assert (len(corners), within) == (4, inside(page)) and within > 0
    # Given up before its end, a line comes to nothing.
    for key in ("Enter", "ArrowRight", "Enter", "ArrowDown", "Enter", "Escape", "Enter", "ArrowUp", "Enter", "Enter"):
        field.press(key)
    assert inside(page) == within


def test_what_a_line_does_is_chosen_without_keys(page, alone):
    page.goto(f"{alone}/?n=3000&colour=role")
    painted(page)
    sent = lambda: page.locator("canvas.field").evaluate("c => c.closest('.map').shown.sent.mode")  # noqa: E731
    for mode in ("add", "subtract", "replace"):
        page.get_by_label("What a line does").select_option(mode)
        lasso(page, (0.3, 0.3), (0.7, 0.3), (0.7, 0.7))
        assert sent() == mode
    lasso(page, (0.3, 0.3), (0.7, 0.3), (0.7, 0.7), key="Shift")
    assert sent() == "add"


def test_a_tap_shows_the_image_that_is_nearest(chromium, look):
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, has_touch=True)
    page = context.new_page()
    page.goto(f"{look}/explore")
    painted(page)
    field = page.locator("canvas.field")
    field.scroll_into_view_if_needed()
    box, place = field.bounding_box(), field.evaluate(AT_IMAGE_3)
    page.touchscreen.tap(box["x"] + place[0] + 3, box["y"] + place[1])
    expect(page.locator(".card")).to_contain_text(re.compile(r"(row|test image) \d+"))
    page.wait_for_url(re.compile("near=\\d+"))
    context.close()


def test_on_a_wide_screen_a_page_is_1400_pixels_wide_and_the_map_fills_its_part(chromium, look):
    page = chromium.new_page(viewport={"width": 2560, "height": 1080})
    page.goto(f"{look}/explore")
    painted(page)
    title, field = page.get_by_role("heading", name="Explore", level=1), page.locator("canvas.field")
    part, drawn = page.locator(".stColumn").first.bounding_box(), field.bounding_box()
    block = page.locator("[data-testid=stMainBlockContainer] > div").first.bounding_box()
    assert block["width"] == 1400 and title.bounding_box()["x"] == block["x"]
    assert abs(part["width"] - drawn["width"]) <= 4 and part["width"] > 800
    page.close()


def test_a_line_with_many_corners_is_sent_with_few(page, alone):
    frames = Frames(page)
    page.goto(f"{alone}/?n=3000&colour=role")
    painted(page)
    frames.clear()
    angles = np.linspace(0, 2 * np.pi, 140)
    wave = 0.3 + 0.06 * np.sin(35 * angles)
    lasso(page, *zip(0.5 + wave * np.cos(angles), 0.5 + wave * np.sin(angles), strict=True), steps=1)
    expect(page.get_by_text("100 inside")).to_have_count(0)
    assert 300 < sum(frames.up) <= 700


def test_moves_that_a_busy_browser_tells_as_one_are_all_corners(page, alone):
    page.goto(f"{alone}/?n=3000&colour=role")
    painted(page)
    box = page.locator("canvas.field").bounding_box()
    shares = ((0.7, 0.3), (0.7, 0.7), (0.3, 0.7))
    corners = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in shares]
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.locator("canvas.field").evaluate(
        """(canvas, corners) => {
          const move = ([clientX, clientY], coalescedEvents = []) =>
            new PointerEvent("pointermove", { clientX, clientY, coalescedEvents, pointerId: 1 });
          canvas.dispatchEvent(move(corners.at(-1), corners.map((corner) => move(corner))));
        }""",
        corners,
    )
    page.mouse.up()
    expect(page.get_by_text("100 inside")).to_have_count(0)
    settle(page)
    assert int(page.get_by_text("inside").inner_text().split()[0]) > 1000


def test_the_lasso_on_explore(page, look, filled_store):
    study = OpenStudy.open(Store(filled_store), studies(Store(filled_store))[0].key)
    page.goto(f"{look}/explore")
    painted(page)
    field, heading = page.locator("canvas.field"), page.get_by_role("heading", name=re.compile("^Your set:"))
    field.scroll_into_view_if_needed()
    label = re.compile(rf"Map of {len(study.labels)} training images, of which {len(study.forget)} are")
    expect(field).to_have_attribute("aria-label", label)
    own = heading.inner_text()

    # A part of the map: a set that keeps some images, and a sentence and parts below that know it.
    lasso(page, (0.02, 0.02), (0.6, 0.02), (0.6, 0.98), (0.02, 0.98))
    expect(heading).not_to_have_text(own)
    first = int(re.search(r"([\d,]+) image", heading.inner_text())[1].replace(",", ""))
    expect(page.get_by_text(f"Your forget set of {first:,} images")).to_be_visible()
    expect(page.get_by_text(re.compile(rf"Low: {-(-first // 3):,} images|Low: {first // 3:,} images"))).to_be_visible()
    assert "forget=" in page.url or first > 200

    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    lasso(page, (0.2, 0.2), (0.5, 0.2), (0.5, 0.8), (0.2, 0.8), key="Alt")
    expect(heading).not_to_have_text(re.compile(f"{first:,} image"))
    fewer = heading.inner_text()
    assert int(re.search(r"([\d,]+) image", fewer)[1].replace(",", "")) < first
    field.press("Control+z")
    expect(heading).to_have_text(re.compile(f"{first:,} image"))
    field.press("Control+y")
    expect(heading).to_have_text(fewer)
    page.locator("[data-part=mode]").press("Escape")  # closes a list
    page.wait_for_timeout(600)
    expect(heading).to_have_text(fewer)
    field.press("Escape")  # no line is being drawn, so the set is given up
    expect(heading).to_have_text(own)
    field.press("Control+z")
    expect(heading).to_have_text(fewer)

    lasso(page, (0.012, 0.012), (0.03, 0.012), (0.03, 0.03))
    nobody = page.get_by_text("No image lies inside that line.")
    expect(nobody).to_be_visible()
    page.wait_for_timeout(1500)  # longer than the rest of the page takes to follow
    expect(nobody).to_be_visible()
    expect(heading).to_have_text(fewer)


def test_a_lasso_sends_little_whatever_is_in_the_address(page, look):
    """All of the address, and what every widget holds, goes up with the line and with what follows it."""
    frames = Frames(page)
    page.goto(f"{look}/explore")
    painted(page)
    size = page.get_by_role("heading", name=re.compile("^Your set:"))
    turns = np.linspace(0, 2 * np.pi, 140)
    by_hand = zip(0.5 + 0.3 * np.cos(turns) + 0.03 * np.sin(20 * turns), 0.5 + 0.3 * np.sin(turns), strict=True)
    few = (((0.1, 0.1), (0.6, 0.1), (0.6, 0.9), (0.1, 0.9)), ((0.3, 0.05), (0.95, 0.05), (0.95, 0.9)))
    for corners, at_most in ((few[0], 2000), (few[1], 2000), (tuple(by_hand), 2250)):
        settle(page)
        before = size.inner_text()
        frames.clear()
        lasso(page, *corners)
        expect(size).not_to_have_text(before)
        page.wait_for_timeout(1500)  # longer than the rest of the page takes to follow
        assert "forget=" in page.url and frames.up[0] <= 1400 and sum(frames.up) <= at_most


def test_no_step_is_lost(page, look):
    page.goto(f"{look}/explore?forget=2,4,6-9")
    painted(page)
    other_ways(page)  # for their tabs, which are clicked on below
    field, heading = page.locator("canvas.field"), page.get_by_role("heading", name=re.compile("^Your set:"))
    seen = [heading.inner_text()]
    for edge in (0.6, 0.4, 0.3):
        field.scroll_into_view_if_needed()
        lasso(page, (0.02, 0.02), (edge, 0.02), (edge, 0.98), (0.02, 0.98))
        expect(heading).not_to_have_text(seen[-1])
        settle(page)
        seen.append(heading.inner_text())
    for key, last in ("z", seen[0]), ("y", seen[-1]):  # faster than they are drawn
        for _ in range(3):
            field.press(f"Control+{key}")
        expect(heading).to_have_text(last)
    # A moment after a step the whole page is drawn anew.
    for i, wait in enumerate((0, 5, 10, 20, 40, 80)):
        settle(page)
        field.evaluate(
            """(canvas, [step, wait, tab]) => { canvas.closest(".map").shown.outbox.put({ step });
            setTimeout(() => document.querySelectorAll("[role=tab]")[tab].click(), wait); }""",
            [("undo", "redo")[i % 2], wait, (i + 1) % 2],
        )
        expect(heading).to_have_text(seen[(-2, -1)[i % 2]])


def test_a_resting_pointer_shows_the_image(page, look):
    page.goto(f"{look}/explore?colour=class")
    painted(page)
    expect(page.get_by_role("button", name="Class", exact=True)).to_have_attribute("aria-pressed", "true")
    field = page.locator("canvas.field")
    field.scroll_into_view_if_needed()
    box, place = field.bounding_box(), field.evaluate(AT_IMAGE_3)
    page.mouse.move(box["x"] + place[0] - 3, box["y"] + place[1])
    page.mouse.move(box["x"] + place[0], box["y"] + place[1], steps=2)
    card = page.locator(".card")
    expect(card).to_be_visible()
    expect(card).to_contain_text(re.compile(r"(row|test image) \d+"))
    assert card.locator("img").evaluate("async i => { await i.decode(); return i.naturalWidth; }") == 8
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    expect(card).to_be_hidden()
    page.get_by_role("button", name="Correct", exact=True).click()
    page.wait_for_url(re.compile("colour=correct"))


def test_the_colour_that_goes_by_the_set_follows_when_it_is_asked_for(page, look):
    page.goto(f"{look}/explore")
    painted(page)
    page.get_by_role("button", name="Entanglement", exact=True).click()
    expect(page.locator(".map .legend")).to_contain_text("the image alone moves the set's entanglement by")
    page.wait_for_url(re.compile("colour=entanglement"))
    settle(page)
    shades = """canvas => new Set(canvas.closest(".map").shown.points.moved).size"""
    before = page.locator("canvas.field").evaluate(shades)
    assert before > 20
    said = page.locator(".map .legend").inner_text()
    page.go_back()
    usual = page.get_by_role("button", name="Memorization", exact=True)
    expect(usual).to_have_attribute("aria-pressed", "true")
    page.go_forward()
    expect(page.locator(".map .legend")).to_have_text(said, use_inner_text=True)
    other_ways(page)
    page.get_by_role("button", name=re.compile("^Invert")).click()
    expect(page.locator(".map .legend")).not_to_have_text(said, use_inner_text=True)
    page.goto(page.url)  # and a link brings it back
    painted(page)
    expect(page.locator(".map .legend")).to_contain_text("the image alone moves the set's entanglement by")


def test_where_few_points_are_on_screen_their_images_are_drawn(page, look, filled_store):
    traffic = Frames(page)
    page.goto(f"{look}/explore")
    painted(page)
    field, shown = page.locator("canvas.field"), page.locator(".map")
    field.scroll_into_view_if_needed()
    expect(shown).to_have_attribute("data-pictures", "0")  # all points are many
    traffic.clear()
    # Around one image, so near that few others are left.
    field.evaluate(
        """canvas => { const map = canvas.closest(".map").shown, { x, y } = map.points, { scale, left, top } = map.view;
        map.zoom(12, x[3] * scale + left, top - y[3] * scale); }"""
    )
    expect(shown).to_have_attribute("data-pictures", re.compile(r"^[1-9]\d*$"))
    tile = field.evaluate(
        """canvas => { const { tiles } = canvas.closest(".map").shown;
        const { bitmap, width, height } = tiles.values().next().value;
        return [tiles.size, bitmap.width >= width, width, height]; }"""
    )
    assert tile[0] < 300 and tile[1:] == [True, 8, 8]
    # What is asked for, and where the map stands for the address.
    assert len(traffic.up) <= 2 and sum(traffic.up) < 4000
    page.get_by_role("button", name="Fit", exact=True).click()
    expect(shown).to_have_attribute("data-pictures", "0")
