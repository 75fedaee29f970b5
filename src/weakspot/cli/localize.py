"""Print the results of ``weakspot localize``."""

from collections.abc import Iterable

from weakspot.inference.batch.run_folder import LocalizeOutcome
from weakspot.terminal import echo


def print_localized(outcome: LocalizeOutcome) -> None:
    """Print the boxes of a single image, and the number of localized images."""
    if outcome.localized == 1 and outcome.last is not None:
        for localization in outcome.last:
            echo(f"{localization.label} {localization.score:.2f}: box {box_text(localization.box)}")
            for note in localization.notes:
                echo(f"  note: {note}")
    skipped = f", {outcome.failed} skipped: {outcome.skipped}" if outcome.failed else ""
    rows = f": {outcome.rows}" if outcome.rows.exists() else ""
    echo(f"{outcome.localized} localized{rows}{skipped}")
    for note in outcome.notes:
        echo(f"note: {note}")


def box_text(box: Iterable[float]) -> str:
    """Return the coordinates of a box in whole pixels, separated by spaces.

    Example:
        >>> box_text([1.6, 2, 30.2, 40])
        '2 2 30 40'
    """
    return " ".join(f"{side:.0f}" for side in box)
