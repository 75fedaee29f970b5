"""Image AUROC and AP: does an image hold an object, by one score per image."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from weakspot.errors import InputError
from weakspot.metrics.base import CONFIDENCE, draw_poisson
from weakspot.metrics.check_inputs import array

_CHUNK = 50  # bootstrap samples at a time
_NO_GROUP = -1

Weights = NDArray[np.number]
Ranking = Callable[[NDArray[np.floating], NDArray[np.bool_], Weights | None], NDArray[np.float64]]


def image_auroc(
    scores: NDArray[np.floating], has_object: NDArray[np.bool_], weights: Weights | None = None
) -> NDArray[np.float64]:
    """Compute the area under the ROC curve of images, in percent.

    This is the probability that an image with an object has a higher score than one without; ties count half.

    Args:
        scores: Shape (N,), the higher the more likely an object; may be infinite.
        has_object: Shape (N,).
        weights: Weight of each image, 0 or more, shape (..., N); None for equal weights.

    Returns:
        Shape (...); NaN without images of both kinds.

    Raises:
        InputError: ``length-mismatch``; ``not-finite`` for NaN.

    Example:
        >>> image_auroc(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False])).item()
        87.5
    """
    right, wrong = _by_score(scores, has_object, weights)
    above = np.cumsum(right, axis=-1) - right / 2
    with np.errstate(invalid="ignore"):
        area: NDArray[np.float64] = 100 * (wrong * above).sum(-1) / (right.sum(-1) * wrong.sum(-1))
    return area


def image_average_precision(
    scores: NDArray[np.floating], has_object: NDArray[np.bool_], weights: Weights | None = None
) -> NDArray[np.float64]:
    """Compute the average precision of images by score, in percent: the sum of P_i (R_i - R_{i-1}), not interpolated.

    Images of equal scores are taken together. Scores that say nothing have the share of images with an object.

    Args:
        scores: See :func:`image_auroc`.
        has_object: See :func:`image_auroc`.
        weights: See :func:`image_auroc`.

    Returns:
        Shape (...); NaN without images with an object.

    Raises:
        InputError: As :func:`image_auroc`.

    Example:
        >>> image_average_precision(np.array([0.9, 0.5, 0.1]), np.array([False, True, False])).item()
        50.0
    """
    right, wrong = _by_score(scores, has_object, weights)
    found = np.cumsum(right, axis=-1)
    with np.errstate(invalid="ignore"):
        precision = found / (found + np.cumsum(wrong, axis=-1))
        area: NDArray[np.float64] = 100 * np.nansum(precision * right, axis=-1) / right.sum(-1)
    return area


def _by_score(
    scores: NDArray[np.floating], has_object: NDArray[np.bool_], weights: Weights | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the weights of images with and without an object for each distinct score, the highest first."""
    if scores.shape != has_object.shape or scores.ndim != 1:
        problem = f"There must be one score per image, got shapes {scores.shape} and {has_object.shape}."
        raise InputError("length-mismatch", problem)
    if np.isnan(scores).any():
        raise InputError("not-finite", "Scores of images must be numbers, got NaN.")
    order = np.argsort(-scores, kind="stable")
    ones: NDArray[np.float64] = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    descending, has, ones = scores[order], has_object[order], ones[..., order]
    if not len(scores):
        return ones, ones
    first = np.flatnonzero(np.concatenate([[True], descending[1:] != descending[:-1]]))
    right: NDArray[np.float64] = np.add.reduceat(ones * has, first, axis=-1)
    wrong: NDArray[np.float64] = np.add.reduceat(ones * ~has, first, axis=-1)
    return right, wrong


class _ImageRanking(Metric):
    """Accumulate one score per image, and compute how well the scores find the images with an object.

    The scores of all images are kept, 17 bytes each, so the result is exact.
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    ranking: Ranking
    scores: list[Tensor]
    has_object: list[Tensor]
    groups: list[Tensor]

    def __init__(self, *, groups: int = 0, samples: int = 0, seed: int = 0) -> None:
        super().__init__()
        self._group_count, self._samples, self._seed = groups, samples, seed
        for name in ("scores", "has_object", "groups"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, scores: ArrayLike, has_object: ArrayLike, groups: NDArray[np.integer[Any]] | None = None) -> None:
        """Add images.

        Args:
            scores: Shape (B,), the higher the more likely an object; may be infinite.
            has_object: Shape (B,), bool.
            groups: Group of each image, shape (B,); that of an image without an object does not count.

        Raises:
            InputError: ``length-mismatch``; ``not-finite`` for NaN.
        """
        values, has = array(scores).astype(np.float64), array(has_object).astype(bool)
        _by_score(values, has, None)  # checks them
        members = np.full(len(values), _NO_GROUP) if groups is None else groups
        self.scores.append(torch.from_numpy(values))
        self.has_object.append(torch.from_numpy(has))
        self.groups.append(torch.from_numpy(np.asarray(members, np.int64)))

    def compute(self) -> Tensor:
        """Compute the metric over all images, in percent; NaN without images of both kinds."""
        scores, has, _ = self._images()
        return torch.tensor(float(type(self).ranking(scores, has, None)), dtype=torch.float64)

    def per_group(self) -> NDArray[np.float64]:
        """Compute the metric of each group with an object and all images without one, shape (groups,)."""
        scores, has, groups = self._images()
        kept = [~has | (groups == group) for group in range(self._group_count)]
        return np.array([type(self).ranking(scores[one], has[one], None) for one in kept], np.float64)

    def interval(self) -> tuple[float, float]:
        """Compute the 95 % confidence interval by bootstrap over images; NaN if it is undefined.

        Raises:
            InputError: ``missing-samples`` if the metric has no bootstrap samples.
        """
        if not self._samples:
            raise InputError("missing-samples", "The metric has no bootstrap samples.", "Create it with samples=1000.")
        scores, has, _ = self._images()
        random = np.random.default_rng(self._seed)
        values = [
            type(self).ranking(scores, has, draw_poisson(random, len(scores), min(_CHUNK, self._samples - start)))
            for start in range(0, self._samples, _CHUNK)
        ]
        drawn = np.concatenate(values)
        if not np.isfinite(drawn).any():
            return float("nan"), float("nan")
        low, high = np.nanpercentile(drawn, [50 - CONFIDENCE / 2, 50 + CONFIDENCE / 2])
        return float(low), float(high)

    def _images(self) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
        """Return score, kind and group of the images of all processes."""
        with nullcontext() if self._is_synced else self.sync_context():
            if not len(self.scores):
                return np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64)
            columns = (self.scores, self.has_object, self.groups)
            scores, has, groups = (dim_zero_cat(values).cpu().numpy() for values in columns)
            return scores, has.astype(bool), groups


class ImageAUROC(_ImageRanking):
    """Area under the ROC curve of images, in percent: with or without an object.

    Args:
        groups: Number of groups, such as sizes of the object, for :meth:`per_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Source:
        Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021, section 5.1.

    Example:
        >>> metric = ImageAUROC()
        >>> metric.update([0.9, 0.4, 0.4, 0.1], [True, True, False, False])
        >>> float(metric.compute())
        87.5
    """

    ranking = staticmethod(image_auroc)


class ImageAP(_ImageRanking):
    """Average precision of images, in percent: with or without an object.

    Args:
        groups: Number of groups, such as sizes of the object, for :meth:`per_group`.
        samples: Number of bootstrap samples for :meth:`interval`.
        seed: Random seed of the bootstrap.

    Example:
        >>> metric = ImageAP()
        >>> metric.update([0.9, 0.5, 0.1], [False, True, False])
        >>> float(metric.compute())
        50.0
    """

    ranking = staticmethod(image_average_precision)
