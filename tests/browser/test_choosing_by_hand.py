"""What a real hand does on charts and pictures: brushes, crosses, a click on the map, lines, twins."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import painted, settle
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
    says = page.get_by_text("At this threshold an attacker is right about").first
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


def test_the_image_under_the_pointer_is_ringed_on_the_other_map(page, serve, copied):
    store = Store(copied)
    study = OpenStudy.open(store, studies(store)[0].key)
    fulfil(store, shared_map.asked(study, "fine-tune", "pca"))
    page.goto(f"{serve(copied).url}/compare?compare=maps&methods=fine-tune")
    chart = page.locator(".st-key-compare-maps-chart .js-plotly-plot")
    left, right = (chart.locator(f".{plot} .scatterlayer .trace") for plot in ("xy", "x2y2"))
    expect(left.first).to_be_attached()
    expect(right).to_have_count(left.count() + 1)  # the arrows
    settle(page)
    chart.scroll_into_view_if_needed()
    ring, last = chart.locator(".twin-ring"), left.count() - 1

    def middle(place) -> tuple[float, float]:
        box = place.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    for one, other in ((left, right), (right, left)):
        lit = one.nth(last).locator(".point")
        # One that lies alone, so that the pointer is on no other.
        places = [middle(lit.nth(i)) for i in range(lit.count())]
        apart = [min(abs(x - u) + abs(y - v) for u, v in places if (u, v) != (x, y)) for x, y in places]
        chosen = apart.index(max(apart))
        page.mouse.move(*places[chosen], steps=4)
        expect(ring).to_be_visible()
        twin = middle(other.nth(last).locator(".point").nth(chosen))
        assert middle(ring) == pytest.approx(twin, abs=1.5)
    page.mouse.move(5, 5)
    expect(ring).to_be_hidden()
