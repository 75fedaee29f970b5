"""Options of ``weakspot train`` and of :func:`weakspot.train`. Does not import torch, so --help is fast."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from weakspot.config import DEFAULT_MODEL, PRETRAINED, QualityName
from weakspot.inference.command_options import ADVANCED, CLUSTER, DATA, METHOD, MODEL, OUTPUT, TRAINING

_NOT_A_FLAG = Parameter(parse=False)  # to be set in config.toml or in Python


@dataclass(frozen=True)
class TrainOptions:
    """What to train, how, and where to write the run.

    Attributes:
        labels: CSV file of labels (columns image, label and optionally split and group), if DATA is not class folders.
        images: Folder of the images, if it is not in DATA.
        boxes: Boxes of some of the images, which a person has corrected: the output of label --import, review.jsonl or
            its folder, or label files of another format. The other images train by their labels.
        learn_from: all: boxes, masks and points of images also teach where objects are. labels: labels alone; boxes and
            masks of validation images still choose the threshold.
        multi_label: Train for several labels per image. Default: only if an image has several.
        background_class: Class of images without an object or without a label.
        use_predictions: Use labels that are predictions, which have a score, as if a person had confirmed them.
        val_fraction: Fraction of the training images for validation, if DATA has no validation split.
        max_unreadable: Maximum fraction of unreadable images; these are skipped and listed.
        backbone: timm or torchvision name of the backbone.
        weights: Weights file of the backbone (.safetensors or .pth), pretrained, or none.
        freeze: backbone: train the head only, on cached features. none: train all. auto: backbone on CPUs.
        input_size: Side in pixels to which images are resized. Default: the backbone's own, or 9/7 of it if frozen.
        method: cam, acol, spg or ts_cam; adl, has or cutmix; combinations such as acol+cutmix; psol; or mil for small
            objects, if some images hold none.
        teacher: With psol: run folder whose predicted boxes are the training targets.
        quality: Quality for which the threshold is selected; all but plain also fit a foreground head.
        output_stride: 16 or 8: finer maps at a higher cost. Default: 16 if the backbone supports it.
        delta: With acol: threshold of the erased region, in (0, 1].
        width: Channels of the head's convolutions. Default: 256 for acol (1024 in the paper), 512 for spg.
        epochs: Number of epochs. Default: 20; 40 with a frozen backbone (12 for psol).
        batch_size: Images per step and device.
        lr: Learning rate of the backbone; heads use 10 times it. Default: 1e-4; 3e-4 for a linear head on a frozen
            backbone; 3e-5 for acol and spg.
        weight_decay: AdamW weight decay.
        patience: Stop after that many epochs without a lower validation loss. Default: never.
        class_weights: balanced: weight classes inversely to their frequency. none: equally.
        accumulate_grad_batches: Number of steps over which gradients are accumulated.
        seed: Random seed. The same seed on the same machine gives the same weights.
        output: Run folder. Default: a new folder, runs/NAME. A link, latest, points to it.
        logger: tensorboard, csv, wandb, mlflow, comet or neptune; repeat it for several.
        save_every: Seconds between two saved states from which --resume can continue; 0 saves after each step.
        devices: Number of devices per node.
        nodes: Number of machines; torchrun starts the processes.
        strategy: Lightning strategy for several devices: ddp and so on; auto uses ddp.
        device: auto, cpu, cuda, cuda:1 and so on.
        precision: Lightning precision: 32-true, bf16-mixed, 16-mixed and so on.
        workers: Threads or processes that decode images.
    """

    labels: Annotated[Path | None, DATA] = None
    images: Annotated[Path | None, DATA] = None
    boxes: Annotated[Path | None, DATA] = None
    learn_from: Annotated[Literal["all", "labels"], DATA] = "all"
    multi_label: Annotated[bool, DATA] = False
    background_class: Annotated[str, DATA] = "background"
    use_predictions: Annotated[bool, DATA] = False
    val_fraction: Annotated[float, DATA] = 0.2
    max_unreadable: Annotated[float, DATA] = 0.05
    backbone: Annotated[str, MODEL] = DEFAULT_MODEL
    weights: Annotated[str, MODEL] = PRETRAINED
    freeze: Annotated[Literal["auto", "backbone", "none"], MODEL] = "auto"
    input_size: Annotated[int | None, MODEL] = None
    method: Annotated[str, METHOD] = "cam"
    teacher: Annotated[Path | None, METHOD] = None
    quality: Annotated[QualityName, METHOD] = "fast"
    output_stride: Annotated[int | None, METHOD] = None
    delta: Annotated[float, METHOD] = 0.6
    width: Annotated[int | None, _NOT_A_FLAG] = None
    epochs: Annotated[int | None, TRAINING] = None
    batch_size: Annotated[int, TRAINING] = 32
    lr: Annotated[float | None, TRAINING] = None
    weight_decay: Annotated[float, TRAINING] = 1e-3
    patience: Annotated[int | None, TRAINING] = None
    class_weights: Annotated[Literal["balanced", "none"], TRAINING] = "balanced"
    accumulate_grad_batches: Annotated[int, TRAINING] = 1
    seed: Annotated[int, TRAINING] = 0
    output: Annotated[Path | None, OUTPUT] = None
    logger: Annotated[tuple[str, ...] | None, OUTPUT] = None
    save_every: Annotated[float, _NOT_A_FLAG] = 30.0
    devices: Annotated[int, CLUSTER] = 1
    nodes: Annotated[int, CLUSTER] = 1
    strategy: Annotated[str, _NOT_A_FLAG] = "auto"
    device: Annotated[str, ADVANCED] = "auto"
    precision: Annotated[str, ADVANCED] = "32-true"
    workers: Annotated[int, ADVANCED] = 2
