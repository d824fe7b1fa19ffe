"""Embeddings as points on a plane: PCA at once, UMAP in a job (it takes seconds to minutes, and to import)."""

from __future__ import annotations

import numpy as np


def pca(embeddings: np.ndarray) -> np.ndarray:
    """(n, 2) float32: the two directions of largest variance. Deterministic."""
    from sklearn.decomposition import PCA  # seconds on import

    return PCA(n_components=2, svd_solver="full").fit_transform(embeddings.astype(np.float64)).astype(np.float32)


def umap(embeddings: np.ndarray, neighbours: int = 15, min_dist: float = 0.1, seed: int = 0) -> np.ndarray:
    """(n, 2) float32 UMAP coordinates; the same seed gives the same map on the same kind of machine.

    Source: McInnes, Healy, Melville (2018), arXiv:1802.03426. Distances between far clusters mean little on such a map.
    """
    import umap as umap_learn  # compiles for seconds on import

    mapper = umap_learn.UMAP(
        n_neighbors=min(neighbours, len(embeddings) - 1), min_dist=min_dist, random_state=seed, n_jobs=1
    )
    return np.asarray(mapper.fit_transform(embeddings), dtype=np.float32)
