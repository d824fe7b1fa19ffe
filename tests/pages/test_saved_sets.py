"""Saved forget sets on Explore: save, find again, lay beside each other, remove the name and undo that."""

import shutil

import numpy as np
import pytest

from pages.shared import chosen_set
from unlearn_core.experiment import OpenStudy, forget_sets
from unlearn_core.store import Store

SAVED = {"change": "Saved sets"}  # the tab, as the address names it


@pytest.fixture
def own(filled_store, study, tmp_path) -> OpenStudy:
    """The finished small study in a store of this test's own."""
    root = shutil.copytree(filled_store, tmp_path / "store")
    return OpenStudy.open(Store(root), study.key)


def button(at, label: str):
    return next(b for b in at.button if b.label == label)


def test_a_set_is_saved_found_and_taken_in_hand(open_page, own):
    at = open_page("explore", own.store.root, forget="2,4,6-9", **SAVED)
    assert "has no name yet" in "\n".join(m.value for m in at.markdown)
    at.text_input(key="sets.new").set_value("blurred *eights*")
    button(at, "Save as").click().run()
    assert not at.exception and "saved as **blurred \\*eights\\*\\*" not in at.markdown[0].value
    (one,) = forget_sets.listed(own)
    assert (one.name, one.images) == ("blurred *eights*", 6)

    # Somebody else, in another visit, with the study's own set in hand.
    at = open_page("explore", own.store.root, **SAVED)
    table = next(frame.value for frame in at.dataframe if "in your set" in frame.value)
    assert table["set"].tolist() == ["Your set", "blurred *eights*"] and table["images"].tolist() == [30, 6]
    shared = len(np.intersect1d(own.forget, [2, 4, 6, 7, 8, 9]))
    assert table["in your set"].tolist() == [30, shared]
    button(at, "Use these 6 as the set").click().run()
    assert at.query_params["forget"] == "2,4,6-9" or at.query_params["forget"] == ["2,4,6-9"]
    assert at.subheader[0].value == "Your set: 6 images"

    button(at, "Remove the name").click().run()
    assert forget_sets.listed(own) == []
    button(at, "Undo the removal").click().run()
    assert [one.name for one in forget_sets.listed(own)] == ["blurred *eights*"]
    assert not [b for b in at.button if b.label == "Undo the removal"]


def test_a_name_that_cannot_be_is_one_sentence(open_page, own):
    at = open_page("explore", own.store.root, forget="2,4,6-9", **SAVED)
    button(at, "Save as").click().run()
    assert "Give the set a name" in at.error[0].value and forget_sets.listed(own) == []


def test_each_saved_set_is_read_once(open_page, own, monkeypatch):
    for i in range(5):
        forget_sets.give_name(own, np.arange(i, 20), f"set {i}")
    opened, honest = [], Store.open

    def counted(self, kind, key):
        opened.append(kind)
        return honest(self, kind, key)

    monkeypatch.setattr(Store, "open", counted)
    at = open_page("explore", own.store.root, forget="2,4,6-9", **SAVED)
    table = next(frame.value for frame in at.dataframe if "in your set" in frame.value)
    assert len(table) == 6 and opened.count("KeptSet") == 5


def test_a_link_by_hash_brings_the_set_back(open_page, own):
    key = forget_sets.keep(own, np.array([2, 4, 6, 7, 8, 9]))
    at = open_page("explore", own.store.root, set=key)
    assert at.subheader[0].value == "Your set: 6 images"
    at = open_page("explore", own.store.root, set="0" * 32)
    assert "cannot be used" in at.warning[0].value
    assert at.subheader[0].value == f"Your set: {len(own.forget)} images"


def test_a_long_set_is_in_the_address_by_its_hash(open_page, own, monkeypatch):
    monkeypatch.setattr(chosen_set, "ADDRESS", 10)
    rows = np.arange(0, 100, 2)
    at = open_page("explore", own.store.root, set=forget_sets.keep(own, rows))
    assert "forget" not in at.query_params
    key = at.query_params["set"]
    at = open_page("plan", own.store.root, set=key if isinstance(key, str) else key[0])
    assert "your set of 50 images" in at.markdown[0].value


def hand(at) -> list[str]:
    """What the sidebar says of the set in hand."""
    return [e.proto.label for e in at.sidebar.get("page_link") if e.proto.label.startswith("In hand")]


def test_every_page_says_which_other_set_is_in_hand(open_page, own, monkeypatch):
    at = open_page("explore", own.store.root)
    assert hand(at) == []  # the study's own
    at = open_page("explore", own.store.root, forget="2,4,6-9")
    assert hand(at) == ["In hand: your set of 6 images"]
    forget_sets.give_name(own, np.array([2, 4, 6, 7, 8, 9]), "blurred *eights*")
    kept = forget_sets.key_of(own, np.array([2, 4, 6, 7, 8, 9]))
    monkeypatch.setattr(forget_sets, "key_of", lambda *_: pytest.fail("made anew"))
    for name in ("compare", "runs", "plan"):
        del at.query_params["forget"]  # a link in the sidebar names no set
        at.switch_page(f"pages/{name}.py").run()
        assert not at.exception and hand(at) == [f"In hand: **blurred \\*eights\\***, 6 images #{kept[:4]}"]
        assert ("forget" in at.query_params) == (name == "plan")  # which draws the set itself
        at.query_params["forget"] = ""
    monkeypatch.undo()
    monkeypatch.setenv("UNLEARN_STORE", str(own.store.root))
    at.switch_page("pages/explore.py").run()
    button(at, "Undo").click().run()
    assert hand(at) == []


def test_a_long_set_that_is_kept_is_named_by_its_key(open_page, own, monkeypatch):
    rows = np.arange(0, 600, 2)
    monkeypatch.setattr(chosen_set, "ADDRESS", 100)
    kept = forget_sets.keep(own, rows)
    at = open_page("explore", own.store.root, set=kept)
    assert hand(at) == [f"In hand: your set of 300 images #{kept[:4]}"]
    assert "A link to this page does not" not in "\n".join(c.value for c in at.caption)


def test_a_viewer_is_told_where_a_link_leaves_the_set_behind(open_page, own, monkeypatch):
    said = "A link to this page does not bring your set back"
    rows = ",".join(map(str, range(0, 600, 2)))
    at = open_page("explore", own.store.root, forget=rows)
    assert not [c for c in at.caption if c.value.startswith(said)]  # a runner's is kept
    monkeypatch.setenv("UNLEARN_ROLE", "viewer")
    monkeypatch.setattr(chosen_set, "ADDRESS", 100)
    at = open_page("explore", own.store.root, forget=rows.replace("0,2,4,", "", 1))
    assert "forget" not in at.query_params and "set" not in at.query_params
    assert len([c for c in at.caption if c.value.startswith(said)]) == 1
    assert hand(at) == ["In hand: your set of 297 images"]
    assert not [c for c in open_page("explore", own.store.root).caption if c.value.startswith(said)]
