"""Options of ``weakspot localize``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from weakspot.config import DEFAULT_MODEL, BoxesName, RefinementName, Tiles
from weakspot.inference.command_options import (
    ADVANCED,
    BOXES,
    CLUSTER,
    METHOD,
    MODEL,
    OUTPUT,
    BatchOptions,
    MethodOptions,
    ModelOptions,
)


@dataclass(frozen=True)
class LocalizeOptions(BatchOptions, MethodOptions, ModelOptions):
    """What to localize with, and where to write the results.

    Attributes:
        model: Run folder, file of weakspot export, or timm or torchvision name of a classifier.
        output_stride: 32, 16 or 8: finer maps at a higher cost. Default: 16, with --quality plain the model's own.
        refine: Snap heatmaps to image edges with grabcut, random_walker or superpixels.
        channels: With scorecam: number of channels to try. Default: all, one forward pass each.
        tiles: Localize larger images in overlapping tiles of this many pixels, so that small objects are found. auto:
            tiles of the model's input size, for images of more than twice that. Default: images are resized whole.
        classes: Class to localize, by name or index; repeat it for several. folder: the class that the image's folder
            is named after. Default: predicted, the most probable one.
        top_k: Number of most probable classes to localize.
        threshold: Fraction of the heatmap's peak at which boxes are cut, in (0, 1]. Default: the model's.
        boxes: best: the region of most evidence. largest: the largest region. all: all regions. instances: all
            regions; those with several peaks are separated.
        min_area: With --boxes all or instances: minimum area of a region, as a fraction of the image, or
            with --tiles of a tile.
        min_score: Minimum score of a box, in [0, 1]: class score x mean heatmap value in the region.
        uncertainty: Record the uncertainty of each box, from 0 to 1 (not for psol runs).
        output: Folder to write to. Default: a new folder, localized.
        resume: Continue an interrupted run in --output. Shards and runs on Ray continue automatically.
        save_plots: Save images with heatmap and boxes.
        save_masks: Save masks, white on black.
        save_heatmaps: Save heatmaps as gray images, for weakspot report.
        shard: Process shard 3/8 (3 of 8), e.g. one per machine.
        engine: local: this process. ray: actors on a Ray cluster.
        address: Address of the Ray head node, such as 10.0.0.1:6379, or auto. Default: $RAY_ADDRESS, else local.
        num_actors: Maximum number of Ray actors. Default: one per GPU, else one per core.
        images_per_shard: Images per shard on Ray. Default: up to 1024.
        format: File format of shards on Ray.
        max_pixels: Images with more pixels are skipped without decoding. Default: 89 million.
    """

    model: Annotated[str, MODEL] = DEFAULT_MODEL
    output_stride: Annotated[int | None, METHOD] = None
    refine: Annotated[RefinementName | None, METHOD] = None
    channels: Annotated[int | None, ADVANCED] = None
    tiles: Annotated[Tiles | None, METHOD] = None
    classes: Annotated[tuple[str, ...] | None, BOXES] = None
    top_k: Annotated[int, BOXES] = 1
    threshold: Annotated[float | None, BOXES] = None
    boxes: Annotated[BoxesName, BOXES] = "best"
    min_area: Annotated[float, BOXES] = 0.01
    min_score: Annotated[float, BOXES] = 0.0
    uncertainty: Annotated[bool, BOXES] = False
    output: Annotated[Path | None, OUTPUT] = None
    resume: Annotated[bool, OUTPUT] = False
    save_plots: Annotated[bool, OUTPUT] = False
    save_masks: Annotated[bool, OUTPUT] = False
    save_heatmaps: Annotated[bool, OUTPUT] = False
    shard: Annotated[str | None, CLUSTER] = None
    engine: Annotated[Literal["local", "ray"], CLUSTER] = "local"
    address: Annotated[str | None, CLUSTER] = None
    num_actors: Annotated[int | None, CLUSTER] = None
    images_per_shard: Annotated[int | None, CLUSTER] = None
    format: Annotated[Literal["jsonl", "parquet"], CLUSTER] = "jsonl"
    max_pixels: Annotated[int | None, ADVANCED] = None
