"""Which class is taken for which: shares, their gaps to retraining, and what stands out from the noise."""

import numpy as np
import pytest

from unlearn_core import evaluation
from unlearn_core.experiment import OpenStudy, predictions, studies
from unlearn_core.experiment import comparison as core
from unlearn_core.params import BadValue
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def study(filled_store) -> OpenStudy:
    store = Store(filled_store)
    return OpenStudy.open(store, studies(store)[0].key)


def test_shares_by_hand():
    found = predictions.shares(np.array([[0, 1, 1, 1], [0, 0, 1, 0]]), np.array([0, 0, 1, 1]), 3)
    assert found.shape == (2, 4, 3)
    assert found[0, :2].tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]
    assert found[1, :2].tolist() == [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    assert np.isnan(found[:, 2]).all()
    assert found[0, 3].tolist() == [0.25, 0.75, 0.0]


def test_the_order_of_images_does_not_matter_and_renaming_classes_moves_the_cells():
    rng = np.random.default_rng(0)
    predicted, rows = rng.integers(0, 4, (3, 50)), rng.integers(0, 4, 50)
    order, names = rng.permutation(50), rng.permutation(4)
    found = predictions.shares(predicted, rows, 4)
    assert np.array_equal(found, predictions.shares(predicted[:, order], rows[order], 4))
    renamed = predictions.shares(names[predicted], names[rows], 4)
    assert np.array_equal(renamed[:, names][:, :, names], found[:, :4])


@pytest.mark.parametrize(
    ("predicted", "rows"),
    [(np.array([0, 1]), np.array([0, 1])), (np.array([[0, 1]]), np.array([0])), (np.array([[0, 2]]), np.array([0, 1]))],
)
def test_what_names_no_class_is_refused(predicted, rows):
    with pytest.raises(BadValue):
        predictions.shares(predicted, rows, 2)


@pytest.mark.parametrize("unknown", [0, 1, 2, 3])
def test_intervals_are_those_of_one_number(unknown):
    values = np.random.default_rng(unknown).normal(size=(3, 2, 2))
    values[:unknown, 0, 1] = np.nan
    mean, half = predictions.over_seeds(values)
    for i, j in np.ndindex(2, 2):
        told = evaluation.over_seeds([None if np.isnan(v) else v for v in values[:, i, j]])
        assert [mean[i, j], half[i, j]] == pytest.approx(
            [np.nan if v is None else v for v in (told.mean, told.half_width)], nan_ok=True
        )


@pytest.mark.parametrize("group", predictions.GROUPS)
def test_the_diagonal_is_the_accuracy_of_the_study(study, group):
    found = predictions.matrices(study, ["rum", core.RETRAINED], group)
    for method, matrix in found.items():
        right = (matrix.images[:-1] * np.nan_to_num(np.diagonal(matrix.shares))).sum() / matrix.images[-1]
        assert right == pytest.approx(study.means(f"{group}_accuracy").loc[method, "mean"])
        filled = matrix.images > 0
        assert np.allclose(matrix.shares[filled].sum(axis=1), 1) and np.isnan(matrix.shares[~filled]).all()
        assert np.allclose(np.nan_to_num(matrix.gap).sum(axis=1), 0)


def test_the_original_agrees_with_itself_and_the_retrained_has_no_gap(study):
    matrix = predictions.matrices(study, [core.ORIGINAL], "test", "original")[core.ORIGINAL]
    filled = matrix.images[:-1] > 0
    assert np.array_equal(matrix.shares[:-1][filled], np.eye(10)[filled])
    retrained = predictions.matrices(study, [core.RETRAINED], "test")[core.RETRAINED]
    assert not np.nan_to_num(retrained.gap).any() and predictions.widest(retrained, study.classes) is None


def test_a_second_retrained_model_never_stands_out_from_itself(study):
    for group in predictions.GROUPS:
        assert not predictions.matrices(study, [core.CEILING], group)[core.CEILING].stands_out.any()


def test_a_class_that_is_always_mistaken_stands_out(study, monkeypatch):
    """Every image of class 3 taken for 8: found, named, and nothing else is."""
    real = study.logits
    predicted = real("retrained", 0)["test"].copy()

    def planted(method, seed):
        logits = {"train": real("retrained", 0)["train"], "test": predicted.copy()}
        if method == "rum":
            logits["test"][study.target.test_labels == 3] = np.eye(10)[8]
        return logits

    monkeypatch.setattr(study, "logits", planted)
    matrix = predictions.matrices(study, ["rum"], "test")["rum"]
    row, column, gap, half = predictions.widest(matrix, study.classes)
    assert row == "3" and column in ("3", "8") and abs(gap) > 0.8 and half == 0
    assert set(np.flatnonzero(matrix.stands_out.any(axis=1))) == {3, 10}


def test_another_group_is_refused(study):
    with pytest.raises(BadValue):
        predictions.matrices(study, ["rum"], "validation")


def test_first_to_look_at_are_the_plan_the_best_single_and_the_closest_or_the_shuffled_control(study):
    order = core.ranked(study, "group_tow")
    best = [order.index[order["kind"] == kind][0] for kind in ("plan", "single")]
    third = "rum-shuffle" if order.index[0] in best else order.index[0]
    assert core.default_picks(study) == [*best, third]


@pytest.mark.parametrize("kind", ["single", "plan"])
def test_where_kinds_are_missing_the_next_best_take_their_places(filled_store, kind):
    store = Store(filled_store)
    study = OpenStudy.open(store, studies(store)[0].key)
    study.table = study.table[study.table["kind"].isin(["reference", kind])]
    study.summary["plans_against_best_single"] = []
    assert core.default_picks(study) == list(core.ranked(study, "group_tow").index)[:3]
