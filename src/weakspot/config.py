"""Version, defaults, and the choices that options of several commands share."""

from collections.abc import Mapping
from typing import Any, Literal

__version__ = "0.2.0"

DEFAULT_MODEL = "tf_efficientnet_lite0"
DEFAULT_METHOD = "gradcam"
# Published weights of a named model.
PRETRAINED = "pretrained"

BackendName = Literal["auto", "torch", "onnx"]
BoxesName = Literal["best", "largest", "all", "instances"]
QualityName = Literal["plain", "fast", "balanced", "best"]
RefinementName = Literal["grabcut", "random_walker", "superpixels"]
# Side of a tile in pixels of the image, or the input size of the model.
Tiles = int | Literal["auto"]

# Names of weakspot.cams.METHODS, which imports torch.
MAP_METHODS = (
    "cam",
    "gradcam",
    "gradcam++",
    "layercam",
    "xgradcam",
    "hirescam",
    "scorecam",
    "ablationcam",
    "eigencam",
    "guided_gradcam",
    "counterfactual",
    "acol",
    "acol_a",
    "acol_b",
    "ts_cam",
    "psol",
)

# By command: option names of 0.1.0, and their current names. Output folders of 0.1.0 record the old names; on the
# command line, an old name is an error that names the current one.
RENAMED_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "localize": {
        "doubt": "uncertainty",
        "rows": "format",
        "actors": "num_actors",
        "shard_size": "images_per_shard",
    },
    "train": {
        "from": "teacher",
        "validation": "val_fraction",
        "background": "background_class",
        "accumulate": "accumulate_grad_batches",
        "unreadable": "max_unreadable",
    },
    "evaluate": {
        "truth": "ground_truth",
        "split": "test_split",
        "validation": "val_split",
        "maps": "score_maps",
        "boxes": "predicted_boxes",
    },
    "compare": {"truth": "ground_truth", "split": "test_split", "validation": "val_split"},
    "label": {"val": "val_fraction", "photos": "image_files"},  # "classes" was "class_names"
    "report": {"most": "max_items"},
    "check": {"truth": "ground_truth"},
}
# Renamed values: (option, old value) -> new value, for every command that has the option.
RENAMED_VALUES: Mapping[tuple[str, str], str] = {("boxes", "split"): "instances"}


def with_current_names(settings: Mapping[str, Any], command: str) -> dict[str, Any]:
    """Return the settings that a run recorded under the current names of the options.

    Example:
        >>> with_current_names({"doubt": True, "boxes": "split"}, "localize")
        {'uncertainty': True, 'boxes': 'instances'}
    """
    names = RENAMED_OPTIONS[command]
    return {
        names.get(name, name): RENAMED_VALUES.get((name, value), value) if isinstance(value, str) else value
        for name, value in settings.items()
    }
