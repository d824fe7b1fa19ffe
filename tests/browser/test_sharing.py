"""What one person shows another: a link that brings back the view, and a report that needs no network."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import painted, settle

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


def test_a_link_brings_back_the_view(page, elsewhere, look):
    page.goto(f"{look}/explore")
    painted(page)
    page.get_by_role("radio", name="PCA").or_(page.get_by_role("button", name="PCA")).first.click()
    page.wait_for_url(re.compile("map=PCA"))
    settle(page)
    page.get_by_role("button", name="Class", exact=True).click()
    page.wait_for_url(re.compile("colour=class"))
    page.locator("canvas.field").press("Control+z")  # the keyboard belongs to the map, and there is nothing to undo
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
        expect(theirs).to_have_text(mine.inner_text(), use_inner_text=True)  # waits for charts that are drawn late


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
