"""Embeddings as points on a plane: PCA at once, UMAP in a job (it takes seconds to minutes, and to import)."""

from __future__ import annotations

import warnings

import numpy as np

from unlearn_core.params import BadValue

# Up to so many images their exact neighbours are found faster than umap-learn's own search is compiled.
EXACT = 10_000
# More images than this are laid out by this many of them, drawn evenly; the others are placed among these.
FITTED = 50_000


def pca(embeddings: np.ndarray) -> np.ndarray:
    """(n, 2) float32: the two directions of largest variance. Deterministic."""
    from sklearn.decomposition import PCA  # seconds on import

    return PCA(n_components=2, svd_solver="full").fit_transform(embeddings.astype(np.float64)).astype(np.float32)


def fitted_rows(n: int, seed: int = 0) -> np.ndarray:
    """The rows that a UMAP of n rows is fitted on, sorted: all of them, or FITTED drawn evenly by the seed."""
    if n <= FITTED:
        return np.arange(n)
    return np.sort(np.random.default_rng([seed, 0x3A]).choice(n, FITTED, replace=False))


def umap(embeddings: np.ndarray, neighbours: int = 15, min_dist: float = 0.5, seed: int = 0) -> np.ndarray:
    """(n, 2) float32 UMAP coordinates; the same seed gives the same map on the same kind of machine. Of more than
    FITTED rows the map is fitted on fitted_rows, and the others are placed on it.

    `min_dist` is how closely points may lie: from 0.1 to 0.5 a map of digits kept the same share of neighbours, 56 %,
    and its images no longer lay on heaps.

    Source: McInnes, Healy, Melville (2018), arXiv:1802.03426. Distances between far clusters mean little on such a map.
    """
    from sklearn.neighbors import NearestNeighbors

    neighbours, known = min(neighbours, len(embeddings) - 1), {}
    if len(embeddings) <= EXACT:
        # Each image is its own first neighbour, as umap-learn wants it.
        distances, rows = NearestNeighbors(n_neighbors=neighbours).fit(embeddings).kneighbors(embeddings)
        known = {"precomputed_knn": (rows.astype(np.int32), distances.astype(np.float32))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that points cannot be added where neighbours are known: none are
        return _laid_out(embeddings, neighbours, min_dist, seed, **known)[0]


def _laid_out(embeddings: np.ndarray, neighbours: int, min_dist: float, seed: int, **known):
    """The place of every row, (n, 2) float32, and the fitted map."""
    import umap as umap_learn  # compiles for seconds on import

    mapper = umap_learn.UMAP(n_neighbors=neighbours, min_dist=min_dist, random_state=seed, n_jobs=1, **known)
    first, found = fitted_rows(len(embeddings), seed), np.empty((len(embeddings), 2), np.float32)
    found[first] = mapper.fit_transform(embeddings[first])
    others = np.setdiff1d(np.arange(len(embeddings)), first)
    if len(others):
        found[others] = mapper.transform(embeddings[others])
    return found, mapper


# -- several models on one map -----------------------------------------------------------------------------------------


def align(points: np.ndarray, onto: np.ndarray, by: np.ndarray) -> np.ndarray:
    """(n, D) float64: `points` turned, mirrored and shifted so that the rows `by` come to lie nearest to those of
    `onto`.

    Features of two models live in spaces of their own: even the same training with another seed numbers its features
    in another order. An orthogonal map takes out what is no difference, and changes no distance between images; scale
    is left, because shrinking is a difference. Raises BadValue for other shapes, no rows, and what is no finite number.
    Source: Schönemann (1966), "A generalized solution of the orthogonal Procrustes problem".
    """
    a, b = np.asarray(points, np.float64), np.asarray(onto, np.float64)
    if a.ndim != 2 or a.shape != b.shape or not len(by):
        raise BadValue("These models have features of different sizes, so they cannot be laid over each other.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise BadValue("A feature is not a finite number, so the models cannot be laid over each other.")
    middle_a, middle_b = a[by].mean(axis=0), b[by].mean(axis=0)
    left, _, right = np.linalg.svd((a[by] - middle_a).T @ (b[by] - middle_b))
    return (a - middle_a) @ (left @ right) + middle_b


def shared(
    kind: str,
    first: np.ndarray,
    others: dict[str, np.ndarray],
    neighbours: int = 15,
    min_dist: float = 0.5,
    seed: int = 0,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(n, 2) float32 places of `first` by "pca" or "umap", and of each of the `others` (m, D) on the very same map: it
    is fitted once, on `first`. Raises BadValue for another kind.
    """
    if kind == "pca":
        from sklearn.decomposition import PCA  # seconds on import

        fitted = PCA(n_components=2, svd_solver="full").fit(first.astype(np.float64))
        place = fitted.transform
        own = place(first)
    elif kind == "umap":
        own, fitted = _laid_out(first.astype(np.float32), min(neighbours, len(first) - 1), min_dist, seed)
        place = fitted.transform
    else:
        raise BadValue(f"A map is made by pca or umap, not by {kind[:40]!r}.")
    found = {name: np.asarray(place(points.astype(first.dtype)), np.float32) for name, points in others.items()}
    return np.asarray(own, np.float32), found
