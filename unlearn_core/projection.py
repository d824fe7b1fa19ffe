"""Embeddings as points on a plane: PCA at once, UMAP in a job (it takes seconds to minutes, and to import)."""

from __future__ import annotations

import warnings

import numpy as np

# Up to so many images their exact neighbours are found faster than umap-learn's own search is compiled.
EXACT = 10_000


def pca(embeddings: np.ndarray) -> np.ndarray:
    """(n, 2) float32: the two directions of largest variance. Deterministic."""
    from sklearn.decomposition import PCA  # seconds on import

    return PCA(n_components=2, svd_solver="full").fit_transform(embeddings.astype(np.float64)).astype(np.float32)


def umap(embeddings: np.ndarray, neighbours: int = 15, min_dist: float = 0.1, seed: int = 0) -> np.ndarray:
    """(n, 2) float32 UMAP coordinates; the same seed gives the same map on the same kind of machine.

    Source: McInnes, Healy, Melville (2018), arXiv:1802.03426. Distances between far clusters mean little on such a map.
    """
    import umap as umap_learn  # compiles for seconds on import
    from sklearn.neighbors import NearestNeighbors

    neighbours, known = min(neighbours, len(embeddings) - 1), {}
    if len(embeddings) <= EXACT:
        # Each image is its own first neighbour, as umap-learn wants it.
        distances, rows = NearestNeighbors(n_neighbors=neighbours).fit(embeddings).kneighbors(embeddings)
        known = {"precomputed_knn": (rows.astype(np.int32), distances.astype(np.float32))}
    mapper = umap_learn.UMAP(n_neighbors=neighbours, min_dist=min_dist, random_state=seed, n_jobs=1, **known)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says that new points cannot be added later: none are
        return np.asarray(mapper.fit_transform(embeddings), dtype=np.float32)
