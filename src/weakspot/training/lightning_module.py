"""The training rule as a LightningModule: loss, what learns how fast, and what is kept of each epoch."""

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

# Heads learn faster than the backbone, which knows much already.
HEAD_FACTOR = 10
_WARM_UP = 0.05  # of all steps

EpochMetrics = dict[str, float | int]


@dataclass(frozen=True)
class OptimizerConfig:
    """How a network learns.

    Attributes:
        recipe: What is done to the images.
        frozen: Whether the trunk stays as it is.
        lr: Learning rate of the trunk; that of the head is 10 times it.
        weight_decay: Of AdamW.
        seed: Of all that is random.
        steps: Number of all steps of the optimizer.
        pooled: Whether the head is given the means of a frozen trunk's maps, as it pools them first.
    """

    recipe: TrainingMethod
    frozen: bool
    lr: float
    weight_decay: float
    seed: int
    steps: int
    pooled: bool = False


class WsolModule(LightningModule):
    """Trains a network on images, or its head on feature maps that were computed before.

    Args:
        network: What learns.
        criterion: The loss of its logits.
        frame: What its images have to be like.
        rule: How it learns.
        classes: Number of classes.
        on_epoch: Called with the rows of all epochs when one more is done.

    Attributes:
        rows: One for each epoch that is done.
        done: How many batches of the running epoch are done.
        best: The trainable weights of the epoch with the least validation loss, else the last one's.
    """

    def __init__(
        self,
        network: WsolClassifier,
        criterion: Criterion,
        frame: Preprocessing,
        rule: OptimizerConfig,
        classes: int,
        on_epoch: Callable[[list[EpochMetrics]], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._on_epoch = on_epoch
        self.done = 0
        self.network = network
        self.criterion = criterion
        self.frame = frame
        self.rule = rule
        self.rows: list[EpochMetrics] = []
        self.best: dict[str, Tensor] = {}
        self.train_loss, self.val_loss = MeanMetric(), MeanMetric()
        self.val_score: Metric = criterion.build_metric(classes)
        for metric in (self.train_loss, self.val_loss, self.val_score):
            metric.persistent(True)  # an epoch that is interrupted goes on with its sums
        self._begun = time.monotonic()
        self.dropout = AttentionDropout() if rule.recipe.adl else None
        if rule.frozen:
            network.trunk.requires_grad_(False)
        elif self.dropout is not None:
            attach(insertion_points(network.trunk.backbone), self.dropout)

    @property
    def score_name(self) -> str:
        """What the validation score is, see :class:`weakspot.models.networks.Criterion`."""
        return self.criterion.metric_name

    def train(self, mode: bool = True) -> "WsolModule":
        """Change the mode; a frozen trunk stays in evaluation mode, its batch statistics with it."""
        super().train(mode)
        if self.rule.frozen:
            self.network.trunk.eval()
        return self

    def training_step(self, batch: tuple[Tensor | list[Tensor], Tensor], number: int) -> Tensor:
        """Give the loss of a batch; what is random in it depends on seed, epoch, batch and process alone."""
        inputs, targets = batch
        torch.manual_seed(_mixed(self.rule.seed, self.current_epoch, number, self.global_rank))
        maps, targets = self._maps(inputs, targets)
        loss, _ = self.network.head.loss(maps, targets, self.criterion)
        self.train_loss.update(loss.detach(), len(targets))
        self.done = number + 1
        return loss

    def validation_step(self, batch: tuple[Tensor | list[Tensor], Tensor], _number: int) -> None:
        """Add a batch to the validation loss, which is that of what the head gives alone, and score."""
        inputs, targets = batch
        given = self.network.forward_head(self._shown(inputs)).float()
        self.val_loss.update(self.criterion(given, targets), len(targets))
        self.criterion.update_metric(self.val_score, given, targets)

    def on_validation_epoch_end(self) -> None:
        """Tell lightning the figures, merged over all processes, for early stopping and loggers."""
        if not self.trainer.sanity_checking:
            self.log_dict({"val_loss": self.val_loss.compute(), self.score_name: self.val_score.compute()})

    def on_train_epoch_end(self) -> None:
        """Write down the epoch, and keep its weights if they are the best so far."""
        row: EpochMetrics = {
            "epoch": self.current_epoch + 1,
            "step": self.global_step,
            "train_loss": _value(self.train_loss),
        }
        if self.val_loss.update_called:
            row |= {"val_loss": _value(self.val_loss), self.score_name: _value(self.val_score)}
        row |= {"lr": self._rate(), "seconds": round(time.monotonic() - self._begun, 3)}
        self.log("train_loss", row["train_loss"])
        losses = [float(one.get("val_loss", -one["epoch"])) for one in self.rows]
        if not losses or float(row.get("val_loss", -row["epoch"])) < min(losses):
            self.best = {name: value.detach().cpu().clone() for name, value in self.learnt().items()}
        self.rows.append(row)
        for metric in (self.train_loss, self.val_loss, self.val_score):
            metric.reset()
        self._begun = time.monotonic()
        self.done = 0
        self._on_epoch(self.rows)

    def learnt(self) -> dict[str, Tensor]:
        """The weights that training changes, by their names in the network."""
        state = self.network.state_dict()
        return {name: value for name, value in state.items() if not self._is_frozen(f"network.{name}")}

    def configure_optimizers(self) -> Any:
        """AdamW: the head 10 times as fast as the trunk, a short warm-up, then a cosine to zero; norms do not decay."""
        groups = [
            group
            for part, factor in ((self.network.trunk, 1), (self.network.head, HEAD_FACTOR))
            for group in _groups(part, self.rule.lr * factor, self.rule.weight_decay)
        ]
        optimizer = torch.optim.AdamW(groups)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(self.rule.steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave a frozen trunk out, and put in what is kept of the epochs before."""
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: state[name] for name in state if not self._is_frozen(name)}
        checkpoint["rows"], checkpoint["best"], checkpoint["done"] = self.rows, self.best, self.done

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take both back."""
        state = self.state_dict()
        checkpoint["state_dict"] |= {name: value for name, value in state.items() if self._is_frozen(name)}
        self.rows, self.best, self.done = checkpoint["rows"], checkpoint["best"], checkpoint["done"]

    def _is_frozen(self, name: str) -> bool:
        """Whether training leaves a weight as it is: of a frozen trunk, or of a classifier that is done."""
        return name.startswith("network.classifier.") or (self.rule.frozen and name.startswith("network.trunk."))

    def _maps(self, inputs: Tensor | list[Tensor], targets: Tensor) -> tuple[FeatureMaps, Tensor]:
        """The feature maps and targets of a training batch, whose images are hidden or mixed if that is the rule."""
        if isinstance(inputs, Tensor):
            images = self._normalised(inputs)
            if self.rule.recipe.augmentation == "has":
                images = hide_and_seek(images)
            if self.rule.recipe.augmentation == "cutmix":
                images, targets = cutmix(images, targets)
            *earlier, last = self._of_images(images)
        else:
            *earlier, last = inputs
        return (*earlier, last if self.dropout is None else self.dropout(last)), targets

    def _shown(self, inputs: Tensor | list[Tensor]) -> FeatureMaps:
        return self._of_images(self._normalised(inputs)) if isinstance(inputs, Tensor) else tuple(inputs)

    def _normalised(self, photos: Tensor) -> Tensor:
        return normalize_batch(list(photos), self.frame, device=self.device)

    def _of_images(self, images: Tensor) -> FeatureMaps:
        if self.rule.frozen:
            return backbone_features(self.network, images, pooled=self.rule.pooled)
        return self.network.trunk.maps(images, self.network.head.depth)

    def _rate(self) -> float:
        rates = [group["lr"] for group in self.trainer.optimizers[0].param_groups]
        return float(min(rates))


def _groups(part: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Weights, which decay, and biases and norms, which do not."""
    learning = [parameter for parameter in part.parameters() if parameter.requires_grad]
    matrices, vectors = ([one for one in learning if (one.dim() > 1) == many] for many in (True, False))
    decays = ((matrices, weight_decay), (vectors, 0.0))
    return [{"params": params, "lr": lr, "weight_decay": decay} for params, decay in decays if params]


def _schedule(steps: int) -> Callable[[int], float]:
    warm = max(1, round(steps * _WARM_UP))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))

    return factor


def _mixed(*numbers: int) -> int:
    """A seed from several numbers, as different as they are."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _value(metric: Metric) -> float:
    value: Tensor = metric.compute()
    return round(float(value), 6)
