"""Back and Forward of the browser undo and redo what was changed on a page: every state is in the address."""

import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import other_ways
from tests.browser.test_walk import pick, settle


@pytest.fixture
def server(serve, filled_store, tmp_path):
    return serve(shutil.copytree(filled_store, tmp_path / "store"))


def test_back_undoes_a_change_of_the_set(page, server):
    page.goto(f"{server.url}/explore")
    size = page.get_by_role("heading", name="Your set:")
    expect(size).to_have_text("Your set: 30 images")
    settle(page)
    other_ways(page)
    page.get_by_role("button", name="Invert").click()
    expect(size).not_to_have_text("Your set: 30 images")
    settle(page)
    inverted = size.inner_text()
    page.go_back()
    expect(size).to_have_text("Your set: 30 images")
    settle(page)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    page.go_forward()
    expect(size).to_have_text(inverted)
    settle(page)
    expect(page.get_by_role("button", name="Redo")).to_be_disabled()


def test_another_page_begins_at_its_top(page, server):
    page.goto(f"{server.url}/explore")
    settle(page)
    main = page.get_by_test_id("stMain")
    main.evaluate("main => main.scrollTo(0, 600)")
    assert main.evaluate("main => main.scrollTop") == 600
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Plan").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Plan")
    settle(page)
    assert main.evaluate("main => main.scrollTop") == 0
    main.evaluate("main => main.scrollTo(0, 400)")
    page.get_by_text("What runs beside it").click()  # what is done on a page leaves it where it is
    settle(page)
    assert main.evaluate("main => main.scrollTop") > 100


def test_back_undoes_a_change_of_the_plan(page, server):
    page.goto(f"{server.url}/plan")
    lead = page.get_by_text("of the study's own set of 30 images").first
    expect(lead).to_contain_text("Leave as it is on 10 low")
    settle(page)
    page.get_by_text("Order and name: low, then medium, then high").click()
    pick(page, "Order", "high, then medium, then low")
    expect(lead).to_contain_text("3 steps: Random-label")
    settle(page)
    page.go_back()
    expect(lead).to_contain_text("3 steps: Leave as it is")
    settle(page)
    page.go_forward()
    expect(lead).to_contain_text("3 steps: Random-label")
