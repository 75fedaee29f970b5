"""Training and validation batches for lightning, dealt out to its processes."""

from collections.abc import Sized
from typing import Any, cast

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from weakspot.training.lightning_module import WsolModule
from weakspot.training.sampler import EpochBatchSampler


class WsolDataModule(LightningDataModule):
    """EpochBatchSampler of images, or of feature maps.

    Args:
        training: What is trained on.
        validation: What validates; None where nothing does.
        batch_size: Images in a batch, in each process.
        seed: Of the order of the training images.
        workers: Processes that decode; 0 where everything lies in memory.
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
        """EpochBatchSampler in an order of their own in each epoch; those that an interrupted run did are left out."""
        batches = self._batches(self._training, self._seed)
        assert self.trainer is not None
        assert isinstance(self.trainer.lightning_module, WsolModule)
        batches.skip(self.trainer.lightning_module.done)
        return self._loader(self._training, batches)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """All validation images in their order, each in one process only."""
        if self._validation is None:
            return []
        return self._loader(self._validation, self._batches(self._validation, None))

    def _batches(self, images: Dataset[Any], seed: int | None) -> EpochBatchSampler:
        assert self.trainer is not None
        rank, processes = self.trainer.global_rank, self.trainer.world_size
        return EpochBatchSampler(len(cast(Sized, images)), self._batch_size, seed=seed, rank=rank, processes=processes)

    def _loader(self, images: Dataset[Any], batches: EpochBatchSampler) -> DataLoader[Any]:
        return DataLoader(
            images, batch_sampler=batches, num_workers=self._workers, persistent_workers=self._workers > 0
        )
