"""Every page is whole, fits the screen, and has no serious fault for those who see, hear or move differently."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import settle
from tests.browser.test_walk import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]
GRAVE = ("serious", "critical")


def faults(page) -> list[str]:
    """What axe finds grave on the page of now: the rule that is broken and where."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['html'][:160]}" for v in found if v["impact"] in GRAVE for node in v["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_the_screen_and_has_no_serious_fault(page, look, scheme):
    page.emulate_media(color_scheme=scheme)
    found = {}
    for path, title in PAGES.items():
        page.goto(f"{look}/{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        settle(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_text("could not be drawn")).to_have_count(0)
        main = page.get_by_test_id("stMain")
        assert main.evaluate("e => e.scrollWidth <= e.clientWidth"), f"{title} scrolls sideways"
        found |= {title: grave} if (grave := faults(page)) else {}
    assert not found, "\n".join(f"{title}\n  " + "\n  ".join(grave) for title, grave in found.items())
