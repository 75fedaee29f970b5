"""Typical images of a class: boxes of few of them teach the most."""

import warnings

import numpy as np
from numpy.typing import NDArray

_RESTARTS = 10


def typical_images(embeddings: NDArray[np.floating], count: int) -> list[int]:
    """Return the images nearest to the centers of ``count`` clusters (k-means), that of the largest cluster first.

    Args:
        embeddings: A point for each image, shape (N, K).
        count: Number of images, at least 1. All N images are returned if there are not more; fewer than ``count`` if
            images are equal.

    Returns:
        Indices of images, each once. Clusters of the same size, and images at the same distance, are in their order.

    Source:
        Hacohen et al., "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets", ICML 2022, section
        3.2, with the image nearest to the center in place of the one in the densest place.

    Example:
        >>> typical_images(np.array([[0.0], [1.0], [2.0], [10.0], [11.0]]), 2)
        [1, 3]
    """
    if len(embeddings) <= count:
        return list(range(len(embeddings)))
    labels, distances = _best_clusters(np.asarray(embeddings, np.float64), count)
    sizes = np.bincount(labels, minlength=count)
    chosen = distances.argmin(axis=0)
    return list(dict.fromkeys(int(chosen[cluster]) for cluster in np.argsort(-sizes, kind="stable") if sizes[cluster]))


def _best_clusters(points: NDArray[np.float64], count: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the cluster of each point, and its distance from each center, of the tightest of several clusterings."""
    from scipy.spatial.distance import cdist  # slower to import than everything that localizing needs

    of_seeds = [cdist(points, _centers(points, count, seed)) for seed in range(_RESTARTS)]
    best = min(of_seeds, key=lambda distances: float((distances.min(axis=1) ** 2).sum()))
    return best.argmin(axis=1), best


def _centers(points: NDArray[np.float64], count: int, seed: int) -> NDArray[np.float64]:
    """Return the centers of a clustering that starts at random points, shape (count, K)."""
    from scipy.cluster.vq import kmeans2

    start = points[np.random.default_rng(seed).choice(len(points), count, replace=False)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster may be empty if points are equal
        centers, _ = kmeans2(points, start, minit="matrix")
    return np.asarray(centers, np.float64)
