"""The files of a model, read without torch: which one has the weights, its hash, and its class names."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from weakspot.config import PRETRAINED
from weakspot.errors import InputError, ModelError
from weakspot.io.folders import CONFIG, is_file

MODEL_FILE = "model.safetensors"
METADATA_KEY = "weakspot"
GRAPH_SUFFIX = ".onnx"


def model_file(path: Path) -> Path:
    """Return the file of a run's model by its folder or by the file itself; it need not exist."""
    return path / MODEL_FILE if path.is_dir() else path


def is_run(path: str | Path) -> bool:
    """Return whether a path is a run folder with a trained model, or the model's file."""
    try:
        return model_file(Path(path)).is_file()
    except (OSError, ValueError):  # a name that is too long, or contains a zero byte
        return False


def check_model_files(model: str, weights: str | Path | None = PRETRAINED) -> None:
    """Check the files that a model and its weights are loaded from, as far as their paths tell.

    Args:
        model: Run folder or its file, file of ``weakspot export``, or a timm or torchvision name.
        weights: Weights file for a name, ``"pretrained"``, or None for random weights.

    Raises:
        ModelError: ``run-unfinished``, ``run-not-found``, or ``weights-not-found``.
        InputError: ``options-conflict`` for weights of a run, which has its own.
    """
    if is_run(model) and Path(model).suffix != GRAPH_SUFFIX:
        if weights != PRETRAINED:
            raise InputError("options-conflict", f"Weights must not be passed for the run {model}, which has its own.")
        return
    if is_file(Path(model, CONFIG)):
        hint = f"Run: weakspot train --resume {model}"
        raise ModelError("run-unfinished", f"The run in {model} is not finished.", hint)
    if _is_path_like(model):
        hint = f"To train one: weakspot train images/ --output {model}"
        raise ModelError("run-not-found", f"{model} does not contain a run.", hint)
    if weights not in (None, PRETRAINED):
        check_weights(weights)


def check_weights(file: str | Path) -> None:
    """Raise ModelError (``weights-not-found``) unless a weights file exists."""
    if not is_file(Path(file)):
        raise ModelError("weights-not-found", f"The weights file {file} does not exist.")


def check_trained(run: str | Path) -> Path:
    """Return the file of a run's model; ModelError ``checkpoint-not-found`` if there is none."""
    if not is_run(run):
        hint = "Pass the folder of a finished weakspot train run."
        raise ModelError("checkpoint-not-found", f"{run} does not contain a trained model.", hint)
    return model_file(Path(run))


def weights_file(model: str, weights: str | Path | None = PRETRAINED) -> Path | None:
    """Return the file that has the weights of a model; None for a name with published or random weights."""
    if is_run(model):  # or the file of a graph
        return model_file(Path(model))
    return None if weights in (None, PRETRAINED) else Path(weights)


def hash_file(file: Path) -> str:
    """Hash the bytes of a file: BLAKE2b, 16 bytes in hexadecimal, about a second for a gigabyte.

    Raises:
        ModelError: ``weights-unreadable``.
    """
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise ModelError("weights-unreadable", f"Cannot read {file}: {error.strerror or error}.") from error


def read_class_names(model: str) -> tuple[str, ...]:
    """Return the class names in the metadata of a run; empty for any other model, or if they cannot be read."""
    return _read_classes(model)[0]


def read_background(model: str) -> str:
    """Return the label of images without an object: the background class of a run, else ``background``."""
    names, index = _read_classes(model)
    is_index = isinstance(index, int) and 0 <= index < len(names)
    return names[index] if is_index else "background"


def _read_classes(model: str) -> tuple[tuple[str, ...], Any]:
    """Return the class names of a run, and what its metadata has as the index of the background class."""
    if not is_run(model) or Path(model).suffix == GRAPH_SUFFIX:
        return (), None
    try:
        with safe_open(model_file(Path(model)), framework="np") as opened:
            metadata: Any = json.loads((opened.metadata() or {})[METADATA_KEY])
        names = tuple(str(name) for name in metadata["class_names"])
        return names, metadata.get("background_index", metadata.get("background"))  # the latter in 0.1.0
    # Loading the model reports what is wrong; a deeply nested text raises a RecursionError.
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return (), None


def _is_path_like(name: str) -> bool:
    """Return whether a name can only be a path: names of torchvision and hub models contain slashes too."""
    return "/" in name and ":" not in name and not name.startswith("torchvision/") and not name.endswith(GRAPH_SUFFIX)
