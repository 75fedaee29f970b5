"""Which images make up which batch: a function of seed and epoch, so that a run can go on anywhere."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from weakspot.training.dataset import SampleKey


class EpochBatchSampler(Sampler[list[SampleKey]]):
    """EpochBatchSampler of keys, the same ones for any number of processes that share them.

    A batch of all processes is dealt out image by image. Where it does not go up evenly, which only the last one of an
    epoch can, the images that are over are left out in training, as processes must step together.

    Args:
        images: Number of images.
        batch_size: Images in a batch, in each process.
        seed: Of the order; None goes through the images as they are and leaves none out, for validation.
        rank: Number of this process.
        processes: Number of all.

    Example:
        >>> [[i for _, i in batch] for batch in EpochBatchSampler(5, 2, seed=None)]
        [[0, 1], [2, 3], [4]]
        >>> [[i for _, i in batch] for batch in EpochBatchSampler(5, 2, seed=None, rank=1, processes=2)]
        [[1, 3]]
    """

    def __init__(self, images: int, batch_size: int, *, seed: int | None, rank: int = 0, processes: int = 1) -> None:
        self._images = images
        self._together = batch_size * processes
        self._seed = seed
        self._rank, self._processes = rank, processes
        self._epoch = 0
        self._skipped = 0
        # lightning tells the epoch to the sampler of a batch sampler.
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Take the order of an epoch from now on."""
        self._epoch = epoch

    def skip(self, batches: int) -> None:
        """Leave out the first batches of the next epoch that is gone through, which were done before."""
        self._skipped = batches

    def __len__(self) -> int:
        return len(self._dealt())

    def __iter__(self) -> Iterator[list[SampleKey]]:
        dealt, self._skipped = self._dealt()[self._skipped :], 0
        for batch in dealt:
            yield [(self._epoch, int(i)) for i in batch]

    def _dealt(self) -> list[np.ndarray]:
        """This process's share of each batch."""
        order = np.arange(self._images)
        if self._seed is not None:
            order = np.random.default_rng((self._seed, self._epoch)).permutation(order)
        batches = [order[start : start + self._together] for start in range(0, self._images, self._together)]
        if self._seed is not None:
            batches = [batch[: len(batch) // self._processes * self._processes] for batch in batches]
        shares = [batch[self._rank :: self._processes] for batch in batches]
        return [share for share in shares if len(share)]
