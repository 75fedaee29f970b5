"""From a folder to a report's content, whatever wrote it."""

from pathlib import Path

from weakspot.errors import InputError
from weakspot.io.manifest import finished_row_files
from weakspot.io.run_files import CONFIG, METRICS
from weakspot.report import from_evaluate
from weakspot.report.content import ReportData
from weakspot.report.from_evaluate import read_evaluated
from weakspot.report.from_localize import read_localized
from weakspot.report.from_train import read_trained


def read_report_data(folder: Path, *, data: Path | None = None, images: Path | None = None) -> ReportData:
    """Read what a report is about.

    Args:
        folder: What ``weakspot localize``, ``evaluate``, ``compare`` or ``train`` has written.
        data: A data set with true boxes; see :func:`read_localized` and :func:`read_evaluated`.
        images: Where the photos are, if they have moved.

    Raises:
        InputError: If the folder is none of these, or a file of it cannot be read.
    """
    if folder.is_dir() and finished_row_files(folder):
        return read_localized(folder, data, images)
    if (folder / from_evaluate.FIGURES).is_file():
        return read_evaluated(folder, data, images)
    if is_run(folder):
        return read_trained(folder)
    problem = "holds no results of weakspot" if folder.is_dir() else "is not a folder"
    raise InputError(
        f"{folder} {problem}.", "Give a folder that weakspot localize, evaluate, compare or train has written."
    )


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a training run."""
    return (folder / CONFIG).is_file() and (folder / METRICS).is_file()
