"""Training and validation batches for Lightning, distributed over its processes."""

from collections.abc import Iterator, Sized
from typing import Any, cast

import numpy as np
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from weakspot.training.dataset import SampleKey
from weakspot.training.lightning_module import WsolModule


class EpochBatchSampler(Sampler[list[SampleKey]]):
    """Batches of keys as a function of seed and epoch, so that a run can resume anywhere.

    The global batches are the same for any number of processes, which each receive every ``world_size``-th image. If
    the last batch of an epoch cannot be divided evenly, training drops the remaining images, because all processes must
    step together.

    Args:
        num_images: Number of images.
        batch_size: Number of images in a batch of one process.
        seed: Seed of the order; None for validation, which keeps the order and drops nothing.
        rank: Rank of this process.
        world_size: Number of processes.

    Example:
        >>> [[i for _, i in batch] for batch in EpochBatchSampler(5, 2, seed=None)]
        [[0, 1], [2, 3], [4]]
        >>> [[i for _, i in batch] for batch in EpochBatchSampler(5, 2, seed=None, rank=1, world_size=2)]
        [[1, 3]]
    """

    def __init__(
        self, num_images: int, batch_size: int, *, seed: int | None, rank: int = 0, world_size: int = 1
    ) -> None:
        self._num_images = num_images
        self._global_batch_size = batch_size * world_size
        self._seed = seed
        self._rank, self._world_size = rank, world_size
        self._epoch = 0
        self._batches_to_skip = 0
        # Lightning calls set_epoch of the sampler of a batch sampler.
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Use the order of an epoch from now on."""
        self._epoch = epoch

    def skip(self, batches: int) -> None:
        """Skip the first batches of the next iteration, which an interrupted run has already done."""
        self._batches_to_skip = batches

    def __len__(self) -> int:
        return len(self._local_batches())

    def __iter__(self) -> Iterator[list[SampleKey]]:
        batches, self._batches_to_skip = self._local_batches()[self._batches_to_skip :], 0
        for batch in batches:
            yield [(self._epoch, int(i)) for i in batch]

    def _local_batches(self) -> list[np.ndarray]:
        """Image indices of each batch of this process."""
        order = np.arange(self._num_images)
        if self._seed is not None:
            order = np.random.default_rng((self._seed, self._epoch)).permutation(order)
        batches = [
            order[start : start + self._global_batch_size]
            for start in range(0, self._num_images, self._global_batch_size)
        ]
        if self._seed is not None:
            batches = [batch[: len(batch) // self._world_size * self._world_size] for batch in batches]
        local = [batch[self._rank :: self._world_size] for batch in batches]
        return [batch for batch in local if len(batch)]


class WsolDataModule(LightningDataModule):
    """Batches of images, or of cached feature maps.

    Args:
        training: Training images or features.
        validation: Validation images or features; None to train without validation.
        batch_size: Number of images in a batch of one process.
        seed: Seed of the order of the training images.
        workers: Number of processes that decode; 0 if everything is in memory.
    """

    def __init__(
        self, training: Dataset[Any], validation: Dataset[Any] | None, *, batch_size: int, seed: int, workers: int
    ) -> None:
        super().__init__()
        self._training = training
        self._validation = validation
        self._batch_size = batch_size
        self._seed = seed
        self._workers = workers

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffle the training images in each epoch; skip the batches that an interrupted run has already done."""
        sampler = self._sampler(self._training, self._seed)
        assert self.trainer is not None
        assert isinstance(self.trainer.lightning_module, WsolModule)
        sampler.skip(self.trainer.lightning_module.batches_done)
        return self._loader(self._training, sampler)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return all validation images in order, each in one process only."""
        if self._validation is None:
            return []
        return self._loader(self._validation, self._sampler(self._validation, None))

    def _sampler(self, images: Dataset[Any], seed: int | None) -> EpochBatchSampler:
        assert self.trainer is not None
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        num_images = len(cast(Sized, images))
        return EpochBatchSampler(num_images, self._batch_size, seed=seed, rank=rank, world_size=world_size)

    def _loader(self, images: Dataset[Any], sampler: EpochBatchSampler) -> DataLoader[Any]:
        return DataLoader(
            images, batch_sampler=sampler, num_workers=self._workers, persistent_workers=self._workers > 0
        )
