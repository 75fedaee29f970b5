"""The LightningModule: loss, optimizer, and the metrics and best weights of the epochs."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric

from weakspot.data import Preprocessing
from weakspot.models import normalize_batch
from weakspot.models.networks import Criterion, TrainingMethod, WsolClassifier
from weakspot.models.networks.adl import AttentionDropout, attach, insertion_points
from weakspot.models.networks.cutmix import cutmix
from weakspot.models.networks.has import hide_and_seek
from weakspot.training.feature_cache import FeatureMaps, backbone_features

# Heads start from random weights and learn faster than the pretrained backbone.
HEAD_LR_FACTOR = 10
_WARMUP_FRACTION = 0.05  # of all steps

EpochMetrics = dict[str, float | int]


@dataclass(frozen=True)
class OptimizerConfig:
    """How a network is trained.

    Attributes:
        method: Training method, for its augmentation and ADL.
        frozen: Whether the backbone keeps its weights.
        lr: Learning rate of the backbone; that of the head is 10 times as high.
        weight_decay: AdamW weight decay.
        seed: Random seed.
        steps: Total number of optimizer steps.
        pooled: Whether the head receives the means of a frozen backbone's maps because it pools them first.
    """

    method: TrainingMethod
    frozen: bool
    lr: float
    weight_decay: float
    seed: int
    steps: int
    pooled: bool = False


class WsolModule(LightningModule):
    """Training of a network on images, or of its head on cached feature maps.

    Args:
        network: The network.
        criterion: Loss of its logits.
        preprocessing: Preprocessing of its images.
        config: How it is trained.
        num_classes: Number of classes.
        on_epoch: Called after each epoch with the metrics of all epochs.

    Attributes:
        history: Metrics of each finished epoch.
        batches_done: Number of finished batches in the current epoch.
        diverged: What is not finite in the epoch at which training stopped for that reason; else empty.
        best_weights: Trainable weights of the epoch with the lowest validation loss; without validation, of the last.
    """

    def __init__(
        self,
        network: WsolClassifier,
        criterion: Criterion,
        preprocessing: Preprocessing,
        config: OptimizerConfig,
        num_classes: int,
        on_epoch: Callable[[list[EpochMetrics]], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._on_epoch = on_epoch
        self.batches_done = 0
        self.diverged = ""
        self.network = network
        self.criterion = criterion
        self.preprocessing = preprocessing
        self.config = config
        self.history: list[EpochMetrics] = []
        self.best_weights: dict[str, Tensor] = {}
        # With a gradient scaler, single steps may have a loss of NaN: they change no weight, and are not counted.
        self.train_loss, self.val_loss = MeanMetric(nan_strategy="ignore"), MeanMetric(nan_strategy=math.nan)
        self.val_score: Metric = criterion.build_metric(num_classes)
        for metric in (self.train_loss, self.val_loss, self.val_score):
            metric.persistent(True)  # the state of a run in mid-epoch includes their sums
        self._epoch_start = time.monotonic()
        self.dropout = AttentionDropout() if config.method.adl else None
        if config.frozen:
            network.trunk.requires_grad_(False)
        elif self.dropout is not None:
            attach(insertion_points(network.trunk.backbone), self.dropout)

    @property
    def score_name(self) -> str:
        """Name of the validation score, see :class:`weakspot.models.networks.Criterion`."""
        return self.criterion.metric_name

    def train(self, mode: bool = True) -> "WsolModule":
        """Set the mode; a frozen backbone stays in evaluation mode, which keeps its batch statistics."""
        super().train(mode)
        if self.config.frozen:
            self.network.trunk.eval()
        return self

    def training_step(self, batch: tuple[Tensor | list[Tensor], Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch; its random numbers depend only on seed, epoch, batch and rank."""
        inputs, targets = batch
        torch.manual_seed(_combined_seed(self.config.seed, self.current_epoch, batch_idx, self.global_rank))
        maps, targets = self._training_maps(inputs, targets)
        loss, _ = self.network.head.loss(maps, targets, self.criterion)
        self.train_loss.update(loss.detach(), len(targets))
        self.batches_done = batch_idx + 1
        return loss

    def validation_step(self, batch: tuple[Tensor | list[Tensor], Tensor], _batch_idx: int) -> None:
        """Update the validation score and the validation loss, which excludes auxiliary losses of the method."""
        inputs, targets = batch
        logits = self.network.forward_head(self._validation_maps(inputs)).float()
        self.val_loss.update(self.criterion(logits, targets), len(targets))
        self.criterion.update_metric(self.val_score, logits, targets)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics over all processes, for early stopping and loggers."""
        if not self.trainer.sanity_checking:
            self.log_dict({"val_loss": self.val_loss.compute(), self.score_name: self.val_score.compute()})

    def on_train_epoch_end(self) -> None:
        """Record the metrics of the epoch, and its weights if they are the best so far; stop if it diverged."""
        row: EpochMetrics = {
            "epoch": self.current_epoch + 1,
            "step": self.global_step,
            "train_loss": _value(self.train_loss),
        }
        if self.val_loss.update_called:
            row |= {"val_loss": _value(self.val_loss), self.score_name: _value(self.val_score)}
        self.diverged = self._find_divergence(row)
        if self.diverged:
            self.trainer.should_stop = True
            return
        row |= {"lr": self._current_lr(), "seconds": round(time.monotonic() - self._epoch_start, 3)}
        self.log("train_loss", row["train_loss"])
        losses = [float(epoch.get("val_loss", -epoch["epoch"])) for epoch in self.history]
        if not losses or float(row.get("val_loss", -row["epoch"])) < min(losses):
            self.best_weights = {
                name: value.detach().cpu().clone() for name, value in self.trainable_state_dict().items()
            }
        self.history.append(row)
        for metric in (self.train_loss, self.val_loss, self.val_score):
            metric.reset()
        self._epoch_start = time.monotonic()
        self.batches_done = 0
        self._on_epoch(self.history)

    def _find_divergence(self, row: EpochMetrics) -> str:
        """Describe what is not finite after an epoch; empty if all is."""
        for name, value in (("loss", row["train_loss"]), ("validation loss", row.get("val_loss", 0.0))):
            if not math.isfinite(value):
                return f"The {name} is {'NaN' if math.isnan(value) else 'infinite'} in epoch {row['epoch']}"
        finite = all(bool(value.isfinite().all()) for value in self.trainable_state_dict().values())
        return "" if finite else f"The weights are not finite after epoch {row['epoch']}"

    def trainable_state_dict(self) -> dict[str, Tensor]:
        """Return the weights that training changes, by their names in the network."""
        state = self.network.state_dict()
        return {name: value for name, value in state.items() if not self._is_frozen(f"network.{name}")}

    def configure_optimizers(self) -> Any:
        """Return AdamW with a short warm-up and cosine decay to zero; biases and norms have no weight decay."""
        groups = [
            group
            for part, factor in ((self.network.trunk, 1), (self.network.head, HEAD_LR_FACTOR))
            for group in _parameter_groups(part, self.config.lr * factor, self.config.weight_decay)
        ]
        optimizer = torch.optim.AdamW(groups)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_cosine(self.config.steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # The keys of a saved state are those of version 0.1.0, whose runs can be resumed.

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remove the frozen weights, and add the record of earlier epochs."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: state[name] for name in state if not self._is_frozen(name)}
        checkpoint |= {"rows": self.history, "best": self.best_weights, "done": self.batches_done}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the frozen weights, and restore the record of earlier epochs."""
        state = self.state_dict()
        checkpoint["state_dict"] |= {name: value for name, value in state.items() if self._is_frozen(name)}
        self.history, self.best_weights = checkpoint["rows"], checkpoint["best"]
        self.batches_done = checkpoint["done"]

    def _is_frozen(self, name: str) -> bool:
        """Whether training keeps a weight: of a frozen backbone, or of the teacher's classifier."""
        return name.startswith("network.classifier.") or (self.config.frozen and name.startswith("network.trunk."))

    def _training_maps(self, inputs: Tensor | list[Tensor], targets: Tensor) -> tuple[FeatureMaps, Tensor]:
        """Return the feature maps and targets of a training batch, after the augmentation of the method."""
        if isinstance(inputs, Tensor):
            images = self._normalize(inputs)
            if self.config.method.augmentation == "has":
                images = hide_and_seek(images)
            if self.config.method.augmentation == "cutmix":
                images, targets = cutmix(images, targets)
            *earlier, last = self._backbone_maps(images)
        else:
            *earlier, last = inputs
        return (*earlier, last if self.dropout is None else self.dropout(last)), targets

    def _validation_maps(self, inputs: Tensor | list[Tensor]) -> FeatureMaps:
        return self._backbone_maps(self._normalize(inputs)) if isinstance(inputs, Tensor) else tuple(inputs)

    def _normalize(self, pixels: Tensor) -> Tensor:
        return normalize_batch(list(pixels), self.preprocessing, device=self.device)

    def _backbone_maps(self, images: Tensor) -> FeatureMaps:
        if self.config.frozen:
            return backbone_features(self.network, images, pooled=self.config.pooled)
        return self.network.trunk.maps(images, self.network.head.depth)

    def _current_lr(self) -> float:
        return float(min(group["lr"] for group in self.trainer.optimizers[0].param_groups))


def _parameter_groups(part: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Return one group of weights, with weight decay, and one of biases and norms, without."""
    trainable = [parameter for parameter in part.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trainable if parameter.dim() > 1]
    vectors = [parameter for parameter in trainable if parameter.dim() <= 1]
    decays = ((matrices, weight_decay), (vectors, 0.0))
    return [{"params": params, "lr": lr, "weight_decay": decay} for params, decay in decays if params]


def _warmup_cosine(steps: int) -> Callable[[int], float]:
    """Return the learning rate factor of each step: linear warm-up, then a cosine to zero."""
    warmup = max(1, round(steps * _WARMUP_FRACTION))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return factor


def _combined_seed(*numbers: int) -> int:
    """Combine numbers into one seed, so that different numbers give different seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _value(metric: Metric) -> float:
    value: Tensor = metric.compute()
    return round(float(value), 6)
