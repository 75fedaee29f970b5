"""Multi-crop test-time augmentation: re-run the model on crops around the first box and average the heatmaps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data import Preprocessing
from weakspot.inference.backends import Backend, ClassifierOutput, ClassSelection
from weakspot.inference.backends.base import Pixels
from weakspot.inference.quality import Quality
from weakspot.ops import boxes_from_heatmap, evidence_per_pixel, heatmap_from_class_map
from weakspot.ops.preprocessing import to_array

# Images are kept at this multiple of the model's input size, so that crops are sharp.
CROP_SCALE = 2
# Minimum side of a crop, as a fraction of the image: a smaller crop would be blurred.
_MIN_SIDE = 1 / 8

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Predictor:
    """A backend and a quality preset; crops are boxes of the first heatmap at ``crop_threshold`` times their factor."""

    backend: Backend
    quality: Quality
    crop_threshold: float

    @property
    def image_preprocessing(self) -> Preprocessing:
        """Preprocessing of whole images: the model's, at :data:`CROP_SCALE` times the size if there are crops."""
        preprocessing = self.backend.preprocessing
        scale = CROP_SCALE if self.quality.crops else 1
        return replace(preprocessing, height=scale * preprocessing.height, width=scale * preprocessing.width)

    def resize(self, image: Image.Image) -> Pixels:
        """Resize a whole RGB image to :attr:`image_preprocessing`, bicubic with antialiasing, without cropping."""
        preprocessing = self.image_preprocessing
        pixels = to_array(image, channels=len(preprocessing.mean))
        return self.backend.resize(pixels, height=preprocessing.height, width=preprocessing.width)

    def single_threaded(self) -> "Predictor":
        """Return a predictor for threads that each run a batch of their own."""
        return replace(self, backend=self.backend.single_threaded())

    def run(
        self,
        images: Sequence[Pixels],
        methods: Sequence[str],
        selection: ClassSelection,
        *,
        reference_methods: Sequence[str] = (),
    ) -> list[ClassifierOutput]:
        """Run the classifier on whole images of :attr:`image_preprocessing`, and then on the crops of the preset.

        Returns one output per method, then one per reference method, whose maps come from the whole images only.
        """
        height, width = self.backend.preprocessing.height, self.backend.preprocessing.width
        whole = [self.backend.resize(image, height=height, width=width) for image in images]
        outputs = self.backend.run(whole, [*methods, *reference_methods], selection)
        if not self.quality.crops:
            return outputs
        averaged = [
            replace(output, maps=multi_crop(self, images, method, output))
            for method, output in zip(methods, outputs, strict=False)
        ]
        return averaged + outputs[len(methods) :]


def multi_crop(
    predictor: Predictor, images: Sequence[Pixels], method: str, output: ClassifierOutput
) -> NDArray[np.float32]:
    """Average class maps of whole images with those of crops, each min-max normalized and 0 outside its crop.

    A small object is large in its crop, so that one threshold suits both. The images have :data:`CROP_SCALE` times the
    model's input size. The maps have the shape (B, C, height, width), in [0, 1]; they are all zero if the map of the
    whole image is constant.
    """
    backend, crops = predictor.backend, predictor.quality.crops
    height, width = backend.preprocessing.height, backend.preprocessing.width
    maps, class_maps = (array.reshape(-1, *array.shape[2:]) for array in (output.maps, output.evidence))  # (B C, h, w)
    classes, per_image = output.classes.ravel(), output.classes.shape[1]
    heatmaps = [heatmap_from_class_map(class_map, height=height, width=width) for class_map in maps]
    averages = [heatmap.astype(np.float32) / (1 + len(crops)) for heatmap in heatmaps]
    evidence = [evidence_per_pixel(class_map, height=height, width=width) for class_map in class_maps]
    boxes = [
        (i, crop_box(heatmap, min(crop.threshold_factor * predictor.crop_threshold, 1.0), crop.margin, evidence[i]))
        for i, heatmap in enumerate(heatmaps)
        if heatmap.any()
        for crop in crops
    ]
    for start in range(0, len(boxes), len(images)):
        batch = boxes[start : start + len(images)]
        crop_images = [crop_image(images[i // per_image], box, backend) for i, box in batch]
        selection = ClassSelection(classes[[i for i, _ in batch]][:, None])
        (crop_output,) = backend.run(crop_images, [method], selection)
        for (i, (x1, y1, x2, y2)), crop_map in zip(batch, crop_output.maps[:, 0], strict=True):
            heatmap = heatmap_from_class_map(crop_map, height=y2 - y1, width=x2 - x1)
            averages[i][y1:y2, x1:x2] += heatmap / (1 + len(crops))
    return np.stack(averages, dtype=np.float32).reshape(*output.maps.shape[:2], height, width)


def crop_box(
    heatmap: NDArray[np.floating], threshold: float, margin: float, evidence: NDArray[np.integer] | None = None
) -> Box:
    """Enlarge the box of the default region of a heatmap (H, W) by a factor, in whole pixels, clipped to the heatmap.

    Example:
        >>> crop_box(np.eye(8)[:, :1] * np.eye(8)[:1], threshold=0.5, margin=3.0)
        (0, 0, 2, 2)
    """
    height, width = heatmap.shape
    x1, y1, x2, y2 = boxes_from_heatmap(heatmap, threshold, min_area=1.0, evidence=evidence)[0]
    left, right = _enlarge(x1, x2, margin, width)
    top, bottom = _enlarge(y1, y2, margin, height)
    return left, top, right, bottom


def _enlarge(low: float, high: float, margin: float, side: int) -> tuple[int, int]:
    center, half = (low + high) / 2, max((high - low) * margin, side * _MIN_SIDE) / 2
    return max(floor(center - half), 0), min(ceil(center + half), side)


def crop_image(image: Pixels, box: Box, backend: Backend) -> Pixels:
    """Crop a box, in pixels of the model's input, from a larger image and resize the crop to the model's input size."""
    preprocessing = backend.preprocessing
    vertical, horizontal = image.shape[0] / preprocessing.height, image.shape[1] / preprocessing.width
    x1, y1, x2, y2 = box
    rows = slice(round(y1 * vertical), round(y2 * vertical))
    part = image[rows, round(x1 * horizontal) : round(x2 * horizontal)]
    return backend.resize(part, height=preprocessing.height, width=preprocessing.width)
