"""Forget sets that can be found again: the same rows under the same key, names that go without the set going."""

import json
import shutil
import threading

import numpy as np
import pytest

from unlearn_core.disk import StoreError
from unlearn_core.experiment import OpenStudy, forget_sets, studies
from unlearn_core.experiment.forget_sets import FILE, LONGEST, KeptSet
from unlearn_core.params import BadValue
from unlearn_core.store import Store

ROWS = np.array([2, 4, 6, 7, 8, 9])


@pytest.fixture
def study(filled_store, tmp_path) -> OpenStudy:
    """The finished small study, in a copy of its store."""
    store = Store(shutil.copytree(filled_store, tmp_path / "store"))
    return OpenStudy.open(store, studies(store)[0].key)


def test_a_key_brings_the_rows_back(study):
    key = forget_sets.keep(study, ROWS)
    assert key == forget_sets.key_of(study, ROWS) == forget_sets.keep(study, ROWS)
    assert forget_sets.rows_of(study, key).tolist() == ROWS.tolist()
    assert forget_sets.keep(study, ROWS[:-1]) != key
    again = OpenStudy.open(Store(study.store.root), study.key)
    assert forget_sets.rows_of(again, key).tolist() == ROWS.tolist()


@pytest.mark.parametrize("rows", [np.zeros(0, int), None])
def test_none_and_all_cannot_be_kept(study, rows):
    with pytest.raises(BadValue, match="forget set"):
        forget_sets.keep(study, np.arange(len(study.labels)) if rows is None else rows)


@pytest.mark.parametrize("key", ["", "x", "0" * 32, "../../etc", "a" * 500])
def test_a_key_of_nothing(study, key):
    with pytest.raises(BadValue, match="is kept in this store") as error:
        forget_sets.rows_of(study, key)
    assert len(str(error.value)) < 120


def test_rows_of_other_images_are_refused_and_not_listed(study):
    other = KeptSet(data=study.spec.training.data.but(seed=7), named="1-3")
    result = forget_sets.fulfil(study.store, other)
    with pytest.raises(BadValue, match="another dataset"):
        forget_sets.rows_of(study, result.key)
    (study.store.root / FILE).write_text(json.dumps({result.key: {"name": "elsewhere", "since": 1.0}}))
    assert forget_sets.listed(study) == [] and forget_sets.names_of(study.store, study.spec.training.data) == {}
    forget_sets.give_name(study, ROWS, "elsewhere")  # another dataset may have a set of this name
    assert len(json.loads((study.store.root / FILE).read_text())) == 2


def test_names_come_and_go_and_the_set_stays(study):
    assert forget_sets.listed(study) == []
    first = forget_sets.give_name(study, ROWS, "  odd   ones ")
    second = forget_sets.give_name(study, ROWS[:3], "_a_ <b>")
    assert [one.name for one in forget_sets.listed(study)] == ["_a_ <b>", "odd ones"]
    assert [one.images for one in forget_sets.listed(study)] == [3, 6]

    forget_sets.give_name(study, ROWS, "other")  # a set has one name
    assert [one.name for one in forget_sets.listed(study)] == ["other", "_a_ <b>"]
    assert forget_sets.take_name(study, second.key) == "_a_ <b>" and forget_sets.take_name(study, second.key) == ""
    assert [one.key for one in forget_sets.listed(study)] == [first.key]
    assert forget_sets.rows_of(study, second.key).tolist() == ROWS[:3].tolist()


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "x" * (LONGEST + 1)])
def test_a_name_that_is_none(study, name):
    with pytest.raises(BadValue, match="(?i)name"):
        forget_sets.give_name(study, ROWS, name)
    assert forget_sets.listed(study) == []


def test_two_sets_cannot_have_one_name(study):
    forget_sets.give_name(study, ROWS, "Blurred")
    with pytest.raises(BadValue, match="Another set has the name blurred"):
        forget_sets.give_name(study, ROWS[:2], "blurred")
    forget_sets.give_name(study, ROWS, "blurred")  # its own may be spelled anew


def test_of_two_who_give_one_name_at_once_one_is_refused(study, monkeypatch):
    """All are past every look that is taken before the file of names is written."""
    people, honest = 6, forget_sets.keep
    met = threading.Barrier(people)

    def keep(*args):
        kept = honest(*args)
        met.wait(30)
        return kept

    monkeypatch.setattr(forget_sets, "keep", keep)
    said = []

    def save(i):
        try:
            said.append(forget_sets.give_name(study, ROWS[i:], "mine"))
        except BadValue as error:
            said.append(str(error))

    crowd = [threading.Thread(target=save, args=(i,)) for i in range(people)]
    for person in crowd:
        person.start()
    for person in crowd:
        person.join()
    (one,) = forget_sets.listed(study)
    assert [s for s in said if isinstance(s, forget_sets.Named)] == [one]
    assert sum("Another set has the name" in str(s) for s in said) == people - 1


def test_each_named_set_is_read_once(study, monkeypatch):
    for i in range(4):
        forget_sets.give_name(study, ROWS[i:], f"set {i}")
    opened, honest = [], Store.open
    monkeypatch.setattr(Store, "open", lambda self, kind, key: opened.append(kind) or honest(self, kind, key))
    named = forget_sets.listed(study)
    assert opened == ["KeptSet"] * 4 and [one.rows.tolist() for one in reversed(named)] == [
        ROWS[i:].tolist() for i in range(4)
    ]
    forget_sets.beside(study, ROWS, named)
    assert opened == ["KeptSet"] * 4


def test_names_from_elsewhere_stand_behind_those_that_are_here(study):
    data = study.spec.training.data
    here = forget_sets.give_name(study, ROWS, "a" * LONGEST)
    keys = [forget_sets.keep(study, ROWS[i:]) for i in range(3)]
    brought = {key: {"name": "A" * LONGEST, "since": 7.0} for key in keys}
    forget_sets.bring_names(study.store, data, brought)
    forget_sets.bring_names(study.store, data, brought)  # once is enough
    found = {one.key: one.name for one in forget_sets.listed(study)}
    assert found[here.key] == "a" * LONGEST and set(found) == set(keys)
    assert {found[key] for key in keys[1:]} == {"A" * (LONGEST - 2) + " 2", "A" * (LONGEST - 2) + " 3"}


def test_a_damaged_file_of_names_is_one_sentence(study):
    (study.store.root / FILE).write_text('{"a": 3}')
    with pytest.raises(StoreError, match="damaged"):
        forget_sets.listed(study)


def test_sets_beside_each_other(study):
    named = [forget_sets.give_name(study, rows, name) for rows, name in ((ROWS[2:], "part"), (ROWS, "same"))]
    mine, part, same = forget_sets.beside(study, ROWS, named).to_dict("records")
    assert (mine["images"], mine["shared"], part["images"], part["shared"], same["shared"]) == (6, 6, 4, 4, 6)
    assert part["memorization"] == pytest.approx(study.memorization.scores[ROWS[2:]].mean())
    assert same["share_of_random"] == mine["share_of_random"] != part["share_of_random"]
    assert np.isnan(mine["since"]) and part["key"] == named[0].key
