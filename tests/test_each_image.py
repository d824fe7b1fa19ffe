"""Image by image: what is averaged over seeds, who comes first, and what stands out from the noise."""

import numpy as np
import pytest

from unlearn_core.attacks.signals import confidence
from unlearn_core.experiment import OpenStudy, each_image, studies
from unlearn_core.params import BadValue
from unlearn_core.store import Store


@pytest.fixture
def study(filled_store) -> OpenStudy:
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


@pytest.mark.parametrize("group", each_image.GROUPS)
def test_every_image_once_the_furthest_first(study, group):
    table = each_image.images(study, "rum", group)
    assert sorted(table["row"]) == sorted(getattr(study.target, group))
    assert table["gap"].abs().is_monotonic_decreasing
    assert np.allclose(table["gap"], table["unlearned"] - table["retrained"])
    line = table.iloc[0]
    row = np.array([line["row"]])
    by_hand = [confidence(study.logits("rum", s)["train"][row], study.labels[row])[0] for s in range(3)]
    assert line["unlearned"] == pytest.approx(np.mean(by_hand))
    assert line["class"] == study.classes[study.labels[row[0]]]


def test_parts_are_those_of_the_study(study):
    table = each_image.images(study, "rum").set_index("row")
    for part, rows in study.parts.items():
        assert (table.loc[rows, "part"] == part).all()
    assert (each_image.images(study, "rum", "retain")["part"] == "").all()


def test_two_retrained_models_never_stand_out(study):
    for group in each_image.GROUPS:
        assert not each_image.images(study, "retrained-again", group)["stands_out"].any()
        assert not each_image.images(study, "retrained", group)["gap"].any()


def test_one_image_that_is_planted_stands_out_alone(study, monkeypatch):
    logits = {"train": study.logits("retrained", 0)["train"]}
    hit = int(study.forget[4])

    def planted(method, seed):
        own = logits["train"].copy()
        if method == "rum":
            own[hit] = 40 * np.eye(10)[(study.labels[hit] + 1) % 10]
        return {"train": own}

    sure = confidence(logits["train"][[hit]], study.labels[[hit]])[0]
    monkeypatch.setattr(study, "logits", planted)
    table = each_image.images(study, "rum")
    assert table["row"].iloc[0] == hit and table["gap"].iloc[0] == pytest.approx(-sure)
    assert table["stands_out"].tolist() == [True] + [False] * (len(table) - 1)


def test_the_nearest_forgotten_image_of_a_forgotten_one_is_itself(study):
    rows, distances = each_image.nearest_forgotten(study, study.forget)
    assert np.array_equal(rows, study.forget) and not distances.any()


def test_a_side_holds_what_is_below_or_above_retraining_in_the_same_order(study):
    table = each_image.images(study, "rum", "retain")
    worse, better = (each_image.on_side(table, side)["gap"] for side in ("worse", "better"))
    assert (worse < 0).all() and worse.is_monotonic_increasing and worse.iloc[0] == table["gap"].min()
    assert (better > 0).all() and better.is_monotonic_decreasing
    assert len(worse) + len(better) + (table["gap"] == 0).sum() == len(each_image.on_side(table, "all"))


def test_another_group_or_side_is_refused(study):
    with pytest.raises(BadValue):
        each_image.images(study, "rum", "test")
    with pytest.raises(BadValue):
        each_image.on_side(each_image.images(study, "rum"), "bad")
