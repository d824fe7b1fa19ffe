"""What a real hand does on charts and pictures: brushes, crosses, a click on the map, lines, twins."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import painted, settle
from tests.browser.test_accessibility import look_at
from unlearn_core.experiment import OpenStudy, fulfil, shared_map, studies
from unlearn_core.experiment.set_numbers import brushed, histogram
from unlearn_core.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def test_brush_cross_and_click(page, look, filled_store):
    store = Store(filled_store)
    study = OpenStudy.open(store, studies(store)[0].key)
    page.goto(f"{look}/explore")
    painted(page)
    heading, chart = page.get_by_role("heading", name=re.compile("^Your set:")), page.locator(".st-key-brush")
    expect(chart.locator(".barlayer .bars")).to_have_count(2)
    settle(page)

    # From the middle of the map's second bar with images to beyond the last one.
    counts = histogram(study, study.forget)
    first = [i for i, count in enumerate(counts.everyone) if count][1]
    expected = len(brushed(study, counts.middles[first] - 0.01, 2))
    chart.scroll_into_view_if_needed()
    bars = chart.locator(".barlayer .bars").first.locator(".point")
    box = chart.locator(".plotbg, .bglayer, .nsewdrag").last.bounding_box()
    left = bars.nth(first).bounding_box()
    page.mouse.move(left["x"] + 1, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2 + 3, steps=6)
    page.mouse.up()
    expect(heading).to_have_text(re.compile(f"{expected:,} image"))
    expect(page.locator("canvas.field")).to_have_attribute("aria-label", re.compile(f"of which {expected} are"))
    settle(page)
    expect(heading).to_have_text(
        re.compile(f"{expected:,} image")
    )  # the chart was drawn anew, and that cleared nothing

    # The grid follows when hands rest; its crosses take images out, and the map knows.
    expect(page.get_by_text(re.compile(f"of {expected} images: row number"))).to_be_visible()
    page.get_by_role("button", name=re.compile("^Take row")).first.click()
    expect(heading).to_have_text(re.compile(f"{expected - 1:,} image"))
    expect(page.locator("canvas.field")).to_have_attribute("aria-label", re.compile(f"of which {expected - 1} are"))
    settle(page)

    # A click on a point asks about its image and changes nothing.
    field = page.locator("canvas.field")
    field.scroll_into_view_if_needed()
    place = field.evaluate(
        """canvas => { const shown = canvas.closest(".map").shown, { x, y } = shown.points, { scale, left, top } =
        shown.view; return [x[3] * scale + left, top - y[3] * scale]; }"""
    )
    corner = field.bounding_box()
    page.mouse.click(corner["x"] + place[0], corner["y"] + place[1])
    near = page.locator(".st-key-near-map")
    expect(near.get_by_text("Nearest images you keep")).to_be_in_viewport(ratio=1)
    expect(near.get_by_role("img").first).to_be_in_viewport(ratio=1)
    page.wait_for_url(re.compile(r"near=\d+"))
    expect(heading).to_have_text(re.compile(f"{expected - 1:,} image"))
    page.get_by_role("button", name=re.compile("which kept images lie nearest")).nth(1).click()
    row = (
        page.get_by_role("button", name=re.compile("which kept images lie nearest")).nth(1).get_attribute("aria-label")
    )
    expect(page.get_by_text(re.compile(rf"nearest to row {re.search(r'[0-9]+', row)[0]} \("))).to_be_visible()
    expect(near).to_have_count(0)  # one image is asked about at a time
    page.locator(".st-key-near-grid").get_by_role("button", name="Close").click()
    expect(page.get_by_text("Nearest images you keep")).to_have_count(0)

    # One that is found by its row comes into view, under a ring and with its card.
    field.scroll_into_view_if_needed()
    field.evaluate("""canvas => canvas.closest(".map").shown.pan(5000, 0)""")
    page.get_by_placeholder("Find a row").fill("17")
    page.keyboard.press("Enter")
    expect(page.locator(".map .card")).to_contain_text("row 17")
    expect(near.get_by_text("Nearest images you keep")).to_be_visible()
    page.wait_for_url(re.compile(r"near=17\b"))
    ringed = """canvas => { const { ringed, points, view, size } = canvas.closest(".map").shown;
        return ringed === 17 && Math.abs(points.x[17] * view.scale + view.left - size[0] / 2) < 1; }"""
    assert field.evaluate(ringed)


def drag(page, field, start: float, end: float) -> None:
    """Along a chart, given its field."""
    box = field.bounding_box()
    page.mouse.move(start, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(end, box["y"] + 63, steps=6)
    page.mouse.up()


def test_a_cut_is_dragged_on_the_histogram_of_a_plan(page, look):
    page.goto(f"{look}/plan")
    chart = page.locator(".stPlotlyChart").first
    lines, counts = chart.locator(".shapelayer path"), page.get_by_text(re.compile("^The cuts make parts of")).first
    expect(counts).to_have_text("The cuts make parts of 10 low, 10 medium, 10 high")
    settle(page)
    field = chart.locator(".nsewdrag").first
    field.scroll_into_view_if_needed()

    def middle(line: int) -> float:
        box = lines.nth(line).bounding_box()
        return box["x"] + box["width"] / 2

    edge = field.bounding_box()
    drag(page, field, middle(1), edge["x"] + edge["width"] - 2)
    expect(counts).to_have_text("The cuts make parts of 10 low, 20 medium, 0 high")
    settle(page)
    drag(page, field, middle(0), edge["x"] + 2)
    expect(counts).to_have_text("The cuts make parts of 0 low, 30 medium, 0 high")
    settle(page)
    expect(lines).to_have_count(2)  # where they can be taken again
    assert chart.locator(".selectionlayer path").count() == 0
    page.reload()  # the address holds what a hand chose
    expect(counts).to_have_text("The cuts make parts of 0 low, 30 medium, 0 high")


def test_the_threshold_is_dragged_on_its_chart(page, look):
    page.goto(f"{look}/audit?attack=confidence")
    says = page.get_by_text("At this threshold an attacker finds").first
    expect(says).to_be_visible()
    settle(page)
    chart = page.locator(".stPlotlyChart").first
    field, before = chart.locator(".nsewdrag").first, says.inner_text()
    field.scroll_into_view_if_needed()
    edge, line = field.bounding_box(), chart.locator(".shapelayer path").first.bounding_box()
    drag(page, field, line["x"] + line["width"] / 2, edge["x"] + 0.1 * edge["width"])
    expect(says).not_to_have_text(before)
    page.wait_for_url(re.compile("threshold_confidence="))
    settle(page)
    line = page.locator(".stPlotlyChart:visible .shapelayer path").first.bounding_box()
    assert abs(line["x"] - edge["x"] - 0.1 * edge["width"]) < 0.03 * edge["width"]


# The middle of what is drawn over a map, in its pixels, and how wide that is; null where that is nothing.
OVER = """canvas => {
  const { width, height } = canvas, ratio = width / canvas.clientWidth;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const [xs, ys] = [[], []];
  for (let i = 0; i < width * height; i++) if (data[4 * i + 3]) { xs.push(i % width); ys.push(Math.floor(i / width)); }
  if (!xs.length) return null;
  const ends = [xs, ys].map((at) => [at.reduce((a, b) => Math.min(a, b)), at.reduce((a, b) => Math.max(a, b))]);
  return [...ends.map(([a, b]) => (a + b + 1) / 2 / ratio), (ends[0][1] - ends[0][0] + 1) / ratio];
}"""
# Where images are on the left map and on the right one.
PLACES = """canvas => { const map = canvas.closest(".map").shown;
  return map.clouds().map(({ x, y }) => Array.from(x, (_, i) => map.seen([x[i], y[i]]))); }"""


def test_the_twin_maps_under_a_hand(page, serve, copied):
    """A ring on both at once, lines on either, one view."""
    store = Store(copied)
    study = OpenStudy.open(store, studies(store)[0].key)
    fulfil(store, shared_map.asked(study, "fine-tune", "pca"))
    page.goto(f"{serve(copied).url}/compare?compare=maps&methods=fine-tune")
    painted(page)
    fields, overs, cards = (page.locator(place) for place in ("canvas.field", "canvas.over", ".twins .card"))
    fields.first.scroll_into_view_if_needed()
    places = fields.first.evaluate(PLACES)
    boxes = [fields.nth(k).bounding_box() for k in (0, 1)]
    assert boxes[0]["width"] == boxes[1]["width"] and boxes[0]["y"] == boxes[1]["y"]
    for one in (0, 1):
        # One that lies alone, so that the pointer is nearest to no other.
        apart = [
            min(abs(x - u) + abs(y - v) for u, v in places[one] if (u, v) != (x, y)) if 20 < x < 300 else 0
            for x, y in places[one]
        ]
        row = apart.index(max(apart))
        x, y = places[one][row]
        page.mouse.move(boxes[one]["x"] + x + 2, boxes[one]["y"] + y + 1, steps=4)
        expect(cards.nth(one)).to_have_text(f"row {row:,}, class {study.classes[study.labels[row]]}")
        expect(cards.nth(1 - one)).to_be_hidden()
        for k in (0, 1):
            middle = overs.nth(k).evaluate(OVER)
            assert middle[:2] == pytest.approx(places[k][row], abs=1.5) and middle[2] == pytest.approx(18, abs=2)
    page.mouse.move(5, 5)
    assert overs.first.evaluate(OVER) is overs.last.evaluate(OVER) is None

    def lasso(k: int, key: str | None = None, *, low: float = 0.5) -> None:
        """Around what lies in the lower part of a map, from this share of its height on."""
        box = fields.nth(k).bounding_box()
        corners = [(0.01, low), (0.99, low), (0.99, 0.99), (0.01, 0.99)]
        if key:
            page.keyboard.down(key)
        page.mouse.move(box["x"] + 0.01 * box["width"], box["y"] + low * box["height"])
        page.mouse.down()
        for x, y in corners[1:]:
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=6)
        page.mouse.up()
        if key:
            page.keyboard.up(key)

    button = page.get_by_role("button", name=re.compile("^Make these .*my forget set"))
    height, counts = boxes[0]["height"], []
    for k in (0, 1):
        lasso(k)
        expect(button).not_to_have_text(re.compile("Make these my"))
        settle(page)
        inside = sum(y > 0.5 * height for _, y in places[k])
        counts.append(int(re.search(r"these (\d+)", button.inner_text())[1]))
        assert abs(counts[-1] - inside) <= 5  # a line is drawn by whole pixels
        assert overs.nth(k).evaluate(OVER)[2] > 0.9 * boxes[k]["width"]
        assert overs.nth(1 - k).evaluate(OVER) is None
        fields.nth(k).press("Escape")
        expect(button).to_have_text(re.compile("Make these my forget set"))
        settle(page)
        assert overs.nth(k).evaluate(OVER) is None
    lasso(1)
    lasso(0, "Shift", low=0.9)
    expect(button).to_be_enabled()
    settle(page)
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(button).to_be_disabled()

    # What one map is moved and zoomed by, the other is too; keys draw a line as well.
    page.mouse.move(boxes[1]["x"] + 100, boxes[1]["y"] + 100)
    page.mouse.wheel(0, -400)
    fields.first.press("ArrowRight")
    after = fields.first.evaluate(PLACES)
    moved = [[(b[0] - a[0]) for a, b in zip(*pair, strict=True)] for pair in zip(places, after, strict=True)]
    assert min(moved[0]) < -30 and max(moved[0]) > 30
    grown = (after[0][1][0] - after[0][0][0]) / (places[0][1][0] - places[0][0][0])
    same = (after[1][1][1] - after[1][0][1]) / (places[1][1][1] - places[1][0][1])
    assert grown == pytest.approx(same) and grown > 1.5
    fields.last.press("0")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        fields.last.press("Enter")
        for _ in range(4):
            fields.last.press(key)
    fields.last.press("Enter")
    fields.last.press("Enter")
    expect(button).to_be_enabled()
    settle(page)
    count = int(re.search(r"these (\d+)", button.inner_text())[1])
    button.click()
    expect(page.get_by_text(f"Your set: {count} image")).to_be_visible()

    # A link brings the line back, and Back does after it is gone; it can then be taken off again.
    said, clear = re.compile(f"these {count} my"), page.get_by_role("button", name="Clear", exact=True)
    page.reload()
    painted(page)
    expect(button).to_have_text(said)
    assert fields.last.evaluate("canvas => canvas.closest('.map').shown.lines.length") == 1
    for there in (0, 1):
        if there:
            page.go_back()
            expect(button).to_have_text(said)
            settle(page)
        clear.click()
        expect(button).to_be_disabled()
        settle(page)

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(page.url.split("?")[0] + "?compare=maps&methods=fine-tune&highlight=all")
        painted(page)
        fields.first.scroll_into_view_if_needed()
        assert look_at(page, "the maps", scheme) == {}
        label = fields.last.get_attribute("aria-label")
        assert label.startswith(f"Fine-tune. {len(study.labels):,} images highlighted, ") and "Arrow keys" in label
