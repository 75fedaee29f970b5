"""Teach a run with boxes on the command line."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from weakspot.data.decoding_apart import decoding_apart
from weakspot.terminal import counted, echo

if TYPE_CHECKING:
    from weakspot.data import Dataset
    from weakspot.training.teach import TaughtResult


@decoding_apart()
def teach_run(run: Path, dataset: "Dataset", *, forget: bool) -> "TaughtResult":
    """Teach a run with the boxes of a data set, and print how far it is.

    With ``forget``, the images that taught the run before do not teach it again.
    """
    from weakspot.training.known_classes import check_classes
    from weakspot.training.labels import annotated_samples

    check_classes(run, dataset)  # mistakes are told before torch is imported
    annotated_samples(dataset)
    from weakspot.training.taught_samples import read_taught
    from weakspot.training.teach import teach

    started = last = time.monotonic()

    def report(done: int, steps: int) -> None:
        nonlocal last
        if time.monotonic() - last > 5:
            last = time.monotonic()
            left = (last - started) * (steps - done) / done
            echo(f"step {done} of {steps}, {left:.0f} s left", to_stderr=True)

    forgotten = [sample.path for sample in read_taught(run)] if forget else []
    return teach(run, dataset.samples, forget=forgotten, on_progress=report)


def print_taught(run: Path, result: "TaughtResult") -> None:
    """Print what taught the run, and what it gained."""
    if result.remembered:
        images, verb = counted(result.remembered, "image"), "teaches" if result.remembered == 1 else "teach"
        echo(f"note: {images} that taught the run before {verb} it again (--forget).", to_stderr=True)
    pairs = f"{counted(result.pairs, 'pair')} of image and class, {counted(result.classes, 'class')}"
    echo(f"GT-known Loc of {counted(result.boxes, 'box')} ({pairs}), in percent; cross-validated:")
    echo(f"{'labels alone':<28} {result.before:5.1f}")
    echo(f"{'thresholds of the boxes':<28} {result.thresholds:5.1f}")
    echo(f"{'and the head that they teach':<28} {result.after:5.1f}")
    echo(f"{run} {_outcome(result)}")


def _outcome(result: "TaughtResult") -> str:
    if result.finds_nothing:
        return "is as before: no box is right, are they those of other images?"
    if not result.is_better:
        return "finds boxes by what labels alone have taught: what the boxes teach is not better"
    if result.share:
        edges = ", with thresholds by edges of validation images" if result.by_edges else ""
        return f"has a head that boxes have taught (share {result.share:.1f}){edges}"
    return "has the thresholds of the boxes, without a head: it is worse"
