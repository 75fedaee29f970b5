"""Photos in, localizations out: decoded, looked at and finished, a batch at a time or as a stream."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image

from weakspot.concurrency import parallel_batches, pipelined
from weakspot.data import ImageSource
from weakspot.errors import WeakspotError
from weakspot.inference.backends import Asked, Backend, ClassifierOutput
from weakspot.inference.backends.base import Pixels
from weakspot.inference.localization import Localization
from weakspot.inference.looking import Predictor, look_at
from weakspot.inference.photo_batches import Batch, DecodedImage, FailedImage, decode, finish
from weakspot.inference.postprocess import PostprocessConfig
from weakspot.ops.preprocessing import to_array

if TYPE_CHECKING:  # a file of weakspot export needs no torch
    from weakspot.inference.backends.torch import TorchBackend

# Of so many images the time that an export takes is gained back.
EXPORT_AFTER_IMAGES = 1000
_log = logging.getLogger("weakspot")


@dataclass(frozen=True)
class Wanted:
    """What to look for in images.

    Attributes:
        classes: Class indices; None takes the most probable.
        top_k: How many, if there are no indices.
    """

    classes: list[int] | None
    top_k: int


@dataclass(eq=False)
class Pipeline:
    """What photos go through. Its sight goes over to onnxruntime once so many were seen that this pays.

    Attributes:
        sight: The classifier that looks at photos.
        readout: How its class maps are read.
        witnesses: Names of methods whose maps are compared with these.
        max_pixels: Larger images are refused before they are decoded.
        may_export: Whether the classifier may be exported for onnxruntime.
        seen: How many photos it has looked at.
    """

    sight: Predictor
    readout: PostprocessConfig
    witnesses: tuple[str, ...]
    max_pixels: int
    may_export: bool
    seen: int = 0

    def decode(self, source: ImageSource) -> DecodedImage | FailedImage:
        """Decode an image and squash it to what the sight wants."""
        frame = self.sight.input_size
        return decode(source, self.resize, (frame.height, frame.width), max_pixels=self.max_pixels)

    def resize(self, image: Image.Image) -> Pixels:
        """Squash a whole RGB image, bicubic with antialiasing; nothing is cropped."""
        frame = self.sight.input_size
        pixels = to_array(image, channels=len(frame.mean))
        return self.sight.backend.resize(pixels, height=frame.height, width=frame.width)

    def batch(
        self, images: Sequence[ImageSource], wanted: Wanted, *, single_threaded: bool
    ) -> list[Localization | WeakspotError]:
        """Localize in a few images with one forward pass; for one that cannot be localized, its error."""
        backend = self.sight.backend.single_threaded() if single_threaded else None
        results = self._finish(self._read([self.decode(image) for image in images], wanted, backend))
        return [result.error if isinstance(result, FailedImage) else result for result in results]

    def stream(
        self, images: Iterator[ImageSource], wanted: Wanted, *, batch_size: int, workers: int
    ) -> Iterator[Localization | FailedImage]:
        """Localize in a stream; the first images in PyTorch where it is not known yet whether exporting pays."""
        read = partial(self._read, wanted=wanted)
        stages = partial(pipelined, self.decode, read, self._finish, size=batch_size, workers=workers)
        if self.may_export:
            yield from stages(islice(images, max(0, EXPORT_AFTER_IMAGES - self.seen)))
            another = list(islice(images, 1))
            if another:
                self._accelerate()
            images = chain(another, images)
        if self.sight.backend.name == "torch":
            yield from stages(images)
        else:
            backend = self.sight.backend.single_threaded()
            yield from parallel_batches(
                self.decode, partial(read, backend=backend), self._finish, images, size=batch_size
            )

    def look_at(
        self,
        photos: Sequence[Pixels],
        methods: Sequence[str],
        asked: Asked,
        witnesses: Sequence[str] = (),
        backend: Backend | None = None,
    ) -> list[ClassifierOutput]:
        """Look at photos, with the sight's classifier or with it in another backend."""
        self.seen += len(photos)
        if self.may_export and self.seen > EXPORT_AFTER_IMAGES:
            self._accelerate()
        sight = self.sight if backend is None else replace(self.sight, backend=backend)
        return look_at(sight, photos, methods, asked, witnesses=witnesses)

    def _read(self, items: list[DecodedImage | FailedImage], wanted: Wanted, backend: Backend | None = None) -> Batch:
        """Look at the images of a batch that could be decoded."""
        photos = [item.pixels for item in items if isinstance(item, DecodedImage)]
        if not photos:
            return Batch(items, None)
        named = wanted.classes is not None
        rows = np.array([wanted.classes] * len(photos)) if named else None
        asked = Asked(rows, wanted.top_k, self.readout.multi_label and not named)
        found, *witness = self.look_at(photos, [self.readout.method], asked, self.witnesses, backend)
        count = wanted.top_k if wanted.classes is None else len(wanted.classes)
        return Batch(items, found, count, named, next(iter(witness), None))

    def _finish(self, batch: Batch) -> list[Localization | FailedImage]:
        return finish(batch, self.readout)

    def _accelerate(self) -> None:
        from weakspot.inference.backends.onnx_cache import compile_onnx

        self.may_export = False
        try:
            backend = compile_onnx(cast("TorchBackend", self.sight.backend), export=True)
            self.sight = replace(self.sight, backend=backend)
        except WeakspotError as error:  # PyTorch goes on to run it
            _log.warning("the model stays in PyTorch: %s", error.problem)
