"""Maps: one point an image, the same each time, and what is apart stays apart."""

import sys
from types import SimpleNamespace

import numpy as np

from unlearn_core import projection
from unlearn_core.projection import pca, umap


def clouds(n=60, d=12):
    x = np.random.default_rng(0).normal(size=(n, d))
    x[n // 2 :, 0] += 30
    return x.astype(np.float32)


def separated(points):
    """Whether the two halves lie farther apart than either is wide."""
    halves = np.split(points.astype(float), 2)
    wide = max(np.linalg.norm(h - h.mean(0), axis=1).max() for h in halves)
    return np.linalg.norm(halves[0].mean(0) - halves[1].mean(0)) > wide


def test_pca_shows_the_directions_of_largest_variance():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 5)) * [9, 4, 1, 0.5, 0.1]
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    points = pca((z @ turn + 100).astype(np.float32))
    assert points.shape == (200, 2) and points.dtype == np.float32
    centred = (z - z.mean(0)) @ turn
    expected = np.sqrt(np.linalg.eigvalsh(np.cov(centred.T, bias=True))[::-1][:2])
    np.testing.assert_allclose(points.std(0), expected, rtol=1e-4)
    assert abs(np.corrcoef(points.T)[0, 1]) < 1e-4
    np.testing.assert_array_equal(points, pca((z @ turn + 100).astype(np.float32)))
    assert separated(pca(clouds()))


def test_umap_keeps_clusters_apart_and_can_be_repeated():
    points = umap(clouds())
    assert points.shape == (60, 2) and points.dtype == np.float32 and np.isfinite(points).all()
    assert separated(points)
    np.testing.assert_array_equal(points, umap(clouds()))
    assert not np.array_equal(points, umap(clouds(), seed=1))


class FirstColumns:
    """Stands for umap-learn, whose way of placing points takes half a minute to compile: the first two columns."""

    def __init__(self, **_):
        self.fitted = self.placed = 0

    def fit_transform(self, rows):
        self.fitted = len(rows)
        return rows[:, :2]

    def transform(self, rows):
        self.placed = len(rows)
        return rows[:, :2]


def test_many_images_are_placed_on_the_map_of_some(monkeypatch):
    """Beyond the limit the map is fitted on an even draw, and every image keeps its row."""
    embeddings, made = clouds(120), []
    monkeypatch.setattr(projection, "FITTED", 60)
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=lambda **_: made.append(FirstColumns()) or made[-1]))
    rows = projection.fitted_rows(120)
    assert len(set(rows)) == 60 and (np.diff(rows) > 0).all() and 20 < (rows < 60).sum() < 40
    np.testing.assert_array_equal(umap(embeddings), embeddings[:, :2])
    assert (made[0].fitted, made[0].placed) == (60, 60)
    own, placed = projection.shared("umap", embeddings, {"moved": embeddings + 1})
    np.testing.assert_array_equal(own, embeddings[:, :2])
    np.testing.assert_array_equal(placed["moved"], embeddings[:, :2] + 1)
    assert made[1].fitted == 60


def test_umap_takes_fewer_images_than_neighbours():
    assert np.isfinite(umap(clouds(10), neighbours=50)).all()
