"""Train a classifier, and report the run folder and the skipped images."""

from dataclasses import dataclass
from pathlib import Path

from weakspot.data.decoding_apart import decoding_apart
from weakspot.training.options import TrainOptions


@dataclass(frozen=True)
class TrainOutcome:
    """The results of a training run.

    Attributes:
        first: Whether this process has rank zero; only that one prints.
        skipped: The list of unreadable images; None if all could be read.
        by_torchrun: Whether torchrun started the process; it treats every exit code but 0 as a failure.
    """

    folder: Path
    first: bool
    skipped: Path | None
    by_torchrun: bool


@decoding_apart()
def train(
    data: Path | None, options: TrainOptions, *, config: Path | None = None, resume: Path | None = None
) -> TrainOutcome:
    """Train as :func:`weakspot.training.train` does."""
    from weakspot.io.folders import SKIPPED
    from weakspot.training.launch import is_rank_zero, started_by_torchrun
    from weakspot.training.start import train as run

    folder = run(data, options=options, config=config, resume=resume)
    skipped = folder / SKIPPED
    return TrainOutcome(folder, is_rank_zero(), skipped if skipped.exists() else None, started_by_torchrun())
