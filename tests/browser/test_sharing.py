"""What one person shows another: a link that brings back the view, and a report that needs no network."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Frames, other_ways, painted, settle
from tests.browser.test_walk import pick

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def elsewhere(chromium):
    """elsewhere(**options) -> a page of another browser, that knows nothing of the first."""
    contexts = []

    def open_page(**options):
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 720}, **options))
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()


def said(page) -> str:
    """What is on the page, but for what is foretold: that goes by how busy the machine is."""
    return re.sub(r"(schedule\s|in all about).*", "", page.get_by_test_id("stMain").inner_text())


def alike(one, other) -> None:
    """Both pages say the same, once charts are drawn that come late."""
    for _ in range(40):
        if said(one) == said(other):
            break
        other.wait_for_timeout(500)
    assert said(one) == said(other)


def test_a_link_brings_back_the_view(page, elsewhere, look):
    page.goto(f"{look}/explore")
    painted(page)
    page.get_by_role("radio", name="PCA").or_(page.get_by_role("button", name="PCA")).first.click()
    page.wait_for_url(re.compile("map=PCA"))
    settle(page)
    page.get_by_role("button", name="Class", exact=True).click()
    page.wait_for_url(re.compile("colour=class"))
    page.locator("canvas.field").press("Control+z")  # the keyboard belongs to the map, and there is nothing to undo
    other_ways(page)
    page.get_by_role("button", name=re.compile("^Invert")).click()
    page.wait_for_url(re.compile("forget="))
    settle(page)
    said = page.get_by_role("heading", name=re.compile("^Your set:")).inner_text()

    other = elsewhere()
    other.goto(page.url)
    painted(other)
    expect(other.get_by_role("heading", name=re.compile("^Your set:"))).to_have_text(said)
    expect(other.get_by_role("button", name="Class", exact=True)).to_have_attribute("aria-pressed", "true")
    label = other.locator("canvas.field").get_attribute("aria-label")
    assert label == page.locator("canvas.field").get_attribute("aria-label")
    assert other.url == page.url

    for path, words in (
        ("compare?compare=predictions", "predict"),
        ("audit?evidence=kept", "Does it hold over seeds"),
        ("plan", "low"),
    ):
        for one in (page, other):
            one.goto(f"{look}/{path}")
            settle(one)
        mine, theirs = (one.get_by_test_id("stMain") for one in (page, other))
        expect(mine).to_contain_text(words)
        alike(page, other)


PLACE = """canvas => { const { view, size } = canvas.closest(".map").shown, [width, height] = size;
    return [(width / 2 - view.left) / view.scale, (view.top - height / 2) / view.scale, view.scale / view.fitted]; }"""


def colour(page, name: str):
    """The button of one of the map's colours."""
    return page.locator(".map").get_by_role("button", name=name, exact=True)


def stands(page) -> list[float]:
    """The middle of the map, in the coordinates of its points, and how many times it is enlarged."""
    return page.locator("canvas.field").evaluate(PLACE)


def zoomed(page, times: int) -> None:
    """Zoom by the wheel beside the middle, and wait until the address says so."""
    page.locator("canvas.field").scroll_into_view_if_needed()
    before, box = page.url, page.locator("canvas.field").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    for _ in range(times):
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(50)
    page.mouse.move(2, 2)
    page.wait_for_function("before => location.href !== before", arg=before)
    settle(page)


def test_colours_and_zoom_send_nothing_and_are_in_the_address(page, look):
    """Also after Python wrote into it, who never heard of them; a colour is a step of the history, a place is none."""
    frames = Frames(page)
    page.goto(f"{look}/explore?colour=loss")
    painted(page)
    expect(colour(page, "Loss")).to_have_attribute("aria-pressed", "true")
    other_ways(page)
    page.locator("canvas.field").scroll_into_view_if_needed()
    settle(page)
    steps, heading = page.evaluate("history.length"), page.get_by_role("heading", name=re.compile("^Your set:"))
    frames.clear()
    colour(page, "Margin").click()
    colour(page, "Class").click()
    assert "colour=class" in page.url  # at once
    page.get_by_role("button", name="Fade others").click()
    for _ in range(4):
        page.mouse.wheel(0, 100)
    page.wait_for_function("location.search.includes('at=') && location.search.includes('fade=others')")
    assert page.evaluate("history.length") == steps + 2
    page.wait_for_timeout(1500)
    assert frames.up == frames.down == []

    before, (place,), said = stands(page), re.findall("at=[^&]+", page.url), heading.inner_text()
    page.get_by_role("button", name=re.compile("^Invert")).click()
    expect(heading).not_to_have_text(said)
    page.wait_for_url(re.compile("forget="))
    settle(page)
    assert "colour=class" in page.url and place in page.url
    page.go_back()
    expect(heading).to_have_text(said)
    settle(page)
    assert "colour=class" in page.url and place in page.url
    page.go_back()
    expect(colour(page, "Margin")).to_have_attribute("aria-pressed", "true")
    page.go_back()
    expect(colour(page, "Loss")).to_have_attribute("aria-pressed", "true")
    for _ in range(3):
        page.go_forward()
        settle(page)
    expect(colour(page, "Class")).to_have_attribute("aria-pressed", "true")
    expect(heading).not_to_have_text(said)
    assert stands(page) == pytest.approx(before, rel=0.01)
    page.goto(page.url)
    painted(page)
    expect(page.get_by_role("button", name="Fade others")).to_have_attribute("aria-pressed", "true")
    for asked in ("constructor", "%3Cb%3E", "class&colour=x"):
        page.goto(f"{look}/explore?colour={asked}")
        painted(page)
        expect(colour(page, "Memorization")).to_have_attribute("aria-pressed", "true")
        page.wait_for_function("!location.search.includes('colour=')")


def test_a_link_brings_back_the_place_on_the_map(page, elsewhere, look):
    frames = Frames(page)
    page.goto(f"{look}/explore")
    painted(page)
    other_ways(page)
    page.locator("canvas.field").scroll_into_view_if_needed()
    steps = page.evaluate("history.length")
    frames.clear()
    zoomed(page, 4)
    assert re.search(r"[?&]at=umap_[0-9a-f]{4}_-?\d+_-?\d+_3\.\d\d(&|$)", page.url)
    page.wait_for_timeout(1500)
    assert len(frames.up) <= 1  # images are asked for where few are left
    assert max(frames.down, default=0) < 10_000  # and the map is not sent again
    at, place = page.url, stands(page)

    for size in ((1280, 720), (1600, 900)):  # the same place, in a larger window too
        other = elsewhere()
        other.set_viewport_size({"width": size[0], "height": size[1]})
        other.goto(at)
        painted(other)
        assert stands(other) == pytest.approx(place, rel=0.01) and other.url == at

    page.get_by_role("button", name=re.compile("^Invert")).click()
    page.wait_for_url(re.compile("forget="))
    settle(page)
    zoomed(page, 2)
    assert page.evaluate("history.length") == steps + 1  # of the set alone
    page.go_back()
    page.wait_for_url(at)
    settle(page)
    assert stands(page) == pytest.approx(place, rel=0.01)
    page.get_by_role("button", name="Fit", exact=True).click()
    page.wait_for_function("!location.search.includes('at=')")
    settle(page)

    for text in ("inf", "umap_0000_1_1_2.00", at.split("at=")[1][:10] + "0_0_999.00", "9" * 3000, "%3Cb%3E", "&at=x"):
        other.goto(f"{at.split('at=')[0]}at={text}")
        painted(other)
        assert stands(other)[2] == pytest.approx(1, abs=0.02)
        other.wait_for_function("!location.search.includes('at=')")
        settle(other)


def test_a_link_brings_back_every_setting(page, elsewhere, look):
    """Of a search on Plan, a rule on Explore, and what lies folded under a chart."""
    page.goto(f"{look}/plan?open.search=true")
    settle(page)
    page.get_by_label("Trials", exact=True).fill("24")
    page.get_by_label("Trials", exact=True).press("Enter")
    page.wait_for_url(re.compile("trials=24"))
    settle(page)
    box = page.get_by_test_id("stMultiSelect").filter(has_text="Learning rates to try")
    box.locator("input").click()
    page.get_by_role("option", name="0.3 times that").click()
    page.wait_for_url(re.compile(r"rates=1%2C0\.3"))
    settle(page)
    page.keyboard.press("Escape")
    links = [(page.url, "rates=1")]

    page.goto(f"{look}/explore?page=2")
    settle(page)
    other_ways(page)
    pick(page, "Rule", "Random")
    page.wait_for_url(re.compile("rule=random"))
    settle(page)
    links.append((page.url, "page=2"))

    page.goto(f"{look}/compare?compare=numbers")
    settle(page)
    page.get_by_role("tab", name="Cost").click()
    page.wait_for_url(re.compile("tables=Cost"))
    page.get_by_text("Learning rates", exact=True).first.click()
    page.wait_for_url(re.compile("open.tuned=true"))
    settle(page)
    links.append((page.url, "compare=numbers"))

    for link, part in links:
        page.goto(link)
        settle(page)
        other = elsewhere()
        other.goto(link)
        settle(other)
        alike(page, other)
        assert part in other.url and other.url == page.url
    expect(other.get_by_role("tab", name="Cost")).to_have_attribute("aria-selected", "true")


def test_the_report_opens_without_a_network(page, elsewhere, look, tmp_path):
    page.goto(f"{look}/report?audience=technical")
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("^Download")).first.click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == ".html"
    reader, asked = elsewhere(offline=True), []
    reader.on("request", lambda request: asked.append(request.url))
    reader.goto(file.as_uri())
    expect(reader.get_by_role("heading", level=1)).to_be_visible()
    assert "not claimed" in reader.locator("body").inner_text().lower()
    assert all(url.startswith(("file:", "data:")) for url in asked)
    broken = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).length"
    assert reader.evaluate(broken) == 0 and reader.locator("svg, img").count() > 3
