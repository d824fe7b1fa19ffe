"""Every page is whole, fits the screen, and has no serious fault for those who see, hear or move differently."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import settle
from tests.browser.test_walk import PAGES
from tests.views import views

# What does not show at first: the other views of a page, and what is folded away on it.
FURTHER = [
    *(f"compare?compare={view}" for view in views("compare")[1:]),
    *(f"audit?evidence={view}" for view in views("audit")),
    "explore?change=Saved+sets",
    "plan",  # with its folds
    "",
]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]
GRAVE = ("serious", "critical")
# Words of charts that go beyond the edge of their chart, where they are cut off, or over each other; those beside marks
# may touch. A bounding box is a little higher than its letters.
ILLEGIBLE = """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(chart => {
    const edge = chart.getBoundingClientRect(), found = [];
    const words = [...chart.querySelectorAll('svg text')]
        .map(text => ({text: text.textContent, element: text, box: text.getBoundingClientRect()}))
        .filter(({box, element}) => box.width && getComputedStyle(element).opacity !== '0');
    for (const {text, box} of words)
        if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1
                || box.bottom > edge.bottom + 1)
            found.push(`cut off: ${text}`);
    const around = words.filter(({element}) => element.closest('.xtick, .ytick, .x2tick, .legend, .annotation')
        || /title/.test(element.getAttribute('class')));
    around.forEach((a, i) => around.slice(i + 1).forEach(b => {
        const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
        const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
        if (wide > 2 && high > 4) found.push(`over each other: ${a.text} | ${b.text}`);
    }));
    return found;
})"""


def faults(page) -> list[str]:
    """What axe finds grave on the page of now: the rule that is broken and where."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['html'][:160]}" for v in found if v["impact"] in GRAVE for node in v["nodes"]]


def look_at(page, address: str, title: str) -> dict[str, list[str]]:
    """The grave faults of a page that is open, by its address; it must be whole, fit the screen and can be read."""
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_text("could not be drawn")).to_have_count(0)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("e => e.scrollWidth <= e.clientWidth"), f"{title} scrolls sideways ({address})"
    grave = faults(page) + page.evaluate(ILLEGIBLE)
    return {address: grave} if grave else {}


def told(found: dict[str, list[str]]) -> str:
    return "\n".join(f"{address}\n  " + "\n  ".join(grave) for address, grave in found.items())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_the_screen_and_has_no_serious_fault(page, look, scheme):
    page.emulate_media(color_scheme=scheme)
    found = {}
    for path, title in PAGES.items():
        page.goto(f"{look}/{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        settle(page)
        found |= look_at(page, path, title)
    assert not found, told(found)


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_and_fold_too(page, look, scheme, half):
    page.emulate_media(color_scheme=scheme)
    found = {}
    for address in FURTHER[half::2]:
        page.goto(f"{look}/{address}")
        settle(page)
        for i in range(page.get_by_test_id("stExpander").count()):
            fold = page.get_by_test_id("stExpander").nth(i).locator("details").first
            if fold.get_attribute("open") is None:
                fold.locator("summary").click()
                settle(page)
        found |= look_at(page, address, address)
        for i in range(page.get_by_test_id("stPopover").count()):
            over = page.get_by_test_id("stPopover").nth(i).get_by_role("button")
            over.click()
            expect(page.get_by_test_id("stPopoverBody")).to_be_visible()
            settle(page)
            found |= look_at(page, f"{address}, what opens number {i + 1}", address)
            over.click()
            settle(page)
    assert not found, told(found)


def test_charts_follow_when_light_turns_to_dark(page, look):
    page.emulate_media(color_scheme="light")
    page.goto(f"{look}/compare")
    title = page.locator(".js-plotly-plot .gtitle").first
    expect(title).to_have_css("fill", "rgb(16, 16, 20)")
    page.emulate_media(color_scheme="dark")
    expect(title).to_have_css("fill", "rgb(250, 250, 250)")
