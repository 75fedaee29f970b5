"""Read and write checkpoints: weights and metadata in one safetensors file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from weakspot.config import PRETRAINED
from weakspot.errors import InputError, ModelError
from weakspot.io.atomic import atomic_write
from weakspot.models.classifiers import Classifier, find_device, resolve_classifier
from weakspot.models.foreground_head import ForegroundHead, from_state_dict
from weakspot.models.model_info import ModelInfo
from weakspot.models.networks import NetworkConfig, build_network, parse_method
from weakspot.models.run_files import METADATA_KEY, check_model_files, check_trained, is_run, model_file
from weakspot.models.weights import load_weights, read_weights

_FOREGROUND = "foreground."  # prefix of the names of the foreground head's weights


@dataclass(frozen=True)
class CheckpointMetadata:
    """What a checkpoint stores besides the weights.

    Attributes:
        config: How the network is built.
        info: Class names, preprocessing and thresholds.
        threshold_from: Description of how the threshold was chosen.
        untaught: The metadata before boxes taught the run; None if they did not.
    """

    config: NetworkConfig
    info: ModelInfo
    threshold_from: str
    untaught: "CheckpointMetadata | None" = None

    def to_dict(self) -> dict[str, Any]:
        """Return a flat dictionary that JSON can store; the network's configuration is its ``plan``."""
        own = {"plan": asdict(self.config), "threshold_from": self.threshold_from, **self.info.to_dict()}
        return own if self.untaught is None else {**own, "untaught": self.untaught.to_dict()}

    @classmethod
    def from_dict(cls, metadata: Mapping[str, Any]) -> "CheckpointMetadata":
        """Read what :meth:`to_dict` returned, or the metadata of a checkpoint of weakspot 0.1.0."""
        if not isinstance(metadata, Mapping) or not {"plan", "threshold_from", "threshold"} <= set(metadata):
            raise ModelError("metadata-invalid", "The metadata do not describe a network and its threshold.")
        values = dict(metadata)
        try:
            config = _read_config(values.pop("plan"))
        except (KeyError, ValueError, TypeError) as error:
            raise ModelError("metadata-invalid", f"The network's configuration is invalid: {error}") from error
        method = parse_method(config.method).class_map_method
        threshold_from, untaught = values.pop("threshold_from"), values.pop("untaught", None)
        info = ModelInfo.from_dict(
            {"quality": "plain", "method": method, "multi_label": config.multi_label, **values}  # absent from 0.1.0
        )
        if (info.method, info.multi_label, len(info.class_names)) != (method, config.multi_label, config.classes):
            raise ModelError("metadata-invalid", "The metadata do not match the network's configuration.")
        if not isinstance(threshold_from, str) or info.threshold is None:
            raise ModelError("metadata-invalid", "The metadata have no threshold.")
        return cls(config, info, threshold_from, None if untaught is None else cls.from_dict(untaught))


def write_checkpoint(
    path: Path, weights: dict[str, Tensor], metadata: CheckpointMetadata, foreground: ForegroundHead | None = None
) -> None:
    """Write weights and metadata to one file, atomically.

    Args:
        path: The file.
        weights: State dict of the network.
        metadata: How to build and use the network.
        foreground: The fitted foreground head, if there is one.
    """
    head = {} if foreground is None else foreground.state_dict(prefix=_FOREGROUND)
    tensors = {name: value.detach().cpu().contiguous() for name, value in {**weights, **head}.items()}
    with atomic_write(path) as file:
        file.write(save(tensors, {METADATA_KEY: json.dumps(metadata.to_dict())}))


def rewrite_metadata(path: str | Path, metadata: CheckpointMetadata) -> None:
    """Replace the metadata of a checkpoint, atomically; the weights stay as they are."""
    file = model_file(Path(path))
    with safe_open(file, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is not a dict
    with atomic_write(file) as target:
        target.write(save(tensors, {METADATA_KEY: json.dumps(metadata.to_dict())}))


def rewrite_heads(path: str | Path, metadata: CheckpointMetadata, foreground: ForegroundHead) -> None:
    """Replace the foreground head and the metadata of a checkpoint, atomically; the network stays as it is."""
    file = model_file(Path(path))
    with safe_open(file, framework="pt") as opened:
        names = [name for name in opened.keys() if not name.startswith(_FOREGROUND)]  # noqa: SIM118 - it is not a dict
        tensors = {name: opened.get_tensor(name) for name in names}
    write_checkpoint(file, tensors, metadata, foreground)


def read_metadata(path: str | Path) -> CheckpointMetadata:
    """Read the metadata of a checkpoint.

    Args:
        path: The run folder, or its ``model.safetensors``.
    """
    file = check_trained(path)
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = json.loads((opened.metadata() or {})[METADATA_KEY])
        return CheckpointMetadata.from_dict(metadata)
    except (SafetensorError, OSError) as error:
        raise ModelError("damaged-file", f"{file} is damaged or is not a weights file.") from error
    except InputError:  # the name of a training method that does not exist
        raise
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = error.problem if isinstance(error, ModelError) else "it has no weakspot metadata."
        hint = "Pass the folder of a weakspot train run."
        raise ModelError("metadata-invalid", f"Cannot build a network from {file}: {reason}", hint) from error


def load_run(path: str | Path, *, device: str = "auto", output_stride: int | None = None) -> Classifier:
    """Build a trained network and load its weights.

    Args:
        path: The run folder, or its ``model.safetensors``.
        device: As for :func:`weakspot.models.resolve_classifier`.
        output_stride: 16 or 8 for finer maps from the same weights; None for the stride of training.
    """
    file, metadata = model_file(Path(path)), read_metadata(path)
    config = metadata.config if output_stride is None else replace(metadata.config, output_stride=output_stride)
    network = build_network(config, weights=None, max_weights=file.stat().st_size).network
    with torch.inference_mode(False):
        weights = read_weights(file)
        head = {
            name.removeprefix(_FOREGROUND): weights.pop(name) for name in list(weights) if name.startswith(_FOREGROUND)
        }
        load_weights(network, weights, file)
        foreground = _foreground_head(head, file).to(find_device(device)) if head else None
        network.eval().to(find_device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(network, metadata.info, foreground)


def resolve_model(
    model: str | Path | nn.Module,
    *,
    device: str = "auto",
    weights: str | Path | None = PRETRAINED,
    output_stride: int | None = None,
) -> Classifier:
    """Load a run by its folder, or any other model as :func:`weakspot.models.resolve_classifier` does."""
    if isinstance(model, str | Path):
        check_model_files(str(model), weights)
        if is_run(model):
            return load_run(model, device=device, output_stride=output_stride)
        model = str(model)
    return resolve_classifier(model, device=device, weights=weights, output_stride=output_stride)


def _foreground_head(weights: dict[str, Tensor], file: Path) -> ForegroundHead:
    try:
        return from_state_dict(weights)
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError("weights-mismatch", f"The foreground head in {file} cannot be loaded.") from error


def _read_config(values: Mapping[str, Any]) -> NetworkConfig:
    teacher = values.get("teacher") if isinstance(values, Mapping) else None
    config = NetworkConfig(**{**values, "teacher": None if teacher is None else _read_config(teacher)})
    for name, kind in get_type_hints(NetworkConfig).items():
        # JSON may store a float as an integer.
        value = getattr(config, name)
        is_kind = isinstance(value, int | float if kind is float else kind)
        if not is_kind or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{name} is {value!r}")
    if config.classes < 1:
        raise ValueError("classes is 0")
    if (config.teacher is not None) != (config.method == "psol"):
        raise ValueError("only psol has a teacher")
    if config.teacher is not None and (config.teacher.teacher is not None or config.teacher.classes != config.classes):
        raise ValueError("the teacher does not fit")
    return config
