"""CheckpointMetadata models at rest: one safetensors file with all that is needed to build the network again."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from weakspot.config import QualityName
from weakspot.errors import InputError, ModelError
from weakspot.io.atomic import atomic_write
from weakspot.models import PRETRAINED, Classifier, ForegroundHead, find_device, from_state_dict, resolve_classifier
from weakspot.models.networks import NetworkConfig, build_network, parse_method
from weakspot.models.weights import fit_weights, read_weights
from weakspot.ops.preprocessing import Preprocessing

MODEL_FILE = "model.safetensors"
_KEY = "weakspot"
_FOREGROUND = "foreground."  # before the names of that head's weights


@dataclass(frozen=True)
class CheckpointMetadata:
    """What stands beside the weights.

    Attributes:
        plan: How the network is built.
        class_names: One for each logit.
        preprocessing: What it wants of its images.
        threshold: Where to cut heatmaps, a fraction of the peak.
        threshold_from: How the threshold was found, in words.
        background: Index of the class of images that hold no object, or None.
        quality: Name of the quality that the thresholds are for.
        class_thresholds: Where to cut the heatmaps of each class, where boxes told; else empty.
    """

    plan: NetworkConfig
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    threshold: float
    threshold_from: str
    background: int | None = None
    quality: str = "plain"
    class_thresholds: tuple[float, ...] = ()


def is_run(path: str | Path) -> bool:
    """Tell whether a path is a run folder with a trained model, or the model's file."""
    try:
        return _model_file(Path(path)).is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def write_model(
    path: Path, weights: dict[str, Tensor], trained: CheckpointMetadata, foreground: ForegroundHead | None = None
) -> None:
    """Write weights and all that stands beside them, by way of a temporary name.

    Args:
        path: The file.
        weights: Of the network.
        trained: How it is built and read.
        foreground: What tells foreground from background, if that was learnt.

    Raises:
        InputError: If the file cannot be written.
    """
    head = {} if foreground is None else foreground.state_dict(prefix=_FOREGROUND)
    tensors = {name: value.detach().cpu().contiguous() for name, value in {**weights, **head}.items()}
    with atomic_write(path) as file:
        file.write(save(tensors, {_KEY: json.dumps(asdict(trained))}))


def read_trained(path: str | Path) -> CheckpointMetadata:
    """Read what stands beside the weights.

    Args:
        path: The run folder, or its ``model.safetensors``.

    Raises:
        ModelError: If the file is damaged, or was not written by weakspot.
    """
    file = _model_file(Path(path))
    if not file.is_file():
        raise ModelError(f"{path} holds no trained model.", "Give the folder of a finished run of weakspot train.")
    try:
        with safe_open(file, framework="pt") as opened:
            told = json.loads((opened.metadata() or {})[_KEY])
        return _trained(told)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file} is damaged or not a weights file.", "Copy it again, or train anew.") from error
    except (KeyError, ValueError, TypeError) as error:
        problem = f"{file} does not say how its network is built."
        raise ModelError(problem, "Give the folder of a run of weakspot train.") from error


def load_run(path: str | Path, *, device: str = "auto", output_stride: int | None = None) -> Classifier:
    """Build a trained network and load its weights.

    Args:
        path: The run folder, or its ``model.safetensors``.
        device: As for :func:`weakspot.models.resolve_classifier`.
        output_stride: 16 or 8 for finer maps than it was trained with, from the same weights.

    Raises:
        ModelError: If the file is damaged, was not written by weakspot, or its weights do not fit.
        InputError: If the device is not there, or the backbone cannot have that output stride.
    """
    file, trained = _model_file(Path(path)), read_trained(path)
    plan = trained.plan if output_stride is None else replace(trained.plan, output_stride=output_stride)
    network = build_network(plan, weights=None).network
    with torch.inference_mode(False):
        weights = read_weights(file)
        ours = [name for name in weights if name.startswith(_FOREGROUND)]
        head = {name.removeprefix(_FOREGROUND): weights.pop(name) for name in ours}
        fit_weights(network, weights, file)
        foreground = _foreground(head, file).to(find_device(device)) if head else None
        network.eval().to(find_device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(
        network,
        trained.class_names,
        trained.preprocessing,
        method=parse_method(plan.method).reads,
        threshold=trained.threshold,
        class_thresholds=trained.class_thresholds,
        multi_label=plan.multi_label,
        background=trained.background,
        quality=trained.quality,
        foreground=foreground,
    )


def resolve_model(
    model: str | Path | nn.Module,
    *,
    device: str = "auto",
    weights: str | Path | None = PRETRAINED,
    output_stride: int | None = None,
) -> Classifier:
    """Load a run, or take any other model as :func:`weakspot.models.resolve_classifier` does.

    Raises:
        InputError: As there and as :func:`load_run`; or if a run is given other weights.
        ModelError: As there and as :func:`load_run`; or if a run is not finished.
    """
    if not isinstance(model, str | Path) or not is_run(model):
        name = str(model) if isinstance(model, Path) else model
        if isinstance(name, str) and Path(name, "config.toml").is_file():
            raise ModelError(f"The run in {name} is not finished.", f"Go on with: weakspot train --resume {name}")
        if isinstance(name, str) and _looks_like_a_folder(name):
            hint = f"Check the path, or make it: weakspot train photos/ --output {name}"
            raise ModelError(f"There is no run in {name}.", hint)
        return resolve_classifier(name, device=device, weights=weights, output_stride=output_stride)
    if weights != PRETRAINED:
        raise InputError(f"Weights were given for the run {model}, which has its own.", "Leave them out.")
    return load_run(model, device=device, output_stride=output_stride)


def _looks_like_a_folder(name: str) -> bool:
    """Whether a name can only be a path: models of torchvision, and those of a hub, have slashes too."""
    return "/" in name and ":" not in name and not name.startswith("torchvision/") and not name.endswith(".onnx")


def _foreground(weights: dict[str, Tensor], file: Path) -> ForegroundHead:
    try:
        return from_state_dict(weights)
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(f"{file} holds no foreground head that fits.", "Copy it again, or train anew.") from error


def _model_file(path: Path) -> Path:
    return path / MODEL_FILE if path.is_dir() else path


def _trained(told: dict[str, Any]) -> CheckpointMetadata:
    frame, names = Preprocessing(**told["preprocessing"]), tuple(str(name) for name in told["class_names"])
    # The same, with its numbers looked at.
    frame = Preprocessing().changed(mean=frame.mean, std=frame.std, input_size=(frame.height, frame.width))
    levels = tuple(float(level) for level in told.get("class_thresholds", ()))
    known = {"plan": _plan(told["plan"]), "preprocessing": frame, "class_names": names, "class_thresholds": levels}
    trained = CheckpointMetadata(**{**told, **known})
    _validate(trained)
    return trained


def _plan(told: dict[str, Any]) -> NetworkConfig:
    told = dict(told)
    teacher = told.get("teacher")
    plan = NetworkConfig(**{**told, "teacher": None if teacher is None else _plan(teacher)})
    typed = all(isinstance(getattr(plan, name), _as_json(kind)) for name, kind in get_type_hints(NetworkConfig).items())
    taught = plan.teacher is not None
    alike = plan.teacher is None or (plan.teacher.teacher is None and plan.teacher.classes == plan.classes)
    if not typed or not alike or taught != (plan.method == "psol"):
        raise ValueError(plan)
    return plan


def _validate(trained: CheckpointMetadata) -> None:
    plan, classes = trained.plan, range(len(trained.class_names))
    known = trained.background is None or trained.background in classes
    if trained.quality not in get_args(QualityName):
        raise ValueError(trained.quality)
    levels = trained.class_thresholds
    levelled = len(levels) == plan.classes and all(0 < level < 1 for level in (trained.threshold, *levels))
    if not (known and (levelled or not levels) and 0 < len(classes) == plan.classes and 0 < trained.threshold <= 1):
        raise ValueError(trained)


def _as_json(kind: Any) -> Any:
    """What a value of a kind may be when it is read back: fractions may be whole."""
    return int | float if kind is float else kind
