"""Write scenes to a folder for ``read_dataset``."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

from weakspot.data.synthetic.scenes import SceneSettings, check_integer, scene
from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write, save_image

COLUMNS = ("image_id", "xmin", "ymin", "xmax", "ymax", "width", "height", "has_mask")

Row = tuple[object, ...]


def write_scenes(folder: Path, counts: Mapping[str, int], setting: SceneSettings = SceneSettings()) -> Path:
    """Write scenes as class folders with a CSV file of boxes to a new or empty folder.

    ::

        images/<class>/<index>.jpg
        masks/<class>/<index>.png       1 bit, True on the object; only for scenes with an object
        splits.csv                      image_id,split
        annotations.csv                 image_id,xmin,ymin,xmax,ymax,width,height,has_mask; written last

    Scenes without an object have the class ``BACKGROUND`` without box and mask, which ``check_dataset`` reports.
    ``counts`` are the scenes of each split. Indices are consecutive, so that no scene is in two splits.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from weakspot.data import read_dataset
        >>> with TemporaryDirectory() as folder:
        ...     read_dataset(write_scenes(Path(folder), {"train": 4, "test": 2}, SceneSettings(size=64))).splits
        {'train': 4, 'test': 2}
    """
    _check(folder, counts)
    splits = [split for split, count in counts.items() for _ in range(count)]
    rows = [_write_scene(folder, index, setting) for index in range(len(splits))]
    split_rows = ((image_id, split) for (image_id, *_), split in zip(rows, splits, strict=True))
    _write_rows(folder / "splits.csv", ("image_id", "split"), split_rows)
    _write_rows(folder / "annotations.csv", COLUMNS, rows)
    return folder


def _check(folder: Path, counts: Mapping[str, int]) -> None:
    for split, count in counts.items():
        check_integer(f"The count of split {split}", count, 0)
    if not any(counts.values()):
        raise InputError("out-of-range", f"counts must include at least one scene, got {dict(counts)}.")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError("folder-exists", f"{folder} is not empty.")


def _write_scene(folder: Path, index: int, setting: SceneSettings) -> Row:
    """Write image and mask, and return the row of annotations."""
    drawn = scene(index, setting)
    image_id = f"{drawn.label}/{index:06}"
    with atomic_write(folder / "images" / f"{image_id}.jpg") as file:
        Image.fromarray(drawn.image).save(file, "JPEG", quality=95)
    if len(drawn.boxes):
        save_image(Image.fromarray(drawn.mask), folder / "masks" / f"{image_id}.png")
    sides = drawn.boxes.astype(int)[0] if len(drawn.boxes) else [""] * 4
    return image_id, *sides, setting.size, setting.size, len(drawn.boxes)


def _write_rows(path: Path, header: Iterable[str], rows: Iterable[Row]) -> None:
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        text.flush()
        text.detach()
