"""Several models on one map: rotations that are taken out, movements that are not, and what retraining moves."""

import shutil

import numpy as np
import pytest

from unlearn_core import projection
from unlearn_core.experiment import Embedding, OpenStudy, fulfil, shared_map
from unlearn_core.params import BadValue
from unlearn_core.store import Store


@pytest.fixture(scope="module")
def study(filled_store, filled_study, tmp_path_factory):
    root = tmp_path_factory.mktemp("maps") / "store"
    shutil.copytree(filled_store, root)
    store = Store(root)
    return OpenStudy(store, fulfil(store, filled_study))


@pytest.fixture(scope="module")
def moved(study):
    assert shared_map.finished(study, "fine-tune", "pca") is None
    fulfil(study.store, shared_map.asked(study, "fine-tune", "pca"))
    return shared_map.finished(study, "fine-tune", "pca")


def cloud(n=80, d=6):
    return np.random.default_rng(0).normal(size=(n, d)) * [9, 5, 3, 2, 1, 1]


def test_a_turned_mirrored_and_shifted_copy_is_laid_back():
    x, by = cloud(), np.arange(0, 80, 2)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    for matrix in (turn, -turn, np.eye(6)[np.random.default_rng(2).permutation(6)]):
        assert np.allclose(projection.align(x @ matrix + 40, x, by), x)


def test_what_really_moved_still_has_and_no_distance_changes():
    x, by = cloud(), np.arange(60)
    other = x.copy()
    other[70] += [0, 0, 20, 0, 0, 0]
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    laid = projection.align(other @ turn, x, by)
    far = np.linalg.norm(laid - x, axis=1)
    assert far[70] == pytest.approx(20) and np.delete(far, 70).max() < 1e-9
    noisy = x + np.random.default_rng(3).normal(size=x.shape)
    laid = projection.align(noisy, 3 * x, by)
    assert np.allclose(np.linalg.norm(laid[1:] - laid[:-1], axis=1), np.linalg.norm(noisy[1:] - noisy[:-1], axis=1))
    assert np.linalg.norm(projection.align(noisy, x, by)[by] - x[by]) <= np.linalg.norm((noisy - x)[by])


@pytest.mark.parametrize("other", [cloud(80, 6)[:, :5], cloud()[:70], np.full((80, 6), np.nan)])
def test_what_cannot_be_laid_over_is_refused(other):
    with pytest.raises(BadValue):
        projection.align(other, cloud(), np.arange(80))
    with pytest.raises(BadValue):
        projection.align(cloud(), cloud(), np.arange(0))


def test_the_map_is_fitted_on_the_first_alone():
    x = cloud()
    own, others = projection.shared("pca", x, {"same": x, "few": x[:3] + 100})
    assert np.allclose(own, projection.pca(x), atol=1e-4) and np.allclose(others["same"], own, atol=1e-4)
    assert others["few"].shape == (3, 2) and own.dtype == np.float32
    again, _ = projection.shared("pca", x, {})
    assert np.array_equal(own, again)
    with pytest.raises(BadValue):
        projection.shared("t-SNE", x, {})


def test_places_and_movements_of_every_image(study, moved):
    n = len(study.labels)
    assert {name: x.shape for name, x in moved.places.items()} == dict.fromkeys(
        ("original", "unlearned", "retrained", "again"), (n, 2)
    )
    assert {name: x.shape for name, x in moved.moved.items()} == dict.fromkeys(
        ("unlearned", "retrained", "floor"), (3, n)
    )
    assert all((x >= 0).all() for x in moved.moved.values())
    own = fulfil(study.store, Embedding(training=study.spec.training)).arrays()["train"]
    assert np.allclose(moved.places["original"], projection.pca(own), atol=1e-3)
    # On the plane nothing moves further than in the full space.
    on_plane = np.linalg.norm(moved.places["unlearned"] - moved.places["original"], axis=1)
    assert (on_plane <= moved.moved["unlearned"][0] + 1e-3).all()


def test_highlighted_images_by_hand(study, moved):
    shown = moved.shown
    wrong = study.logits("fine-tune", 0)["train"].argmax(1) != study.labels
    assert sorted([*shown["forgotten"], *shown["recognised"]]) == shown["forget"].tolist() == study.forget.tolist()
    assert wrong[shown["forgotten"]].all() and not wrong[shown["recognised"]].any()
    assert wrong[shown["damage"]].all() and not np.isin(shown["damage"], study.forget).any()


def test_multiples_of_what_retraining_moves_and_who_is_beyond_it(study):
    n, forget, kept = len(study.labels), study.forget, study.target.retain
    usual = np.tile(np.linspace(1, 3, n), (3, 1))
    unlearned = 2 * usual
    unlearned[:, forget] = 20
    made = shared_map.Moved(study, "fine-tune", {}, {"unlearned": unlearned, "retrained": usual, "floor": 5 * usual})
    assert made.times_kept("unlearned", "retain").mean == pytest.approx(2)
    assert made.times_kept("unlearned", "forget").mean == pytest.approx(20 / np.median(usual[0, kept]))
    assert made.times_kept("retrained", "retain").mean == 1
    assert made.times_kept("floor", "retain").mean == pytest.approx(5)
    # Of the kept images one in twenty lies beyond what retraining moves them by, and the floor plays no part in it.
    assert made.beyond("retrained")[kept].sum() == pytest.approx(0.05 * len(kept), abs=1)
    assert made.beyond()[forget].all() and 0.5 < made.beyond()[kept].mean() < 1
    assert made.share_beyond("unlearned", "forget") == 1.0
    assert made.share_beyond("retrained", "retain") == pytest.approx(0.05, abs=1 / len(kept))
    still = shared_map.Moved(study, "fine-tune", {}, {"unlearned": 0 * usual, "retrained": 0 * usual})
    assert still.times_kept("unlearned", "forget").mean is None and not still.beyond().any()


def test_the_furthest_of_some_images_are_those_beyond_it(study, moved):
    rows, beyond = study.forget, moved.beyond()
    found = moved.furthest(rows, "unlearned", 1000)
    assert set(found) == set(rows[beyond[rows]]) and len(found)
    assert (np.diff(moved.moved["unlearned"][0, found]) <= 0).all()
    assert np.array_equal(moved.furthest(rows[::-1], "unlearned", 3), found[:3])
    everyone = np.arange(len(study.labels))
    assert set(moved.furthest(everyone, "retrained", 10**6)) == set(np.flatnonzero(moved.beyond("retrained")))
    assert not len(moved.furthest(rows[:0], "unlearned", 3))


def test_movements_compared_have_the_same_first_weights(study, moved):
    """The retrained models in the place of the unlearned ones read as retraining does, and less than the floor."""
    as_retrained = moved.moved | {"unlearned": moved.moved["retrained"]}
    same = shared_map.Moved(study, "fine-tune", moved.places, as_retrained)
    assert np.array_equal(same.beyond(), same.beyond("retrained")) and same.times_kept("unlearned", "retain").mean == 1
    assert moved.times_kept("floor", "retain").mean > 1


@pytest.mark.parametrize(("method", "kind"), [("nonsense", "pca"), ("retrained", "pca"), ("rum", "t-SNE")])
def test_what_there_is_no_map_of_is_refused(study, method, kind):
    with pytest.raises(BadValue):
        shared_map.asked(study, method, kind)
