"""Plans kept under their names: what is saved comes back, and nothing else does."""

import json
import threading

import pytest

from unlearn_core import trash
from unlearn_core.disk import StoreError
from unlearn_core.experiment.saved_plans import FOLDER, remove, save, saved
from unlearn_core.params import BadValue, plain
from unlearn_core.rum import Plan
from unlearn_core.training import Training
from unlearn_core.unlearning import SalUn


def test_what_is_saved_comes_back_by_name(store):
    assert saved(store) == []
    first, second = Plan(name="b", high=SalUn()), Plan(name="A", order=("high", "medium", "low"))
    assert (save(store, first), save(store, second)) == (False, False)
    assert saved(store) == [second, first]
    assert save(store, Plan(name="B")) is True  # the same name in other letters
    assert saved(store) == [second, Plan(name="B")]
    remove(store, "a")
    remove(store, "never was")
    assert saved(store) == [Plan(name="B")]


def test_saving_the_same_plan_again_replaces_nothing(store):
    assert (save(store, Plan()), save(store, Plan()), save(store, Plan(high=SalUn()))) == (False, False, True)


def test_a_plan_that_makes_room_is_in_the_trash_and_comes_back(store):
    save(store, Plan(name="mine", low_cut=0.2))
    assert save(store, Plan(name="Mine"), by="ada@lab.example") and save(store, Plan(name="Mine")) is False
    (entry,) = trash.entries(store)
    assert (entry.kind, entry.title, entry.by) == ("Plan", "Mine", "ada@lab.example")
    remove(store, "mine")
    trash.restore(store, entry.id)
    assert saved(store) == [Plan(name="mine", low_cut=0.2)]
    (file,) = (store.root / FOLDER).iterdir()
    later = json.dumps(plain(Plan(name="mine")) | {"version": 99})
    file.write_text(later)  # which this version does not list
    with pytest.raises(BadValue, match="Another plan is kept as mine"):
        save(store, Plan(name="mine"), replace=False)
    assert saved(store) == [] and file.read_text() == later
    assert save(store, Plan(name="mine")) and saved(store) == [Plan(name="mine")]
    (kept,) = (store.root / "trash" / trash.entries(store)[0].id).glob("plans.*")
    assert kept.read_text() == later


def test_of_two_who_save_at_once_the_second_is_told(store):
    plans = [Plan(name="mine", high=SalUn(lr=lr)) for lr in (0.01, 0.02, 0.03, 0.04, 0.05, 0.06)]
    start, said = threading.Barrier(len(plans)), []

    def keep(plan):
        start.wait(30)
        said.append(save(store, plan))

    crowd = [threading.Thread(target=keep, args=(plan,)) for plan in plans]
    for person in crowd:
        person.start()
    for person in crowd:
        person.join()
    assert sorted(said) == [False] + [True] * (len(plans) - 1)
    assert len(saved(store)) == 1 and saved(store)[0] in plans
    assert len(trash.entries(store)) == len(plans) - 1


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "a" * 5000, "\u202e", "con.json", ""])
def test_a_name_never_says_where_its_file_lies(store, name):
    save(store, Plan(name=name))
    assert saved(store) == [Plan(name=name)]
    assert len(list((store.root / FOLDER).iterdir())) == 1


def test_what_is_no_plan_is_passed_over(store):
    save(store, Plan())
    old = plain(Plan()) | {"version": 99}
    for i, text in enumerate(["{", "null", "[" * 20_000, json.dumps(plain(Training())), json.dumps(old), "\ud800"]):
        (store.root / FOLDER / f"{i}.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert saved(store) == [Plan()]


def test_a_store_that_cannot_be_written_says_so(store):
    (store.root / FOLDER).write_text("in the way")
    with pytest.raises(StoreError, match="cannot be saved"):
        save(store, Plan())
