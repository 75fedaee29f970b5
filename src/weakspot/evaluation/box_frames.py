"""Convert predicted boxes to the pixels that a data set annotates: upright, or as stored."""

from functools import cache

from weakspot.data import Dataset, Sample
from weakspot.data.decoding import read_orientation
from weakspot.data.orientation import box_to_stored, box_to_upright, upright_size
from weakspot.errors import InputError
from weakspot.evaluation.box_files import PredictedBox


class BoxFrames:
    """The images of a data set, whose headers are read once."""

    def __init__(self, dataset: Dataset) -> None:
        self._samples = {sample.image_id: sample for sample in dataset.samples}
        self._orientation = cache(_orientation)

    def convert(self, prediction: PredictedBox, image_id: str) -> PredictedBox:
        """Return a box in the pixels that are annotated.

        A box of an image of unknown size is returned unchanged, as is one whose image cannot be read, or has another
        size than its annotation.

        Raises InputError ``shape-mismatch`` if a row of localize is for an image of another size.
        """
        sample = self._samples[image_id]
        found = None if prediction.size is None else self._orientation(sample)
        if found is None:
            return prediction
        stored, orientation = found
        upright = upright_size(stored, orientation)
        annotated = sample.size or stored
        if annotated not in (stored, upright):
            return prediction
        if prediction.size not in (stored, upright):
            if prediction.is_upright:
                raise InputError("shape-mismatch", _mismatch(prediction, upright))
            return prediction
        annotates_upright = annotated == upright != stored
        is_upright = prediction.is_upright if stored == upright else prediction.size == upright
        height, width = prediction.size
        if annotates_upright and not is_upright:
            return prediction._replace(box=box_to_upright(prediction.box, orientation, height=height, width=width))
        if is_upright and not annotates_upright:
            return prediction._replace(box=box_to_stored(prediction.box, orientation, height=height, width=width))
        return prediction

    def is_assumed(self, prediction: PredictedBox, image_id: str) -> bool:
        """Return whether EXIF turns the image of a box whose own size does not prove to which pixels it refers."""
        is_known = prediction.is_upright and prediction.size is not None
        found = None if is_known else self._orientation(self._samples[image_id])
        if found is None or found[1] == 1:
            return False
        stored, upright = found[0], upright_size(*found)
        return stored == upright or prediction.size not in (stored, upright)


def _orientation(sample: Sample) -> tuple[tuple[int, int], int] | None:
    """Size of the stored pixels and EXIF orientation; None if the image cannot be read."""
    try:
        return read_orientation(sample.path)
    except InputError:
        return None


def _mismatch(prediction: PredictedBox, size: tuple[int, int]) -> str:
    assert prediction.size is not None
    found, expected = (f"{width} x {height}" for height, width in (prediction.size, size))
    return f"The boxes of {prediction.image} are for {found} pixels, but the image has {expected}."
