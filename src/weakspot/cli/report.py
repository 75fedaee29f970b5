"""Write a report of a folder of results."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from weakspot.cli.run_photos import with_photos
from weakspot.errors import InputError
from weakspot.io.progress import Progress
from weakspot.report import Skipped, read_report_data, write_page
from weakspot.report.from_train import RUN
from weakspot.report.options import ReportOptions


@dataclass(frozen=True)
class ReportOutcome:
    """What was written.

    Attributes:
        page: The HTML file.
        shown: Number of items in its gallery.
        missing: Photos that could not be read; the report lists them.
    """

    page: Path
    shown: int
    missing: tuple[Skipped, ...]


def report(folder: Path, options: ReportOptions) -> ReportOutcome:
    """Write what a folder of results holds as one HTML file.

    Args:
        folder: What localize, evaluate, compare or train has written.
        options: What to show, and where to write it.

    Raises:
        InputError: If the folder is none of these, a file of it cannot be read, or the report cannot be written.
    """
    if options.max_items < 1 or not 16 <= options.thumbnail_size <= 1024:
        raise InputError(
            "--max-items must be 1 or more, and --thumbnail-size 16 to 1024.", "Leave them out for 5000 and 192."
        )
    content = read_report_data(folder, data=options.data, images=options.images)
    with TemporaryDirectory() as sample:
        if content.kind == RUN:
            content = with_photos(content, options, Path(sample, "localized"))
        shown = min(len(content.items), options.max_items)
        page = options.output or folder / "report.html"
        with Progress(shown) as progress:
            missing = write_page(
                content,
                page,
                max_items=options.max_items,
                thumbnail_size=options.thumbnail_size,
                advance=progress.advance,
            )
    return ReportOutcome(page, shown, tuple(missing))
