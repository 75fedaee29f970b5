"""Options of ``weakspot evaluate`` and ``weakspot compare``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from weakspot.config import RefinementName
from weakspot.inference.command_options import (
    ADVANCED,
    BOXES,
    DATA,
    METHOD,
    OUTPUT,
    BatchOptions,
    MethodOptions,
    ModelOptions,
)


@dataclass(frozen=True)
class MeasureOptions(BatchOptions, ModelOptions):
    """Options that evaluate and compare share.

    Attributes:
        test_split: Split to score; all uses every image.
        val_split: Split on which thresholds are selected, if the data set has it.
        ground_truth: File of the ground-truth boxes (CSV, COCO JSON, or a folder of VOC XML), if it is not in DATA.
        images: Folder of the images, if it is not in DATA.
        use_predictions: Use ground truth that is predictions, which have a score, as if a person had confirmed it.
        refine: Snap heatmaps to image edges with grabcut, random_walker or superpixels.
        channels: With scorecam: number of channels to try. Default: all, one forward pass each.
        threshold: Fixed fraction of the heatmap's peak, instead of one selected on the validation split.
        output: Folder to write to. Default: a new folder, evaluated or compared.
        samples: Number of bootstrap samples for confidence intervals; 0 for none.
        seed: Random seed of the bootstrap.
    """

    test_split: Annotated[str, DATA] = "test"
    val_split: Annotated[str, DATA] = "val"
    ground_truth: Annotated[Path | None, DATA] = None
    images: Annotated[Path | None, DATA] = None
    use_predictions: Annotated[bool, DATA] = False
    refine: Annotated[RefinementName | None, METHOD] = None
    channels: Annotated[int | None, ADVANCED] = None
    threshold: Annotated[float | None, BOXES] = None
    output: Annotated[Path | None, OUTPUT] = None
    samples: Annotated[int, ADVANCED] = 1000
    seed: Annotated[int, ADVANCED] = 0


@dataclass(frozen=True)
class EvaluateOptions(MeasureOptions, MethodOptions):
    """What to evaluate, on which data, and where to write the results.

    Attributes:
        output_stride: 32, 16 or 8: finer maps at a higher cost. Default: as for localize.
        score_maps: Instead of a model: folder of score maps, one .npy file (224 x 224) per image ID.
        predicted_boxes: Instead of a model: file of predicted boxes (COCO results, CSV, or boxes.jsonl).
        save_heatmaps: Save heatmaps as gray images, for weakspot report.
    """

    output_stride: Annotated[int | None, METHOD] = None
    score_maps: Annotated[Path | None, DATA] = None
    predicted_boxes: Annotated[Path | None, DATA] = None
    save_heatmaps: Annotated[bool, OUTPUT] = False


@dataclass(frozen=True)
class CompareOptions(MeasureOptions):
    """What to compare, on which data, and where to write the results.

    Attributes:
        methods: Comma-separated names of methods. Default: all that need one forward pass, and the run's own; with
            several qualities only the run's own, or gradcam.
        quality: Comma-separated qualities, or all (plain,fast,balanced). Default: the run's own, else fast.
        output_strides: Comma-separated strides, for example 32,16. Default: the models' own.
    """

    methods: Annotated[str | None, METHOD] = None
    quality: Annotated[str | None, METHOD] = None
    output_strides: Annotated[str | None, METHOD] = None
