"""Options that several commands share, and the groups in which --help lists options. Does not import torch."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from weakspot.config import PRETRAINED, BackendName, QualityName

if TYPE_CHECKING:
    from weakspot.inference.options import LocalizerOptions

# In the order of the help text.
DATA, MODEL, METHOD, BOXES, TRAINING, OUTPUT, CLUSTER, ADVANCED = (
    Parameter(group=Group(name, sort_key=number))
    for number, name in enumerate(("Data", "Model", "Method", "Boxes", "Training", "Output", "Cluster", "Advanced"), 1)
)


@dataclass(frozen=True)
class AnnotationOptions:
    """Where the boxes of a data set are.

    Attributes:
        ground_truth: File of the ground-truth boxes (CSV, COCO JSON, or a folder of VOC XML), if it is not in DATA.
        images: Folder of the images, if it is not in DATA.
        boxes: Boxes of some of the images, which a person has corrected, as for train.
        use_predictions: Use boxes that are predictions, which have a score, as if a person had confirmed them.
    """

    ground_truth: Annotated[Path | None, DATA] = None
    images: Annotated[Path | None, DATA] = None
    boxes: Annotated[Path | None, DATA] = None
    use_predictions: Annotated[bool, DATA] = False


@dataclass(frozen=True)
class ModelOptions:
    """How a model is loaded.

    Attributes:
        weights: Weights file (.safetensors or .pth) instead of the pretrained weights of a model name.
        class_names: Text file with one class name per line, in the order of the logits.
        input_size: Side in pixels to which images are resized. Default: chosen for the model and the quality.
        layer: Layer to read; repeat it to fuse several. Default: the last feature map.
    """

    weights: Annotated[str, MODEL] = PRETRAINED
    class_names: Annotated[Path | None, MODEL] = None
    input_size: Annotated[int | None, MODEL] = None
    layer: Annotated[tuple[str, ...] | None, METHOD] = None


@dataclass(frozen=True)
class MethodOptions:
    """How class maps are computed.

    Attributes:
        method: cam, gradcam, gradcam++, layercam, xgradcam, hirescam, scorecam, ablationcam, eigencam,
            guided_gradcam or counterfactual. Default: the method of the run, else gradcam.
        quality: plain: as published. fast: propagated, one pass. balanced: also a foreground head, fitted to the
            images first; best is the same. Default: the run's, or fast.
    """

    method: Annotated[str | None, METHOD] = None
    quality: Annotated[QualityName | None, METHOD] = None


@dataclass(frozen=True)
class DeviceOptions:
    """Where a model runs.

    Attributes:
        device: auto, cpu, cuda, cuda:1 and so on.
        backend: torch, onnx (ONNX Runtime, faster on CPUs), or auto: onnx once a model has been exported.
    """

    device: Annotated[str, ADVANCED] = "auto"
    backend: Annotated[BackendName, ADVANCED] = "auto"


@dataclass(frozen=True)
class BatchOptions(DeviceOptions):
    """How images are processed.

    Attributes:
        batch_size: Images per forward pass.
        workers: Threads that decode images.
    """

    batch_size: Annotated[int, ADVANCED] = 16
    workers: Annotated[int, ADVANCED] = 2


def localizer_options(options: object, **changes: Any) -> "LocalizerOptions":
    """Collect the options of a command that configure a Localizer; ``changes`` replace them."""
    from weakspot.inference.options import LocalizerOptions

    return LocalizerOptions(**shared_fields(options, LocalizerOptions) | changes)


def shared_fields(options: object, record: type) -> dict[str, Any]:
    """Return the values of the options that are also fields of a dataclass.

    Example:
        >>> shared_fields(DeviceOptions(), BatchOptions)
        {'device': 'auto', 'backend': 'auto'}
    """
    return {field.name: getattr(options, field.name) for field in fields(record) if hasattr(options, field.name)}
