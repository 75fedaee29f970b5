"""Photos of a training run's report: what validated it, or others, localized by it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from weakspot.data import Dataset, find_images, read_dataset
from weakspot.errors import InputError
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.run import localize
from weakspot.report import ReportData
from weakspot.report.from_localize import read_localized, with_ground_truth
from weakspot.report.options import ReportOptions
from weakspot.report.summaries import with_error_probability

# So many photos are localized at most.
SAMPLE = 200


def with_photos(run: ReportData, options: ReportOptions, folder: Path) -> ReportData:
    """Add what a run finds in photos to what it says of itself.

    They are those of ``options.images``, else those that validated it; where these are not there any more a note says
    so instead.

    Args:
        run: What the run says of itself.
        options: What to show.
        folder: Where the results go.

    Raises:
        InputError: If the photos that were asked for, or the data set, cannot be used, or all of them cannot be read.
        ModelError: If photos were asked for and the run is not finished, or damaged.
    """
    from weakspot.models.checkpoint import is_run  # torch comes with it

    if options.images is not None:
        found = list(find_images([options.images]))
        return _localized(run, found, None, options, folder, f"photos in {options.images}")
    if not is_run(run.folder):
        return _without(run, "the run is not finished.")
    try:
        photos, dataset = _validated(run.folder)
    except InputError as error:
        return _without(run, error.problem)
    return _localized(run, photos, dataset, options, folder, "photos that validated the run")


def _localized(
    run: ReportData, photos: Sequence[Path], dataset: Dataset | None, options: ReportOptions, folder: Path, called: str
) -> ReportData:
    if options.data is not None:
        dataset = read_dataset(options.data)
    wanted = _spread([str(path.absolute()) for path in photos], min(SAMPLE, options.max_items))
    try:
        outcome = localize(
            wanted, LocalizeOptions(str(run.folder), output=folder, save_heatmaps=True, uncertainty=True)
        )
    except KeyboardInterrupt as interrupt:  # whose advice is about a folder that goes
        raise KeyboardInterrupt("No report was written.") from interrupt
    if not outcome.localized:
        raise InputError(f"None of the {len(wanted)} {called} can be read.", "Name others with --images.")
    found = read_localized(folder)
    items = (
        found.items if dataset is None else with_error_probability(list(with_ground_truth(list(found.items), dataset)))
    )
    note = f"The gallery is of {len(wanted)} of the {len(photos)} {called}."
    return replace(run, items=tuple(items), skipped=(*run.skipped, *found.skipped), notes=(*run.notes, note))


def _without(run: ReportData, why: str) -> ReportData:
    return replace(run, notes=(*run.notes, f"Photos are left out (--images): {why}"))


def _validated(run: Path) -> tuple[list[Path], Dataset]:
    """The photos that validated a run, and its data set."""
    from weakspot.io.run_files import CONFIG
    from weakspot.training.labels import split_samples
    from weakspot.training.run_folder import read_config

    data, options = read_config(run / CONFIG)
    dataset = read_dataset(data, truth=options.labels, images=options.images)
    split = split_samples(dataset, share=options.val_fraction, seed=options.seed, workers=options.workers)
    if not split.validation:
        raise InputError("no images validated it.", "Name others.")
    return [example.path for example in split.validation], dataset


def _spread(names: Sequence[str], most: int) -> Sequence[str]:
    """Names from all over the list, no more than that.

    Example:
        >>> _spread("abcdefg", 3)
        'adg'
    """
    return names[:: max(1, -(-len(names) // most))]
