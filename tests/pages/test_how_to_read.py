"""Every page says in a few sentences how it is read."""

import re
from pathlib import Path

import pytest

from pages.shared.how_to_read import TEXTS

TITLES = dict(re.findall(r'st\.Page\("pages/(\w+)\.py", title="(\w+)"', Path("app.py").read_text()))


def test_each_page_has_its_sentences_and_no_other():
    assert set(TITLES.values()) == set(TEXTS)
    assert all(2 <= text.count(". ") + 1 <= 5 for text in TEXTS.values())


@pytest.mark.parametrize("name", TITLES)
def test_the_sentences_stand_on_the_page(open_page, filled_store, name):
    at = open_page(name, filled_store)
    assert any(m.value == TEXTS[TITLES[name]] for m in at.sidebar.markdown)
