"""A run of ``weakspot train``."""

from pathlib import Path
from typing import Any

from weakspot.io.rows import invalid_row, read_rows
from weakspot.io.run_files import CONFIG, CURVES, LOG, METRICS, SKIPPED, VERSION
from weakspot.report.content import Chart, ReportData
from weakspot.report.read import as_text, modified_at, read_settings, read_skipped

RUN = "Training run"
# What is counted of validation images; boxes are those of the run that teaches.
_VALIDATED = {
    "val_accuracy": "validation accuracy",
    "val_f1": "validation F1",
    "val_iou": "validation IoU with pseudo boxes",
}


def read_trained(folder: Path) -> ReportData:
    """Read the folder of a training run: how it was trained, and how well it learnt.

    Raises:
        InputError: If a file of it cannot be read.
    """
    rows = []
    for place, row in read_rows(folder / METRICS):
        if not isinstance(row.get("epoch"), int):
            raise invalid_row(place, "it has no epoch")
        rows.append(row)
    curves, settings = folder / CURVES, read_settings(folder / CONFIG, "train")
    version = settings.pop(VERSION, None)
    return ReportData(
        kind=RUN,
        folder=folder,
        when=modified_at(folder / METRICS),
        version=None if version is None else str(version),
        facts=training_facts(rows),
        settings=as_text(settings),
        charts=(Chart("Learning curves", curves.read_bytes()),) if curves.exists() else (),
        skipped=read_skipped(folder / SKIPPED),
        notes=_last_line(folder / LOG),
    )


def training_facts(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Say how long a run has learnt, and how well: the epoch of the least validation loss is kept.

    Example:
        >>> rows = [{"epoch": 1, "val_loss": 0.5, "val_accuracy": 0.9, "seconds": 61.0}, {"epoch": 2, "val_loss": 0.7}]
        >>> training_facts(rows)
        {'epochs': '2', 'training time': '1 min 1 s', 'kept epoch': '1', 'validation accuracy': '90.0 %'}
    """
    seconds = round(sum(row.get("seconds", 0.0) for row in rows))
    minutes = f"{seconds // 60} min " if seconds >= 60 else ""
    said = {"epochs": str(len(rows)), "training time": f"{minutes}{seconds % 60} s"}
    validated = [row for row in rows if "val_loss" in row]
    if validated:
        best = min(validated, key=lambda row: row["val_loss"])
        said["kept epoch"] = str(best["epoch"])
        said |= {name: f"{100 * best[key]:.1f} %" for key, name in _VALIDATED.items() if key in best}
    return said


def _last_line(log: Path) -> tuple[str, ...]:
    """The last line of the log, which says what was kept and at which threshold to cut."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    return tuple(line for line in lines if line.strip())[-1:]
