"""What the commands print of what they have done."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weakspot.cli.demo import DemoOutcome
    from weakspot.cli.demo_training import TrainingOutcome
    from weakspot.cli.evaluate import EvaluateOutcome
    from weakspot.cli.label import LabelOutcome
    from weakspot.data import DatasetIssue
    from weakspot.inference.batch.run_folder import LocalizeOutcome
    from weakspot.inference.export import Exported


def print_localized(outcome: "LocalizeOutcome") -> None:
    """Print the box of a single photo, and how many were localized."""
    if outcome.localized == 1 and outcome.last is not None:
        for one in outcome.last:
            print(f"{one.label} {one.score:.2f}: box {box_text(one.box)}")
            for note in one.notes:
                print(f"  note: {note}")
    skipped = f", {outcome.failed} skipped: {outcome.skipped}" if outcome.failed else ""
    rows = f": {outcome.rows}" if outcome.rows.exists() else ""
    print(f"{outcome.localized} localized{rows}{skipped}")


def print_demo(outcome: "DemoOutcome") -> None:
    """Print a table of what was found in the demo's photos, and where it was written."""
    from rich.console import Console
    from rich.table import Table

    table = Table("photo", "class", "score", "method", "box (x1 y1 x2 y2)")
    for name, found in outcome.found.items():
        for one in found:
            table.add_row(name, one.label, f"{one.score:.2f}", one.method, box_text(one.box))
    Console().print(table)
    print(f"{outcome.sheet}\n{outcome.rows}")


def print_demo_training(outcome: "TrainingOutcome") -> None:
    """Print the figures of the demo's training, and where it was written."""
    from rich.console import Console
    from rich.table import Table

    metrics = ("GT-known Loc", "MaxBoxAccV2", "Top-1 Loc", "mask IoU", "PxAP")
    table = Table("60 other scenes", *metrics)
    for name, row in outcome.measured.rows.items():
        table.add_row(name, *(f"{row.metrics[metric].fixed:.1f}" for metric in metrics))
    Console().print(table)
    print("Thresholds were fixed on the validation split.")
    print(outcome.sheet, *outcome.runs.values(), sep="\n")


def print_evaluated(outcome: "EvaluateOutcome", *, detailed: bool) -> None:
    """Print the table of an evaluation, what its thresholds are, and its notes."""
    from weakspot.evaluation.tables import INSTANCE_LEGEND, LEGEND

    found = outcome.found
    print(found.details_to_markdown() if detailed else found.to_markdown())
    fixed = f"fixed: {found.first.fixed_by}" + (f", {found.val_split}" if found.val_split else "")
    print(f"\n{LEGEND} ({fixed}).")
    if detailed and found.instances_to_markdown():
        print(f"\n{found.instances_to_markdown()}\n\n{INSTANCE_LEGEND}.")
    for note in found.notes:
        print(f"note: {note}")
    print(outcome.output)


def print_labelled(outcome: "LabelOutcome") -> None:
    """Print how many objects have labels, what is wrong with some, and where they are."""
    listed = "" if outcome.problems is None else f", {outcome.wrong} problems: {outcome.problems}"
    print(f"{outcome.objects} objects in {outcome.images} images{listed}")
    for note in outcome.notes:
        print(f"note: {note}")
    print(outcome.output)


def print_exported(outcome: "Exported") -> None:
    """Print how far a file is from PyTorch, and where it is."""
    print(f"{outcome.graph.method}, quality {outcome.graph.quality}; compared with PyTorch:")
    for name, found in (("32-bit floats", outcome.difference), ("8-bit integers", outcome.int8)):
        if found is not None:
            print(
                f"{name}: logits differ by {found.logits:.1e} of their spread, maps by {found.maps:.1e} of their "
                f"range; {found.agree:.0%} of {found.photos} photos have the same class"
            )
    print(outcome.path)


def print_checked(summary: Sequence[str], problems: "Sequence[DatasetIssue]", *, named: int) -> None:
    """Print what a data set holds, and what is wrong with it: of each kind the first so many places."""
    print(*summary, sep="\n")
    for problem in problems:
        print(f"{len(problem.where)} x {problem.kind}")
        print(*(f"  {place}" for place in problem.where[:named]), sep="\n")
        if len(problem.where) > named:
            print(f"  and {len(problem.where) - named} more")
    print("Nothing is wrong." if not problems else f"{len(problems)} kinds of problems.")


def box_text(box: Iterable[float]) -> str:
    """The sides of a box in whole pixels, with spaces between them."""
    return " ".join(f"{side:.0f}" for side in box)
