"""Ways that fewer people go: the game, a study from a file, everything at once, a link to an open fold."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import painted, settle
from unlearn_core.experiment import studies
from unlearn_core.experiment.bundle import export
from unlearn_core.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]


def test_a_game_is_played_to_its_end(page, look):
    page.goto(f"{look}/guess")
    settle(page)
    heading = page.get_by_role("heading", name=re.compile(r"^Pair \d+ of \d+"))
    pairs = int(re.search(r"of (\d+)", heading.inner_text())[1])
    for number in range(1, pairs + 1):
        expect(heading).to_have_text(re.compile(rf"^Pair {number} of {pairs}:"))
        settle(page)
        page.get_by_role("button", name="Left one" if number % 2 else "Right one").click()
    expect(page.get_by_role("heading", name="How you did")).to_be_visible()
    expect(page.get_by_test_id("stMetricValue")).to_have_count(2)
    settle(page)
    page.get_by_role("button", name="Play again").click()
    expect(page.get_by_role("heading", name=re.compile(rf"^Pair 1 of {pairs}:"))).to_be_visible()


def test_a_study_opens_elsewhere_from_its_file_and_is_only_read_there(page, serve, filled_store, tmp_path):
    theirs, file = Store(filled_store), tmp_path / "study.zip"
    (known,) = studies(theirs)
    export(theirs, known.key, file, weights=False)
    store = tmp_path / "store"
    page.goto(serve(store).url)
    page.get_by_text("Open a study from a file").click()
    page.locator("input[type=file]").first.set_input_files(file)
    settle(page)
    page.get_by_role("button", name="Open this file").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Explore", timeout=60_000)
    painted(page)
    assert f"study={known.key}" in page.url and studies(Store(store))[0].key == known.key
    expect(page.get_by_text("recorded study").first).to_be_visible()
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Plan").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Plan")
    settle(page)
    expect(page.get_by_role("button", name="Run this plan")).to_be_disabled()


def test_everything_is_tried_at_once_and_the_link_opens_the_leaderboard(page, serve, filled_store, copied, chromium):
    url = serve(copied).url
    page.goto(f"{url}/plan")
    settle(page)
    page.get_by_text("Try everything on this set").click()
    page.wait_for_url(re.compile(r"open\.everything=true"))
    settle(page)
    page.get_by_role("button", name="Try everything").click()
    expect(page.get_by_text(re.compile(r"All \d+ ways are measured"))).to_be_visible(timeout=300_000)
    expect(page.get_by_text("is closest to retraining").first).to_be_visible()
    settle(page)
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_text(re.compile(r"All \d+ ways are measured"))).to_be_visible()
    context.close()


def test_a_link_asks_for_what_was_chosen_beside_a_plan(page, look, chromium):
    page.goto(f"{look}/plan")
    settle(page)
    page.get_by_text("What runs beside it").click()
    settle(page)
    page.get_by_text("Shuffled parts, one method for all parts, no parts").click()
    page.wait_for_url(re.compile("controls=false"))
    settle(page)
    page.get_by_text("What runs beside it").click()  # folded away again, it still counts
    settle(page)
    told = page.get_by_text("What runs beside it").inner_text()
    assert "the controls" not in told
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_text("What runs beside it")).to_have_text(told)
    context.close()
