"""Localize images of a review again, and replace their rows and output images once all of them are there."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from weakspot.inference.batch.model_identity import MODEL_HASH
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.run import localize
from weakspot.io.folders import RUN_FILE
from weakspot.io.manifest import finished_row_files
from weakspot.io.rows import read_rows, write_rows
from weakspot.io.settings import load_settings, save_settings
from weakspot.io.temporary_files import OUTPUT_IMAGES
from weakspot.serving.review.items import read_report_items
from weakspot.serving.review.source import ReviewSource

WORK = "learning"  # folder of new localizations until all of them are there
# Settings of one process of a cluster, and of what was written before.
_NOT_REPEATED = ("output", "resume", "shard", "engine", "address", "num_actors", "images_per_shard", "format")


def localize_again(source: ReviewSource, paths: Sequence[Path]) -> None:
    """Localize images with the settings of the folder, but the thresholds that its run has now.

    Raises:
        InputError, ModelError: As :func:`weakspot.inference.batch.run.localize`.
    """
    work = source.folder / WORK
    shutil.rmtree(work, ignore_errors=True)
    if not paths:
        return
    options = replace(_options(load_settings(source.folder / RUN_FILE)), model=str(source.run), output=work)
    localize([str(path) for path in paths], replace(options, threshold=None))


def adopt(source: ReviewSource) -> None:
    """Replace rows and output images by the new ones, and remove the folder in which they were written.

    Raises:
        InputError: ``not-writable`` or ``disk-full``; the new ones can be adopted again then.
    """
    work = source.folder / WORK
    if not (work / RUN_FILE).is_file():  # nothing was localized
        shutil.rmtree(work, ignore_errors=True)
        return
    new = {os.path.abspath(row["image"]): row for file in finished_row_files(work) for _, row in read_rows(file)}
    _remove_heatmaps(source, new)
    for name in OUTPUT_IMAGES:
        _move_files(work / name, source.folder / name)
    _replace_rows(source, new)
    settings = load_settings(source.folder / RUN_FILE)
    save_settings(source.folder / RUN_FILE, settings | {MODEL_HASH: load_settings(work / RUN_FILE)[MODEL_HASH]})
    shutil.rmtree(work, ignore_errors=True)


def _options(settings: Mapping[str, Any]) -> LocalizeOptions:
    """Return the options of localize that a folder records."""
    names = {field.name for field in fields(LocalizeOptions)} - {*_NOT_REPEATED}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    known: dict[str, Any] = {name: value for name, value in values.items() if name in names}
    if "class_names" in known:
        known["class_names"] = Path(known["class_names"])
    return LocalizeOptions(**known)


def _replace_rows(source: ReviewSource, new: Mapping[str, dict[str, Any]]) -> None:
    """Replace the rows of the images that were localized again, which keep the names of their images."""
    paths = {item.name: os.path.abspath(item.image) for item in read_report_items(source.folder, source.moved)}
    for file in finished_row_files(source.folder):
        rows = [row for _, row in read_rows(file)]
        write_rows(file, [_renamed(new.get(paths[str(row["image"])]), row) for row in rows])


def _renamed(new: dict[str, Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    return row if new is None else new | {"image": row["image"]}


def _remove_heatmaps(source: ReviewSource, new: Mapping[str, object]) -> None:
    """Remove the heatmaps of images that have new ones: their names depend on the working folder and the classes."""
    for item in read_report_items(source.folder, source.moved):
        if item.heatmap is not None and os.path.abspath(item.image) in new:
            item.heatmap.unlink(missing_ok=True)


def _move_files(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
