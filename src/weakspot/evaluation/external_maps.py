"""Score maps that somebody else's code has written, one ``.npy`` file an image."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from weakspot.data.readers.walk import is_file, without_suffix
from weakspot.errors import InputError
from weakspot.evaluation.samples import EvaluationSample, refuse
from weakspot.evaluation.targets import SIDE

# Headers are Python literals, which Python 3.11 before 3.11.8 now and then fails to parse in threads (cpython #106905).
_parsing = Lock()


def read_map(folder: Path, image_id: str) -> NDArray[np.float64]:
    """Read an image's score map.

    Args:
        folder: Of the files, each named as its image id and ``.npy``, with or without the image's own suffix:
            ``val/n01/a.JPEG.npy`` (as the reference writes it) or ``val/n01/a.npy``.
        image_id: Of the image.

    Returns:
        Shape (224, 224), values in [0, 1].

    Raises:
        InputError: If there is no such file, or it holds something else.
    """
    path = find_map(folder, image_id)
    if path is None:
        raise InputError(f"{folder} has no map of {image_id}.", f"Write it to {image_id}.npy.")
    stored, problem = _load(path)
    if stored is None:
        raise InputError(f"{path} {problem}.", "Write min-max normalised maps of 224 x 224, as numpy.save does.")
    return stored


def find_map(folder: Path, image_id: str) -> Path | None:
    """Find an image's map file within a folder, or None."""
    names = [f"{image_id}.npy", f"{without_suffix(image_id)}.npy"]
    inside = [name for name in names if ".." not in PurePosixPath(name).parts and not PurePosixPath(name).is_absolute()]
    return next((folder / name for name in inside if is_file(folder / name)), None)


def refuse_unusable_maps(folder: Path, cases: Sequence[EvaluationSample]) -> None:
    """Look at every map before anything is computed.

    Raises:
        InputError: If maps are missing, of the wrong size, or not scores; the first ones are named.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises of a name too long
        raise InputError(f"{folder} is not a folder of maps.", "Name the folder that holds the .npy files.")
    ids = [case.example.image_id for case in cases]
    found = {image_id: find_map(folder, image_id) for image_id in ids}
    missing = [image_id for image_id, path in found.items() if path is None]
    refuse(missing, f"images of {len(ids)} have no map in {folder}", "Each needs a file named <image id>.npy there.")
    problems = {path: map_problem(path) for path in found.values() if path is not None}
    wrong = [f"{path.relative_to(folder)} {problem}" for path, problem in problems.items() if problem]
    refuse(wrong, f"maps in {folder} cannot be scored", "Write min-max normalised maps of 224 x 224 with numpy.save.")


def map_problem(path: Path) -> str:
    """What is wrong with a map file, a few words; empty when nothing is."""
    return _load(path)[1]


def _load(path: Path) -> tuple[NDArray[np.float64] | None, str]:
    """Load a map, or say what is wrong with its file. The size is looked at before the rest is read."""
    try:
        with path.open("rb") as file:
            shape, columns_first, dtype = _header(file)
            if shape != (SIDE, SIDE) or not np.issubdtype(dtype, np.floating):
                return None, f"holds {dtype} of shape {shape}"
            flat = np.frombuffer(file.read(SIDE * SIDE * dtype.itemsize), dtype)  # floats, so nothing is unpickled
            stored = flat.reshape(shape, order="F" if columns_first else "C").astype(np.float64)
    except Exception:  # what a damaged header raises is up to its bytes
        return None, "is not a .npy file of numbers"
    if np.isnan(stored).any():
        return None, "holds NaN"
    low, high = float(stored.min()), float(stored.max())
    return (None, f"has values from {low:g} to {high:g}") if low < 0 or high > 1 else (stored, "")


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and type of what a .npy file holds, and nothing of it."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with _parsing:
        return read(file)
