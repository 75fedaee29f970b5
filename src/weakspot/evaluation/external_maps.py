"""Read score maps of another tool, one ``.npy`` file per image."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from weakspot.data.formats.walk import without_suffix
from weakspot.errors import InputError
from weakspot.evaluation.samples import EvaluationSample, raise_if_any
from weakspot.evaluation.targets import SIDE
from weakspot.io.folders import is_file

# Headers are Python literals, which Python 3.11 before 3.11.8 sometimes fails to parse in threads (cpython #106905).
_header_lock = Lock()
_HINT = "Save min-max normalized maps of 224 x 224 with numpy.save."


def read_map(folder: Path, image_id: str) -> NDArray[np.float64]:
    """Read the score map of an image: shape (224, 224), values in [0, 1].

    Each file is named after its image id, with or without the suffix of the image: ``val/n01/a.JPEG.npy`` (as the
    reference implementation writes it) or ``val/n01/a.npy``.

    Raises:
        InputError: ``map-not-found`` or ``map-invalid``.
    """
    path = find_map(folder, image_id)
    if path is None:
        raise InputError("map-not-found", f"{folder} has no map of {image_id}.", f"Save it as {image_id}.npy.")
    score_map, problem = _load(path)
    if score_map is None:
        raise InputError("map-invalid", f"{path} {problem}.", _HINT)
    return score_map


def find_map(folder: Path, image_id: str) -> Path | None:
    """Find the map file of an image within a folder; None if there is none."""
    names = [f"{image_id}.npy", f"{without_suffix(image_id)}.npy"]
    inside = [name for name in names if ".." not in PurePosixPath(name).parts and not PurePosixPath(name).is_absolute()]
    return next((folder / name for name in inside if is_file(folder / name)), None)


def check_maps(folder: Path, samples: Sequence[EvaluationSample]) -> None:
    """Check all maps before anything is computed.

    Raises:
        InputError: ``maps-not-found``, ``map-not-found`` or ``map-invalid``, with the first offenders.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises if the name is too long
        raise InputError("maps-not-found", f"{folder} is not a folder.")
    ids = [sample.image.image_id for sample in samples]
    paths = {image_id: find_map(folder, image_id) for image_id in ids}
    missing = [image_id for image_id, path in paths.items() if path is None]
    hint = "Each needs a file <image id>.npy."
    raise_if_any(missing, "map-not-found", f"images of {len(ids)} have no map in {folder}", hint)
    problems = {path: map_problem(path) for path in paths.values() if path is not None}
    invalid = [f"{path.relative_to(folder)} {problem}" for path, problem in problems.items() if problem]
    raise_if_any(invalid, "map-invalid", f"maps in {folder} cannot be scored", _HINT)


def map_problem(path: Path) -> str:
    """Describe what is wrong with a map file in a few words; empty if it is valid."""
    return _load(path)[1]


def _load(path: Path) -> tuple[NDArray[np.float64] | None, str]:
    """Load a map, or return a description of the problem. The shape is checked before the data is read."""
    try:
        with path.open("rb") as file:
            shape, columns_first, dtype = _header(file)
            if shape != (SIDE, SIDE) or not np.issubdtype(dtype, np.floating):
                return None, f"contains {dtype} of shape {shape}"
            flat = np.frombuffer(file.read(SIDE * SIDE * dtype.itemsize), dtype)  # floats: nothing is unpickled
            score_map = flat.reshape(shape, order="F" if columns_first else "C").astype(np.float64)
    except Exception:  # a damaged header can raise anything
        return None, "is not a .npy file of numbers"
    if np.isnan(score_map).any():
        return None, "contains NaN"
    low, high = float(score_map.min()), float(score_map.max())
    return (None, f"has values from {low:g} to {high:g}") if low < 0 or high > 1 else (score_map, "")


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and dtype of a .npy file without its data."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with _header_lock:
        return read(file)
