"""What a user can choose of a training run: the fields' descriptions are the command line's help.

Nothing heavy is imported here, so that help answers at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class TrainOptions:
    """What to train, how, and where to write it.

    Attributes:
        method: cam, acol, spg or ts_cam; adl, has or cutmix; or some that go together, such as acol+cutmix. Or psol: a
            network learns the boxes that the run of --teacher predicts for the training images, and its classes.
        teacher: With psol: folder of the run that teaches. A frozen backbone of the same name is
            shared with it.
        backbone: timm or torchvision name of the backbone.
        weights: Weights file of the backbone (.safetensors or .pth), pretrained, or none for random ones.
        freeze: backbone: only the head learns, on features that are computed once. none: all learns. auto: backbone on
            a CPU, where it has pretrained weights and the method allows it.
        labels: CSV file of labels, if DATA is not class folders (columns image, label and, if you like, split).
        images: Folder of the images, if it is not in DATA.
        multi_label: Take each class as present or not, for itself. Without it this is done where an image has several.
        background_class: Name of the class of images that hold no object; also given to images without a label.
        val_fraction: Share of the training images to set aside where DATA has no validation split.
        quality: What maps are to be read in: plain, fast, balanced or best. The threshold is found for this one; in all
            but plain, a small head learns from the maps what foreground looks like.
        output_stride: 16 or 8: finer maps at more cost. Default: 16 where the backbone can.
        input_size: Side in pixels that images are squashed to. Default: the backbone's own, or 9/7 of it where it is
            frozen and the quality is not plain.
        width: Channels of the convolutions of the head. Default: 256 for acol (the paper has 1024) and spg (512).
        delta: With acol: erase where the map is at or above it, in (0, 1].
        epochs: Default: 20 where all learns, 40 where the backbone is frozen, 12 of psol then.
        batch_size: Images in a step, on each device.
        lr: Learning rate of the backbone; heads learn at 10 times it. Default: 1e-4, 3e-4 for a linear head on a frozen
            backbone, 3e-5 for acol and spg.
        weight_decay: Of AdamW.
        patience: Stop after that many epochs without a better validation loss. Default: never.
        class_weights: Weigh rare classes up, so that each counts the same: balanced, or none.
        seed: Of all that is random. The same seed on the same machine gives the same weights.
        device: auto, cpu, cuda, cuda:1 and so on.
        devices: How many of them, on each node.
        nodes: How many machines train together, of which torchrun starts the processes.
        strategy: lightning's name for how several devices work together: ddp and so on; auto takes ddp for them.
        precision: lightning's name of the precision: 32-true, bf16-mixed, 16-mixed and so on.
        workers: Threads or processes that decode images.
        accumulate_grad_batches: Steps whose gradients are added up.
        max_unreadable: Largest share of images that may be unreadable; those that are, are skipped and listed.
        save_every: Seconds between two states that --resume can go on from; 0 saves after each step.
        logger: tensorboard, csv, wandb, mlflow, comet or neptune, beside metrics.jsonl; may be given several times.
        output: Run folder. Default: runs/NAME, with a number where that is taken. A link latest is put beside it.
    """

    method: str = "cam"
    teacher: Path | None = None
    backbone: str = "tf_efficientnet_lite0"
    weights: str = "pretrained"
    freeze: Literal["auto", "backbone", "none"] = "auto"
    labels: Path | None = None
    images: Path | None = None
    multi_label: bool = False
    background_class: str = "background"
    val_fraction: float = 0.2
    quality: Literal["plain", "fast", "balanced", "best"] = "fast"
    output_stride: int | None = None
    input_size: int | None = None
    width: int | None = None
    delta: float = 0.6
    epochs: int | None = None
    batch_size: int = 32
    lr: float | None = None
    weight_decay: float = 1e-3
    patience: int | None = None
    class_weights: Literal["balanced", "none"] = "balanced"
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    workers: int = 2
    accumulate_grad_batches: int = 1
    max_unreadable: float = 0.05
    save_every: float = 30.0
    logger: tuple[str, ...] | None = None
    output: Path | None = None
