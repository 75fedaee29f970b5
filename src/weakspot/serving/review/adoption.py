"""Take over new localizations, all of them or none: they are made ready first, and then files are only renamed.

::

    learning/          what weakspot localize has written, see relocalize
    learning/new/      what is being made ready
    learning/ready/    it is complete: from now on, the adoption is finished, later if it is interrupted
        put/           files that replace those of the same path in the folder
        drop/          empty files with the paths of files to remove from the folder
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weakspot.inference.batch.image_files import output_name
from weakspot.inference.batch.model_identity import MODEL_HASH
from weakspot.io.atomic import not_writable
from weakspot.io.folders import RUN_FILE
from weakspot.io.manifest import finished_row_files
from weakspot.io.rows import read_rows, write_rows
from weakspot.io.settings import load_settings, save_settings
from weakspot.io.temporary_files import OUTPUT_IMAGES
from weakspot.report.content import ReportItem
from weakspot.serving.review.items import read_report_items
from weakspot.serving.review.source import ReviewSource

WORK = "learning"  # folder of new localizations until all of them are there
_NEW, _READY, _PUT, _DROP = "new", "ready", "put", "drop"
_HINT = "What is left is taken over when the model learns again, or when the review is opened again."


def adopt(source: ReviewSource) -> None:
    """Replace rows and output images by the new ones, and remove the folder in which they were written.

    Raises:
        InputError: ``not-writable`` or ``disk-full``. Either nothing has changed, or :func:`is_interrupted`, and
            :func:`finish` goes on.
    """
    work = source.folder / WORK
    if (work / RUN_FILE).is_file():  # otherwise nothing was localized
        with _os_errors(work):
            shutil.rmtree(work / _NEW, ignore_errors=True)
            _make_ready(source, work, work / _NEW)
            (work / _NEW).rename(work / _READY)
    finish(source.folder)


def is_interrupted(folder: Path) -> bool:
    """Return whether new localizations are ready, of which some may be taken over and others not."""
    return (folder / WORK / _READY).is_dir()


def finish(folder: Path) -> None:
    """Take over what is ready, if anything is, and remove the folder of new localizations.

    Raises:
        InputError: ``not-writable`` or ``disk-full``; it can be called again.
    """
    work = folder / WORK
    ready = work / _READY
    with _os_errors(folder, _HINT):
        for path in _files_below(ready / _DROP):
            (folder / path).unlink(missing_ok=True)
            (ready / _DROP / path).unlink()
        for path in _files_below(ready / _PUT):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (ready / _PUT / path).replace(folder / path)
    shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _os_errors(folder: Path, hint: str = "") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise not_writable(Path(os.fsdecode(error.filename or folder)), error, hint) from error


def _make_ready(source: ReviewSource, work: Path, target: Path) -> None:
    """Write the new rows and settings, and gather the new output images, under the names that they will have."""
    new = {os.path.abspath(row["image"]): row for file in finished_row_files(work) for _, row in read_rows(file)}
    old = [item for item in read_report_items(source.folder, source.moved) if os.path.abspath(item.image) in new]
    again = {item.name: new[os.path.abspath(item.image)] for item in old}
    for file in finished_row_files(source.folder):
        rows = [row for _, row in read_rows(file)]
        write_rows(target / _PUT / file.name, [_renamed(again.get(str(row["image"])), row) for row in rows])
    settings = load_settings(source.folder / RUN_FILE)
    settings[MODEL_HASH] = load_settings(work / RUN_FILE)[MODEL_HASH]
    save_settings(target / _PUT / RUN_FILE, settings)
    for name, row in again.items():
        for path, place in _output_images(row, name):
            if (work / path).is_file():
                (target / _PUT / place).parent.mkdir(parents=True, exist_ok=True)
                (work / path).replace(target / _PUT / place)
    for path in (file.relative_to(source.folder) for item in old for file in _files_of(item)):
        if not (target / _PUT / path).exists():
            (target / _DROP / path).parent.mkdir(parents=True, exist_ok=True)
            (target / _DROP / path).touch()


def _renamed(new: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    """Return a new row under the name that its image had before."""
    return row if new is None else new | {"image": row["image"]}


def _output_images(row: Mapping[str, Any], name: str) -> Iterator[tuple[Path, Path]]:
    """Yield the paths that output images of a new row may have, and the same under another name of the image."""
    for i, result in enumerate((row, *row.get("others", ()))):
        suffix = f".{result['class_index']}.png" if i else ".png"
        for kind in OUTPUT_IMAGES:
            yield Path(kind, output_name(Path(row["image"])) + suffix), Path(kind, output_name(Path(name)) + suffix)


def _files_of(item: ReportItem) -> tuple[Path, ...]:
    return tuple(file for file in (item.heatmap, item.plot, item.mask) if file is not None)


def _files_below(folder: Path) -> list[Path]:
    """Return all files, those of inner folders first: images before rows."""
    found = ((place, name) for place, _, names in os.walk(folder, topdown=False) for name in sorted(names))
    return [Path(place, name).relative_to(folder) for place, name in found]
