"""Read the content of a report from a folder of results of any command."""

from pathlib import Path

from weakspot.errors import InputError
from weakspot.io.folders import CONFIG, METRICS
from weakspot.io.manifest import finished_row_files
from weakspot.report.content import ReportData
from weakspot.report.from_evaluate import METRICS_FILE, read_evaluated
from weakspot.report.from_localize import read_localized
from weakspot.report.from_train import read_trained


def read_report_data(folder: Path, *, data: Path | None = None, images: Path | None = None) -> ReportData:
    """Read the content of a report.

    Args:
        folder: Output folder of ``weakspot localize``, ``evaluate``, ``compare`` or ``train``.
        data: Data set with ground truth; see :func:`read_localized` and :func:`read_evaluated`.
        images: Folder of the images, if they have moved.

    Raises:
        InputError: ``results-not-found`` if the folder is none of these; or if one of its files cannot be read.
    """
    if folder.is_dir() and finished_row_files(folder):
        return read_localized(folder, data, images)
    if (folder / METRICS_FILE).is_file():
        return read_evaluated(folder, data, images)
    if (folder / CONFIG).is_file() and (folder / METRICS).is_file():
        return read_trained(folder)
    hint = "Name a folder that weakspot localize, evaluate, compare or train wrote."
    raise InputError("results-not-found", f"{folder} contains no results of weakspot.", hint)
