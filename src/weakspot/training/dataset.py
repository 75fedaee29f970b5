"""The images of a run: verified once, then served resized, cropped and flipped."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from weakspot.concurrency import ordered_map
from weakspot.data import Preprocessing, Sample, read_as_annotated, read_image
from weakspot.data.image_files import errors_of_image
from weakspot.errors import InputError
from weakspot.models import resize_image

# Epoch and index of an image: its random crop and flip depend on nothing else but the seed.
SampleKey = tuple[int, int]

# Decoded images are kept in memory up to this many bytes.
_MAX_CACHE_BYTES = 2_000_000_000
# Images are resized to 8/7 of the crop size, as to 256 for crops of 224.
_CROP_MARGIN = 8 / 7


@dataclass(frozen=True)
class UnreadableImage:
    """An image that cannot be decoded, and the error."""

    sample: Sample
    error: InputError


@dataclass(frozen=True, eq=False)
class ReadableImages:
    """Images that can be decoded.

    Attributes:
        samples: The images that can be decoded.
        pixels: Their resized pixels, uint8 of shape (channels, height, width) each; None if they need too much memory.
        unreadable: The images that cannot be decoded.
    """

    samples: tuple[Sample, ...]
    pixels: tuple[Tensor, ...] | None
    unreadable: tuple[UnreadableImage, ...]


def verify_images(samples: Sequence[Sample], preprocessing: Preprocessing, *, workers: int) -> ReadableImages:
    """Decode each image once to find unreadable ones, and keep the pixels in memory if they fit."""
    image_bytes = preprocessing.height * preprocessing.width * len(preprocessing.mean)
    keep = len(samples) * image_bytes <= _MAX_CACHE_BYTES

    def decode(sample: Sample) -> Tensor | InputError | None:
        try:
            pixels = read_pixels(sample, preprocessing)
        except InputError as error:
            error.__cause__ = error.__context__ = None  # they would keep the half-decoded image alive
            return error.with_traceback(None)
        return pixels if keep else None

    with ThreadPoolExecutor(max(1, workers)) as threads:
        results = list(zip(samples, ordered_map(decode, samples, threads, max_pending=32), strict=True))
    readable = [(sample, pixels) for sample, pixels in results if not isinstance(pixels, InputError)]
    unreadable = [UnreadableImage(sample, error) for sample, error in results if isinstance(error, InputError)]
    cache = tuple(pixels for _, pixels in readable if pixels is not None) if keep else None
    return ReadableImages(tuple(sample for sample, _ in readable), cache, tuple(unreadable))


def read_pixels(sample: Sample, preprocessing: Preprocessing, *, as_annotated: bool = False) -> Tensor:
    """Decode and resize an image, in the orientation of its boxes; without any, upright unless ``as_annotated``."""
    has_boxes = any(len(annotation.boxes) for annotation in sample.annotations)
    image = read_as_annotated(sample.path, sample.size) if has_boxes or as_annotated else read_image(sample.path)
    with errors_of_image(str(sample.path)):
        return resize_image(image, preprocessing)


def with_crop_margin(preprocessing: Preprocessing) -> Preprocessing:
    """Return the size to which images are resized before they are cropped."""
    height, width = (round(side * _CROP_MARGIN) for side in (preprocessing.height, preprocessing.width))
    return replace(preprocessing, height=height, width=width)


class ImageDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of image and target by key.

    Args:
        images: The images.
        targets: Target of each image, shape (N, C).
        resized: Size to which the images are resized.
        preprocessing: Size of the returned images: if it differs from ``resized``, they are cropped and flipped at
            random.
        seed: Seed of the crops and flips.
    """

    def __init__(
        self,
        images: ReadableImages,
        targets: NDArray[np.float32],
        resized: Preprocessing,
        preprocessing: Preprocessing,
        seed: int = 0,
    ) -> None:
        self._images = images
        self._targets = torch.from_numpy(targets)
        self._resized = resized
        self._preprocessing = preprocessing
        self._seed = seed

    @property
    def in_memory(self) -> bool:
        """Whether all pixels are in memory, so that nothing is decoded again."""
        return self._images.pixels is not None

    def __len__(self) -> int:
        return len(self._images.samples)

    def __getitem__(self, key: SampleKey) -> tuple[Tensor, Tensor]:
        epoch, i = key
        cache = self._images.pixels
        pixels = read_pixels(self._images.samples[i], self._resized) if cache is None else cache[i]
        if self._preprocessing != self._resized:
            pixels = _crop_and_flip(pixels, self._preprocessing, np.random.default_rng((self._seed, epoch, i)))
        return pixels, self._targets[i]


def _crop_and_flip(pixels: Tensor, preprocessing: Preprocessing, random: np.random.Generator) -> Tensor:
    """Crop at a random position, and flip with probability 0.5."""
    height, width = preprocessing.height, preprocessing.width
    top = random.integers(pixels.shape[1] - height + 1)
    left = random.integers(pixels.shape[2] - width + 1)
    crop = pixels[:, top : top + height, left : left + width]
    return crop.flip(2) if random.random() < 0.5 else crop
