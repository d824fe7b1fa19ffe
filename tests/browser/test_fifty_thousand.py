"""Explore with fifty thousand images: three thousand of them in one line, and what the page then says of them."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.benchmarks.growth import digits, small
from tests.browser.conftest import painted, settle
from tests.browser.test_map import lasso
from unlearn_core.data import Data
from unlearn_core.data.own import add
from unlearn_core.experiment import OpenStudy, embedded_images, fulfil
from unlearn_core.experiment.set_numbers import describe
from unlearn_core.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
# The share of the map's width that has 3,000 training images on its left, and the rows of the set in hand.
EDGE = """canvas => { const { points, view, size } = canvas.closest(".map").shown;
  const across = Array.from(points.x.slice(0, points.train)).sort((a, b) => a - b);
  return ((across[2999] + across[3000]) / 2 * view.scale + view.left) / size[0]; }"""
ROWS = """canvas => { const { forget, train } = canvas.closest(".map").shown.points;
  return Array.from(forget.slice(0, train), (inside, row) => inside ? row : -1).filter((row) => row >= 0); }"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A store with a study of 50,000 training images, whose map is a draw of two directions of their features."""
    folder = tmp_path_factory.mktemp("large")
    store = Store(folder / "store")
    add(digits(69_460, folder / "images"), "many", store.root / "data")
    direction = np.random.default_rng(0).normal(size=(64, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded_images.projection, "umap", lambda x, *_: x @ direction[: x.shape[1]])
        made = fulfil(store, small(Data(name="many"), 120))
    return OpenStudy(store, made)


def test_three_thousand_of_fifty_thousand_in_one_line(page, serve, large):
    page.goto(f"{serve(large.store.root).url}/explore")
    painted(page)
    field, heading = page.locator("canvas.field"), page.get_by_role("heading", name=re.compile("^Your set:"))
    assert len(large.labels) >= 50_000
    field.scroll_into_view_if_needed()
    expect(heading).to_have_text("Your set: 120 images")
    share = page.locator("p", has_text="Entanglement, × random")
    before = share.inner_text()
    edge = field.evaluate(EDGE)
    lasso(page, (0.002, 0.004), (edge, 0.004), (edge, 0.996), (0.002, 0.996))
    expect(heading).not_to_have_text("Your set: 120 images")
    settle(page)
    rows = np.array(field.evaluate(ROWS))
    assert 2_900 < len(rows) < 3_100
    expect(heading).to_have_text(f"Your set: {len(rows):,} images")
    facts = describe(large, rows, "all").facts
    assert share.inner_text() != before and f"{facts.entanglement.share_of_random:.2g}" in share.inner_text()
    field.press("Control+z")
    expect(heading).to_have_text("Your set: 120 images")
    settle(page)
    assert share.inner_text() == before
