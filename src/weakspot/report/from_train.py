"""Read the folder of ``weakspot train``."""

from pathlib import Path
from typing import Any

from weakspot.io.folders import CONFIG, CURVES, LOG, METRICS, SKIPPED, VERSION
from weakspot.io.rows import invalid_row, read_rows
from weakspot.report.content import Chart, ReportData
from weakspot.report.read import as_text, modified_at, read_settings, read_skipped

RUN = "Training run"
# Validation metrics by key; the IoU is that with the pseudo boxes of the teacher run.
_VAL_METRICS = {
    "val_accuracy": "validation accuracy",
    "val_f1": "validation F1",
    "val_iou": "validation IoU with pseudo boxes",
}


def read_trained(folder: Path) -> ReportData:
    """Read settings, metrics and log of a training run.

    Raises:
        InputError: If one of its files cannot be read.
    """
    rows = []
    for location, row in read_rows(folder / METRICS):
        if not isinstance(row.get("epoch"), int):
            raise invalid_row(location, "it has no epoch")
        rows.append(row)
    curves, settings = folder / CURVES, read_settings(folder / CONFIG, "train")
    version = settings.pop(VERSION, None)
    return ReportData(
        kind=RUN,
        folder=folder,
        modified=modified_at(folder / METRICS),
        version=None if version is None else str(version),
        facts=training_facts(rows),
        settings=as_text(settings),
        charts=(Chart("Learning curves", curves.read_bytes()),) if curves.exists() else (),
        skipped=read_skipped(folder / SKIPPED),
        notes=_last_line(folder / LOG),
    )


def training_facts(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Summarize the training time and the metrics of the best epoch, the one with the lowest validation loss.

    Example:
        >>> rows = [{"epoch": 1, "val_loss": 0.5, "val_accuracy": 0.9, "seconds": 61.0}, {"epoch": 2, "val_loss": 0.7}]
        >>> training_facts(rows)
        {'epochs': '2', 'training time': '1 min 1 s', 'best epoch': '1', 'validation accuracy': '90.0 %'}
    """
    seconds = round(sum(row.get("seconds", 0.0) for row in rows))
    minutes = f"{seconds // 60} min " if seconds >= 60 else ""
    facts = {"epochs": str(len(rows)), "training time": f"{minutes}{seconds % 60} s"}
    validated = [row for row in rows if "val_loss" in row]
    if validated:
        best = min(validated, key=lambda row: row["val_loss"])
        facts["best epoch"] = str(best["epoch"])
        facts |= {name: f"{100 * best[key]:.1f} %" for key, name in _VAL_METRICS.items() if key in best}
    return facts


def _last_line(log: Path) -> tuple[str, ...]:
    """Return the last line of the log, which records the best epoch and the threshold."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    return tuple(line for line in lines if line.strip())[-1:]
