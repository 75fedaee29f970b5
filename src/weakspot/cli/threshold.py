"""Refit the thresholds of a run on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING

from weakspot.data.decoding_apart import decoding_apart
from weakspot.inference.command_options import AnnotationOptions
from weakspot.terminal import counted, echo

if TYPE_CHECKING:
    from weakspot.data import Dataset
    from weakspot.training.refit import RefitResult


@decoding_apart()
def read_annotated(run: Path, data: Path, options: AnnotationOptions) -> "Dataset":
    """Read the data set for a run without its test split, joined with boxes of some images, and print what was assumed.

    Whether the run is finished is checked first.
    """
    from weakspot.data import read_dataset
    from weakspot.data.formats.mask_contents import mask_notes
    from weakspot.data.joined_boxes import join_boxes, join_notes
    from weakspot.data.label_frames import frame_notes, resolve_frames
    from weakspot.data.missing_masks import missing_mask_notes, without_missing_masks
    from weakspot.data.predictions import prediction_notes
    from weakspot.models.run_files import check_trained
    from weakspot.training.labels import without_test_images

    check_trained(run)
    images, use_predictions = options.images, options.use_predictions
    dataset = read_dataset(data, ground_truth=options.ground_truth, images=images, use_predictions=use_predictions)
    dataset = resolve_frames(dataset, options.ground_truth or data, list(dataset.splits))
    if options.boxes is not None:
        dataset = join_boxes(dataset, options.boxes, images=images, use_predictions=use_predictions)
    dataset = without_missing_masks(dataset)
    dataset, tested = without_test_images(dataset)
    images_left_out = f"{counted(tested, 'image')} outside the training and validation splits"
    test_note = f"{images_left_out} {'is' if tested == 1 else 'are'} left out." if tested else ""
    notes = (*prediction_notes(dataset), *frame_notes(dataset), *join_notes(dataset), *mask_notes(dataset))
    notes = (*notes, *missing_mask_notes(dataset), test_note)
    for note in filter(None, notes):
        echo(f"note: {note}", to_stderr=True)
    return dataset


@decoding_apart()
def refit(run: Path, dataset: "Dataset") -> "RefitResult":
    """Refit the thresholds of a run to the boxes or masks of a data set."""
    from weakspot.training.labels import annotated_samples

    annotated_samples(dataset)  # a mistake is told before torch is imported
    from weakspot.training.refit import refit_thresholds

    return refit_thresholds(run, dataset)


def print_refit(run: Path, result: "RefitResult") -> None:
    """Print the scores of the thresholds that were compared, and what the run has now."""
    compared = result.comparison
    echo(f"{result.metric} of {counted(result.images, 'box')}, in percent; new thresholds are cross-validated:")
    echo(f"{'thresholds of the run':<28} {compared.before:5.1f}")
    echo(f"{'all shifted alike':<28} {compared.shifted:5.1f}")
    echo(f"{'one for each class':<28} {compared.per_class:5.1f}")
    values = result.class_thresholds
    classes = f", of the classes {min(values):.2f} to {max(values):.2f}" if values else ""
    verb = "now has" if compared.improves else "keeps"
    echo(f"{run} {verb} the threshold {result.threshold:.2f}{classes}")
    if result.calibrated:
        echo("The probability that a box is right was calibrated on these boxes.")
