"""Write a report of a folder of results; for a training run, with a sample of images that it localizes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from weakspot.data import Dataset, find_images, read_dataset
from weakspot.data.decoding_apart import decoding_apart
from weakspot.errors import InputError, check_positive
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.run import localize
from weakspot.io.folder_lock import file_lock, folder_lock
from weakspot.io.progress import Progress
from weakspot.report import ReportData, Skipped, read_report_data, write_page
from weakspot.report.from_localize import read_localized, refit_command, with_ground_truth
from weakspot.report.from_train import RUN
from weakspot.report.options import ReportOptions
from weakspot.report.summaries import with_error_probability
from weakspot.terminal import echo

# Maximum number of images that are localized for the report of a training run.
SAMPLE_SIZE = 200


@dataclass(frozen=True)
class ReportOutcome:
    """The HTML file, the number of images in its gallery, and those that could not be read, which the report lists."""

    page: Path
    shown: int
    missing: tuple[Skipped, ...]


@decoding_apart()
def report(folder: Path, options: ReportOptions) -> ReportOutcome:
    """Write the results of localize, evaluate, compare or train in a folder as one HTML file."""
    check_positive(options.max_items, "--max-items")
    page = options.output or folder / "report.html"
    with folder_lock(folder) if options.output is None and folder.is_dir() else file_lock(page):
        return _report(folder, page, options)


def _report(folder: Path, page: Path, options: ReportOptions) -> ReportOutcome:
    content = read_report_data(folder, data=options.data, images=options.images)
    with TemporaryDirectory() as sample:
        if content.kind == RUN:
            content = with_sample(content, options, Path(sample, "localized"))
        shown = min(len(content.items), options.max_items)
        with Progress(shown) as progress:
            missing = write_page(content, page, max_items=options.max_items, advance=progress.advance)
    return ReportOutcome(page, shown, tuple(missing))


def print_report(outcome: ReportOutcome) -> None:
    """Print the path of a report, and a note on stderr about images that could not be read."""
    echo(outcome.page)
    if outcome.missing:
        echo(f"{len(outcome.missing)} images could not be read; {outcome.page} lists them.", to_stderr=True)


def with_sample(run: ReportData, options: ReportOptions, folder: Path) -> ReportData:
    """Localize a sample of images with a training run into a folder, and add the results to its report.

    The sample is taken from ``options.images``, or from the validation images of the run; if these cannot be read, a
    note says so instead.
    """
    from weakspot.models.run_files import is_run

    if options.images is not None:
        images = list(find_images([options.images]))
        return _localized(run, images, None, options, folder, f"images in {options.images}")
    if not is_run(run.folder):
        return _without_sample(run, "the run is unfinished.")
    try:
        images, dataset = _validation_images(run.folder)
    except InputError as error:
        return _without_sample(run, error.problem)
    return _localized(run, images, dataset, options, folder, "validation images of the run")


def _localized(
    run: ReportData, images: Sequence[Path], dataset: Dataset | None, options: ReportOptions, folder: Path, source: str
) -> ReportData:
    if options.data is not None:
        dataset = read_dataset(options.data)
    sample = _evenly([str(path.absolute()) for path in images], min(SAMPLE_SIZE, options.max_items))
    localize_options = LocalizeOptions(model=str(run.folder), output=folder, save_heatmaps=True, uncertainty=True)
    try:
        outcome = localize(sample, localize_options)
    except KeyboardInterrupt as interrupt:  # its advice names the temporary folder
        raise KeyboardInterrupt("No report was written.") from interrupt
    if not outcome.localized:
        raise InputError("images-unreadable", f"None of the {len(sample)} {source} can be read.", "Use --images.")
    results = read_localized(folder)
    items = results.items
    if dataset is not None:
        items = tuple(with_error_probability(list(with_ground_truth(list(items), dataset))))
    note = f"The gallery shows {len(sample)} of the {len(images)} {source}."
    return replace(
        run,
        items=tuple(items),
        skipped=(*run.skipped, *results.skipped),
        notes=(*run.notes, note),
        refit="" if dataset is None else refit_command(run.folder, dataset.root, items),
    )


def _without_sample(run: ReportData, reason: str) -> ReportData:
    return replace(run, notes=(*run.notes, f"The report has no images (--images): {reason}"))


def _validation_images(run: Path) -> tuple[list[Path], Dataset]:
    """Return the validation images of a run, and its data set."""
    from weakspot.io.folders import CONFIG
    from weakspot.training.labels import split_samples
    from weakspot.training.run_folder import read_config

    data, options = read_config(run / CONFIG)
    dataset = read_dataset(
        data, ground_truth=options.labels, images=options.images, use_predictions=options.use_predictions
    )
    split = split_samples(dataset, val_fraction=options.val_fraction, seed=options.seed, workers=options.workers)
    if not split.validation:
        raise InputError("missing-images", "the run had no validation images.")
    return [sample.path for sample in split.validation], dataset


def _evenly(names: Sequence[str], limit: int) -> Sequence[str]:
    """Return at most ``limit`` names at equal steps."""
    return names[:: max(1, -(-len(names) // limit))]
