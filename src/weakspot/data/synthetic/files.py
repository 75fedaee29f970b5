"""Write scenes into a folder that ``read_dataset`` reads."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from PIL import Image

from weakspot.data.synthetic.scenes import Scene, scene
from weakspot.data.synthetic.settings import SceneSettings, check_integer
from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write, save_image

COLUMNS = ("image_id", "xmin", "ymin", "xmax", "ymax", "width", "height", "has_mask")

Row = tuple[object, ...]


def write_scenes(folder: Path, counts: Mapping[str, int], setting: SceneSettings = SceneSettings()) -> Path:
    """Write scenes as class folders with a CSV file of boxes.

    ::

        images/<class>/<index>.jpg
        masks/<class>/<index>.png       1 bit, True on the object; none where there is no object
        splits.csv                      image_id,split
        annotations.csv                 image_id,xmin,ymin,xmax,ymax,width,height,has_mask; the last file written

    Scenes without an object are of class ``BACKGROUND``, with neither box nor mask, which ``check_dataset`` reports.

    Args:
        folder: A new or empty folder.
        counts: Number of scenes in each split. The first split takes the first indices, the next one those that
            follow: no scene is in two splits.
        setting: What the scenes are like.

    Returns:
        The folder.

    Raises:
        InputError: If the folder is not empty, a count is no number of scenes, there are no scenes at all, or a file
            cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from weakspot.data import read_dataset
        >>> with TemporaryDirectory() as folder:
        ...     read_dataset(write_scenes(Path(folder), {"train": 4, "test": 2}, SceneSettings(size=64))).splits
        {'train': 4, 'test': 2}
    """
    _check(folder, counts)
    splits = [split for split, count in counts.items() for _ in range(count)]
    made = [_write_scene(folder, index, setting) for index in range(len(splits))]
    split_rows = ((image_id, split) for (image_id, *_), split in zip(made, splits, strict=True))
    _write_rows(folder / "splits.csv", ("image_id", "split"), split_rows)
    _write_rows(folder / "annotations.csv", COLUMNS, made)
    return folder


def _check(folder: Path, counts: Mapping[str, int]) -> None:
    for split, count in counts.items():
        check_integer(f"count of split {split}:", count, 0)
    if not any(counts.values()):
        raise InputError("No scenes are asked for.", 'Give a count for each split, such as {"train": 120}.')
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty.", "Choose a new or an empty folder.")


def _write_scene(folder: Path, index: int, setting: SceneSettings) -> Row:
    """Write image and mask, and tell the row that annotates them."""
    made = scene(index, setting)
    image_id = f"{made.label}/{index:06}"
    with atomic_write(folder / "images" / f"{image_id}.jpg") as file:
        Image.fromarray(made.image).save(file, "JPEG", quality=95)
    if len(made.boxes):
        save_image(Image.fromarray(made.mask), folder / "masks" / f"{image_id}.png")
    return image_id, *_sides(made), setting.size, setting.size, len(made.boxes)


def _sides(made: Scene) -> Iterator[object]:
    """Four whole numbers, or four empty cells where there is no object."""
    return iter(made.boxes.astype(int)[0] if len(made.boxes) else [""] * 4)


def _write_rows(path: Path, header: Iterable[str], rows: Iterable[Row]) -> None:
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        text.flush()
        text.detach()
