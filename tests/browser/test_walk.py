"""The main ways through the app, as a person goes them."""

import re
import time
from contextlib import suppress

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from tests.browser.conftest import other_ways, painted, settle
from unlearn_core import job_process, jobs
from unlearn_core.experiment import OpenStudy, studies
from unlearn_core.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]
LONG = 300_000
NAMED = ("Explore", "Plan", "Runs", "Compare", "Audit", "Report", "Guess")
PAGES = {"": "Unlearning workbench"} | {name.lower(): name for name in NAMED}


def go(page: Page, title: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=title).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(PAGES.get(title.lower(), title))
    settle(page)


def fill(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    settle(page)


def opens(page: Page):
    """The buttons that open a finished study (the arrows of pickers are called Open too)."""
    return page.get_by_test_id("stMain").get_by_test_id("stButton").get_by_role("button", name="Open", exact=True)


def again_until(act, done, tries: int = 4) -> None:
    """Act, and again where the page was just being redrawn and the click went nowhere, as a person would."""
    for _ in range(tries):
        with suppress(PlaywrightError):
            act()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if done():
                return
            time.sleep(0.1)
    raise AssertionError(f"nothing happened in {tries} tries")


def pick(page: Page, label: str, option: str) -> None:
    """Choose in a select. Opening and choosing are one act: whatever redraws the page in between closes the list."""
    box, line = page.get_by_role("combobox", name=label), page.get_by_role("option", name=option)

    def choose() -> None:
        if not line.is_visible():
            box.click(timeout=5000)
        line.click(timeout=5000)

    again_until(choose, lambda: option in (box.input_value() or "") and not line.is_visible())
    settle(page)


def test_a_deep_link_on_a_fresh_server_goes_through_the_frame(page, serve, copied):
    for path in ("explore", "audit"):
        server = serve(copied)
        page.goto(f"{server.url}/{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text(PAGES[path])
        expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
        expect(page.get_by_test_id("stSidebar").get_by_text("Study", exact=True)).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_start_has_a_name_too(page, serve, copied):
    server = serve(copied)
    page.goto(f"{server.url}/start?among=same")
    expect(page.get_by_role("heading", level=1)).to_have_text(PAGES[""])
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile(rf"{server.url}/\?among=same"))
    expect(page.get_by_test_id("stSidebarNavLink").filter(has_text="Start")).to_have_count(1)


def test_a_study_from_start_to_audit(page, serve, tmp_path):
    """Set up a small study and run it; build another forget set; plan; run; look at the attacks before and after."""
    store = tmp_path / "store"
    server = serve(store)
    page.goto(server.url)
    page.get_by_text("Set up a study", exact=True).click()
    settle(page)
    page.get_by_text("Use fewer images, or split them differently").click()
    fill(page, "Train", "500")
    fill(page, "Models", "10")
    fill(page, "Seeds", "2")
    fill(page, "Tuning seeds", "0")
    fill(page, "Size", "24")
    page.get_by_role("button", name="Run this study").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    expect(opens(page).first).to_be_visible(timeout=LONG)

    opens(page).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Explore")
    expect(page.get_by_text("24 images").first).to_be_visible()
    settle(page)
    other_ways(page)
    pick(page, "Rule", "Random")
    fill(page, "Size", "18")
    page.get_by_role("button", name="Use these 18 as the set").click()
    expect(page.get_by_role("heading", name="Your set: 18 images")).to_be_visible()
    page.get_by_role("button", name="Plan with this set").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Plan")
    settle(page)
    expect(page.get_by_text("Low: 6 images")).to_be_visible()
    page.get_by_role("button", name="Run this plan").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    expect(opens(page)).to_have_count(2, timeout=LONG)
    opens(page).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Explore")

    go(page, "Compare")
    expect(page.get_by_text("is the only method here").first).to_be_visible()
    go(page, "Audit")
    expect(page.get_by_text("At this threshold an attacker finds").first).to_be_visible()
    opened = OpenStudy.open(Store(store), studies(Store(store))[0].key)
    assert len(opened.forget) == 18
    assert f"study={opened.key}" in page.url


def test_the_example_is_one_click(page, serve, tmp_path):
    page.goto(serve(tmp_path / "store").url)
    page.get_by_role("button", name="Run the example").click()
    done = page.get_by_role("button", name="Open the example").or_(opens(page))
    expect(done.first).to_be_visible(timeout=LONG)
    settle(page)
    done.first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Explore")
    painted(page)
    expect(page.get_by_text("The study's own forget set of 120 images")).to_be_visible()
    go(page, "Compare")
    expect(page.get_by_text("came closest to retraining").first).to_be_visible()


def test_a_job_outlives_the_server_and_a_killed_worker_is_offered_again(page, serve, copied):
    """The job is started by the server itself, which dies with all that belongs to it."""
    store, server = Store(copied), serve(copied)
    page.goto(server.url)
    page.get_by_text("Set up a study", exact=True).click()
    settle(page)
    fill(page, "Models", "10000")
    page.get_by_role("button", name="Run this study").click()
    expect(page.get_by_test_id("stMain").get_by_text("Running").first).to_be_visible(timeout=60_000)
    (job,) = (each.key for each in jobs.listing(store))
    server.kill()
    assert jobs.find(store, job).active
    server.start()
    page.goto(f"{server.url}/runs")
    expect(page.get_by_test_id("stMain").get_by_text("Running").first).to_be_visible(timeout=60_000)
    job_process.worker(store, job).kill()
    expect(page.get_by_test_id("stMain").get_by_text("Interrupted").first).to_be_visible(timeout=20_000)
    expect(page.get_by_text("stopped without a word; what was finished is kept")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Cancel").first).to_be_visible(timeout=30_000)
    again_until(
        page.get_by_role("button", name="Cancel").first.click,
        lambda: jobs.find(store, job).state == "cancelled",
    )
    expect(page.get_by_test_id("stMain").get_by_text("Cancelled").first).to_be_visible(timeout=30_000)
    assert jobs.find(store, job).state == "cancelled"
