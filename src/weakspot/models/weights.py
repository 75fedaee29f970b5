"""Read weights files without running any code that they contain."""

import pickle
import warnings
from argparse import Namespace
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from weakspot.errors import ModelError, suggest
from weakspot.models.run_files import check_weights
from weakspot.models.state_dicts import find_state_dict, is_counter, match_names

_HINT = "Name the model that the weights were trained with."
# Largest size of a tensor, and of all entries of a zip file, as a multiple of the size of the file.
_MAX_RATIO = 4
# Number of names in which to search for one that is similar to a missing one.
_MAX_SUGGESTED = 5000


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors or from a PyTorch file of plain tensors.

    The state dict may be an entry of a checkpoint, see :func:`weakspot.models.state_dicts.find_state_dict`.

    Args:
        file: ``.safetensors``, or ``.pth`` / ``.pt`` / ``.bin`` as written by ``torch.save(model.state_dict())``.
    """
    check_weights(file)
    content = _read_safetensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    weights = find_state_dict(content)
    if weights is None:
        hint = "Save one with torch.save(model.state_dict(), file)."
        raise ModelError("not-a-state-dict", f"{file} does not contain a state dict.", hint)
    _check_tensors(weights, file)
    return weights


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], file: Path) -> None:
    """Load weights into a model; all names, without prefixes of wrappers, and shapes must agree.

    Args:
        model: The model, unchanged if the weights do not fit.
        weights: The weights.
        file: The file that they were read from, for the message.
    """
    expected = model.state_dict()
    counters = {name: value for name, value in expected.items() if is_counter(name)}
    weights = counters | match_names(weights, expected)
    check_shapes(weights, {name: tuple(value.shape) for name, value in expected.items()}, file)
    unknown = next((name for name in weights if name not in expected), None)
    if unknown:
        raise ModelError("weights-mismatch", f"{file} does not fit the model, which has no {unknown}.", _HINT)
    model.load_state_dict(weights)


def check_shapes(weights: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], file: Path) -> None:
    """Raise ModelError ``weights-mismatch`` unless there are weights of the expected names and shapes.

    Args:
        weights: The weights; further ones are not checked.
        expected: Shapes by name; counters of batch normalizations may be missing.
        file: The file of the weights, for the message.
    """
    for name, shape in expected.items():
        if name not in weights:
            if is_counter(name):
                continue
            problem = f"{file} does not fit the model: it has no {name}."
            raise ModelError("weights-mismatch", problem, suggest(name, [*weights][:_MAX_SUGGESTED], _HINT))
        found = tuple(weights[name].shape)
        if found != shape:
            problem = f"{file} does not fit the model: {name} must be of shape {shape}, got {found}."
            raise ModelError("weights-mismatch", problem, _HINT)


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except Exception as error:  # shapes and types that torch does not have raise anything
        raise _damaged(file) from error


def _read_torch(file: Path) -> object:
    _check_compression(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _plain_values():
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            "unsafe-pickle",
            f"{file} is a pickle that could run code and is not loaded.",
            "Save the state dict as safetensors: safetensors.torch.save_file(model.state_dict(), file).",
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise _damaged(file) from error


def _check_compression(file: Path) -> None:
    """Refuse a zip file whose entries are much larger than the file: torch.save does not compress."""
    try:
        if not is_zipfile(file):
            return
        with ZipFile(file) as opened:
            total = sum(entry.file_size for entry in opened.infolist())
    except (OSError, BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(file) from error
    if total > _MAX_RATIO * file.stat().st_size:
        problem = f"{file} declares {total / 1e6:.0f} MB, which is more than it can contain."
        raise ModelError("damaged-file", problem, "Save it again with torch.save, which does not compress.")


def _check_tensors(weights: Mapping[str, Tensor], file: Path) -> None:
    """Refuse tensors that a file declares larger than itself, and those that are not plain real numbers."""
    limit = _MAX_RATIO * file.stat().st_size
    for name, tensor in weights.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized or tensor.is_complex():
            raise ModelError("not-a-state-dict", f"{name} in {file} is not a plain tensor of real numbers.")
        if max(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()) > limit:
            problem = f"{file} declares {name} of shape {tuple(tensor.shape)}, which is more than it can contain."
            raise ModelError("damaged-file", problem)


def _plain_values() -> AbstractContextManager[Any]:
    """Allow what training scripts store besides tensors and what cannot run code: options and numbers of numpy."""
    numbers = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
    scalar: Any = np.float64(0).__reduce__()[0]
    scalars: list[Any] = [(scalar, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")]
    return torch.serialization.safe_globals([Namespace, np.dtype, *scalars, *numbers])


def _damaged(file: Path) -> ModelError:
    return ModelError("damaged-file", f"{file} is damaged or is not a weights file.")
