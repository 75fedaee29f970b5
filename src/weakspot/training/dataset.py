"""The images that are trained on: looked through once, and then given out squashed, cropped and flipped."""

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
from weakspot.errors import InputError
from weakspot.models import resize_image

# An epoch and the number of an image in it: what is drawn for an image depends on nothing else.
SampleKey = tuple[int, int]

# Pixels of so many bytes are kept, so that each image is decoded once.
_KEPT_BYTES = 2_000_000_000
# Squashed images are larger than what is cropped from them, as 256 is than 224.
_MARGIN = 8 / 7


@dataclass(frozen=True)
class UnreadableImage:
    """An image that cannot be trained on, and why."""

    example: Sample
    error: InputError


@dataclass(frozen=True, eq=False)
class ReadableImages:
    """What came of looking through images.

    Attributes:
        readable: Those that can be decoded.
        pixels: Theirs, squashed, uint8 of shape (channels, height, width); None where they were too many to keep.
        unreadable: The others.
    """

    readable: tuple[Sample, ...]
    pixels: tuple[Tensor, ...] | None
    unreadable: tuple[UnreadableImage, ...]


def verify_images(examples: Sequence[Sample], frame: Preprocessing, *, workers: int) -> ReadableImages:
    """Decode each image once, to know which can be, and keep their pixels if they are few enough."""
    keep = len(examples) * frame.height * frame.width * len(frame.mean) <= _KEPT_BYTES

    def looked_at(example: Sample) -> Tensor | InputError | None:
        try:
            pixels = read_pixels(example, frame)
        except InputError as error:
            error.__cause__ = error.__context__ = None  # they would keep the half-decoded image alive
            return error.with_traceback(None)
        return pixels if keep else None

    with ThreadPoolExecutor(max(1, workers)) as threads:
        found = list(zip(examples, ordered_map(looked_at, examples, threads, max_pending=32), strict=True))
    good = [(example, pixels) for example, pixels in found if not isinstance(pixels, InputError)]
    bad = [UnreadableImage(example, error) for example, error in found if isinstance(error, InputError)]
    kept = tuple(pixels for _, pixels in good if pixels is not None) if keep else None
    return ReadableImages(tuple(example for example, _ in good), kept, tuple(bad))


def read_pixels(example: Sample, frame: Preprocessing) -> Tensor:
    """Decode and squash an image, turned as its boxes take it, or upright where it has none."""
    has_boxes = any(len(truth.boxes) for truth in example.annotations)
    image = read_as_annotated(example.path, example.size) if has_boxes else read_image(example.path)
    return resize_image(image, frame)


def with_crop_margin(frame: Preprocessing) -> Preprocessing:
    """The size that images are squashed to before they are cropped."""
    return replace(frame, height=round(frame.height * _MARGIN), width=round(frame.width * _MARGIN))


class ImageDataset(Dataset[tuple[Tensor, Tensor]]):
    """Images and targets by key.

    Args:
        looked: The images.
        targets: Which classes are in each, shape (N, C).
        squashed: The size that they are squashed to.
        frame: The size that they are given out in: as they are if it is the same, else cropped and flipped at random.
        seed: Of the crops and flips.
    """

    def __init__(
        self,
        looked: ReadableImages,
        targets: NDArray[np.float32],
        squashed: Preprocessing,
        frame: Preprocessing,
        seed: int = 0,
    ) -> None:
        self._looked = looked
        self._targets = torch.from_numpy(targets)
        self._squashed = squashed
        self._frame = frame
        self._seed = seed

    @property
    def in_memory(self) -> bool:
        """Whether all pixels are kept, so that nothing is decoded again."""
        return self._looked.pixels is not None

    def __len__(self) -> int:
        return len(self._looked.readable)

    def __getitem__(self, key: SampleKey) -> tuple[Tensor, Tensor]:
        epoch, i = key
        kept = self._looked.pixels
        pixels = read_pixels(self._looked.readable[i], self._squashed) if kept is None else kept[i]
        if self._frame != self._squashed:
            pixels = _cropped(pixels, self._frame, np.random.default_rng((self._seed, epoch, i)))
        return pixels, self._targets[i]


def _cropped(pixels: Tensor, frame: Preprocessing, random: np.random.Generator) -> Tensor:
    """Crop at random, and flip every other image."""
    top = random.integers(pixels.shape[1] - frame.height + 1)
    left = random.integers(pixels.shape[2] - frame.width + 1)
    crop = pixels[:, top : top + frame.height, left : left + frame.width]
    return crop.flip(2) if random.random() < 0.5 else crop
