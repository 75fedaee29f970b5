"""Localize images of a review again, into a folder of its own."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.run import localize
from weakspot.io.folders import RUN_FILE, recorded_path
from weakspot.io.rows import read_rows, write_rows
from weakspot.io.settings import load_settings
from weakspot.serving.review.adoption import WORK
from weakspot.serving.review.source import ReviewSource

_LIST = "images.jsonl"
# Settings of one process of a cluster, and of what was written before.
_NOT_REPEATED = ("output", "resume", "shard", "engine", "address", "num_actors", "images_per_shard", "format")


def localize_again(source: ReviewSource, paths: Sequence[Path]) -> tuple[str, ...]:
    """Localize images with the settings of the folder, but the thresholds that its run has now.

    Returns:
        Why images cannot be read, which keep their boxes.

    Raises:
        InputError, ModelError: As :func:`weakspot.inference.batch.run.localize`.
    """
    work = source.folder / WORK
    shutil.rmtree(work, ignore_errors=True)
    if not paths:
        return ()
    write_rows(work / _LIST, [{"image": str(path)} for path in paths])
    options = replace(_options(source.folder), model=str(source.run), output=work, threshold=None)
    outcome = localize([str(work / _LIST)], options)  # a list, as the error of a single file would be raised
    return tuple(str(row["problem"]) for _, row in read_rows(outcome.skipped)) if outcome.failed else ()


def _options(folder: Path) -> LocalizeOptions:
    """Return the options of localize that a folder records."""
    settings: Mapping[str, Any] = load_settings(folder / RUN_FILE)
    names = {field.name for field in fields(LocalizeOptions)} - {*_NOT_REPEATED}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    known: dict[str, Any] = {name: value for name, value in values.items() if name in names}
    if "class_names" in known:
        known["class_names"] = recorded_path(Path(known["class_names"]), folder)
    return LocalizeOptions(**known)
