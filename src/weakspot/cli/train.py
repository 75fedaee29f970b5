"""Train, and say where the run is and what was skipped."""

from dataclasses import dataclass
from pathlib import Path

from weakspot.training.options import TrainOptions


@dataclass(frozen=True)
class TrainOutcome:
    """What a run left behind.

    Attributes:
        folder: The run folder.
        first: Whether this is the first of several processes that train together, which speaks for all.
        skipped: The file of images that could not be read; None where all could.
        by_torchrun: Whether torchrun has started it, to which every code but 0 is a failure.
    """

    folder: Path
    first: bool
    skipped: Path | None
    by_torchrun: bool


def train(
    data: Path | None, options: TrainOptions, *, config: Path | None = None, resume: Path | None = None
) -> TrainOutcome:
    """Train, as :func:`weakspot.training.train` does.

    Raises:
        InputError: If the data cannot be trained on, options do not go together, or the folder cannot be written to.
        ModelError: If the backbone cannot be had.
    """
    from weakspot.io.run_files import SKIPPED
    from weakspot.training.distributed import is_rank_zero, started_by_torchrun
    from weakspot.training.run import train as run

    folder = run(data, options=options, config=config, resume=resume)
    skipped = folder / SKIPPED
    return TrainOutcome(folder, is_rank_zero(), skipped if skipped.exists() else None, started_by_torchrun())
