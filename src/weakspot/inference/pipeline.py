"""The three steps from an image to its localization, decode, predict and postprocess, and their schedule."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PIL import Image

from weakspot.concurrency import parallel_batches, pipelined
from weakspot.config import Tiles
from weakspot.data import DecoderPool, ImageSource, read_image
from weakspot.data.decoding import read_downscaled
from weakspot.data.image_files import errors_of_image
from weakspot.errors import WeakspotError
from weakspot.inference.backends import Backend, ClassifierOutput, ClassSelection
from weakspot.inference.backends.base import Pixels
from weakspot.inference.backends.onnx import OnnxBackend
from weakspot.inference.localization import Localization
from weakspot.inference.postprocess import (
    DecodedImage,
    FailedImage,
    ImagePrediction,
    PostprocessConfig,
    postprocess,
)
from weakspot.inference.presence import run_with_presence
from weakspot.inference.tile_options import choose_tiling
from weakspot.inference.tiles import config_of, predict_tiles
from weakspot.inference.zoom import Original, zoom_output, zoom_prediction, zooms
from weakspot.ops.preprocessing import to_array, whole_array
from weakspot.ops.tiling import Tiling

if TYPE_CHECKING:  # a file of weakspot export needs no torch
    from weakspot.inference.backends.torch import TorchBackend

# An export takes about as long as it saves on this many images.
EXPORT_AFTER_IMAGES = 300
_log = logging.getLogger("weakspot")


def resize(image: Image.Image, backend: Backend) -> Pixels:
    """Resize a whole RGB image to a classifier's input size, bicubic with antialiasing, without cropping."""
    size = backend.preprocessing
    return backend.resize(to_array(image, channels=len(size.mean)), height=size.height, width=size.width)


def decode(
    source: ImageSource | DecodedImage | FailedImage,
    backend: Backend,
    *,
    max_pixels: int,
    decoders: DecoderPool | None = None,
    tiles: Tiles | None = None,
) -> DecodedImage | FailedImage:
    """Decode an image and resize it for a classifier, a file in one of the ``decoders`` if there are any.

    One with more than ``max_pixels`` fails, as does one that cannot be decoded. An image that is decoded already is
    returned as it is.
    """
    if isinstance(source, DecodedImage | FailedImage):
        return source
    name = str(source) if isinstance(source, str | Path) else "The image"
    try:
        with errors_of_image(name):
            if decoders is None or not isinstance(source, str | Path | bytes):
                pixels, (height, width) = _decode_here(source, backend, max_pixels)
            else:
                pixels, (height, width) = _decode_apart(source, backend, max_pixels, decoders)
    except WeakspotError as error:
        return _failed(source, error)
    return DecodedImage(source, width, height, pixels, choose_tiling(tiles, height, width, backend.preprocessing))


def _failed(source: ImageSource, error: WeakspotError) -> FailedImage:
    """Keep an error without its traceback, which would keep the half-decoded image alive for as long."""
    error.__cause__ = error.__context__ = None
    return FailedImage(source, error.with_traceback(None))


def _decode_here(source: ImageSource, backend: Backend, max_pixels: int) -> tuple[Pixels, tuple[int, int]]:
    size = backend.preprocessing
    image, original = read_downscaled(source, height=size.height, width=size.width, max_pixels=max_pixels)
    return resize(image, backend), original


def _decode_apart(
    source: str | Path | bytes, backend: Backend, max_pixels: int, decoders: DecoderPool
) -> tuple[Pixels, tuple[int, int]]:
    """Decode in another process; torch's resizing, which differs from Pillow's, is done here."""
    size, by_pillow = backend.preprocessing, isinstance(backend, OnnxBackend)
    sides = {"height": size.height, "width": size.width}
    channels = len(size.mean)
    pixels, original = decoders.read(source, **sides, channels=channels, resize=by_pillow, max_pixels=max_pixels)
    return backend.resize(pixels, **sides), original


def decode_whole(source: ImageSource, *, channels: int, max_pixels: int, decoders: DecoderPool | None = None) -> Pixels:
    """Decode an image at its own size: shape (height, width, channels)."""
    name = str(source) if isinstance(source, str | Path) else "The image"
    with errors_of_image(name):
        if decoders is None or not isinstance(source, str | Path | bytes):
            image = read_image(source, max_pixels=max_pixels)
        else:
            image = decoders.read_file(source, max_pixels=max_pixels)
        return whole_array(image, channels=channels)


def predict(
    backend: Backend,
    images: Sequence[DecodedImage | FailedImage],
    selection: ClassSelection,
    config: PostprocessConfig,
) -> list[ImagePrediction | FailedImage]:
    """Run the model on a batch of decoded images; those that failed are returned as they are, in order."""
    decoded = [image for image in images if isinstance(image, DecodedImage)]
    predictions = iter(_predict_decoded(backend, decoded, selection, config) if decoded else ())
    return [image if isinstance(image, FailedImage) else next(predictions) for image in images]


def _predict_decoded(
    backend: Backend, images: Sequence[DecodedImage], selection: ClassSelection, config: PostprocessConfig
) -> list[ImagePrediction]:
    reference_methods = () if config.reference_method is None else (config.reference_method,)
    pixels = [image.pixels for image in images]
    methods = [config.method, *reference_methods]
    if config.by_evidence or config.info.presence is not None:
        output, *references = run_with_presence(backend, pixels, methods, selection, config.info)
    else:
        output, *references = backend.run(pixels, methods, selection)
    return [
        ImagePrediction(
            image,
            selection,
            output.logits[i],
            output.classes[i],
            output.maps[i],
            output.evidence[i],
            bool(output.has_negative_activations[i]),
            references[0].maps[i] if references else None,
            None if output.foreground is None else output.foreground[i, 0],
            None if output.uncontested is None else output.uncontested[i],
        )
        for i, image in enumerate(images)
    ]


@dataclass(eq=False)
class Pipeline:
    """Runs the three steps on batches and streams, and moves the classifier to ONNX Runtime once that saves time."""

    backend: Backend
    config: PostprocessConfig
    max_pixels: int
    may_export: bool
    decoders: DecoderPool | None = None
    tiles: Tiles | None = None
    images_seen: int = 0

    def decode(self, source: ImageSource | DecodedImage | FailedImage) -> DecodedImage | FailedImage:
        """Decode an image for the classifier."""
        return decode(source, self.backend, max_pixels=self.max_pixels, decoders=self.decoders, tiles=self.tiles)

    def batch(
        self,
        images: Sequence[ImageSource | DecodedImage | FailedImage],
        selection: ClassSelection,
        *,
        single_threaded: bool,
    ) -> list[Localization | FailedImage]:
        """Localize in a few images with one forward pass."""
        backend = self.backend.single_threaded() if single_threaded else None
        decoded = [self.decode(image) for image in images]
        return self._postprocess(self._predict(decoded, selection, backend))

    def stream(
        self, images: Iterator[ImageSource], selection: ClassSelection, *, batch_size: int, workers: int
    ) -> Iterator[Localization | FailedImage]:
        """Localize in a stream; the first images in PyTorch, if it is not known yet whether an export saves time."""
        run = partial(self._predict, selection=selection)
        stages = partial(pipelined, self.decode, run, self._postprocess, size=batch_size, workers=workers)
        if self.may_export:
            yield from stages(islice(images, max(0, EXPORT_AFTER_IMAGES - self.images_seen)))
            next_image = list(islice(images, 1))
            if next_image:
                self._export()
            images = chain(next_image, images)
        if self.backend.name == "torch":
            yield from stages(images)
        else:
            run = partial(run, backend=self.backend.single_threaded())
            yield from parallel_batches(self.decode, run, self._postprocess, images, size=batch_size)

    def class_maps(
        self,
        images: Sequence[Pixels],
        methods: Sequence[str],
        selection: ClassSelection,
        originals: Sequence[Original] = (),
    ) -> list[ClassifierOutput]:
        """Compute the class maps of several methods with one forward pass; zoom into the ``originals``."""
        self._count(len(images))
        info = self.config.info
        outputs = run_with_presence(self.backend, images, methods, selection, info)
        if not originals or not info.zooms:
            return outputs
        return [
            zoom_output(output, self.backend, info, originals) if name == info.method else output
            for name, output in zip(methods, outputs, strict=True)
        ]

    def _predict(
        self,
        images: list[DecodedImage | FailedImage],
        selection: ClassSelection,
        backend: Backend | None = None,
    ) -> list[ImagePrediction | FailedImage]:
        self._count(sum(_forward_passes(image) for image in images))
        backend = backend or self.backend
        resized = [image for image in images if _tiling(image) is None]
        whole = (self._zoom(backend, one) for one in predict(backend, resized, selection, self.config))
        return [
            self._predict_tiles(backend, image, image.tiling, selection)
            if isinstance(image, DecodedImage) and image.tiling is not None
            else next(whole)
            for image in images
        ]

    def _zoom(self, backend: Backend, prediction: ImagePrediction | FailedImage) -> ImagePrediction | FailedImage:
        """Zoom into small regions, if the model does; one image at a time is in memory at its own size."""
        if isinstance(prediction, FailedImage) or not zooms(self.config):
            return prediction
        try:
            return zoom_prediction(
                prediction, backend, self.config, lambda: self._decode_whole(backend, prediction.image.source)
            )
        except WeakspotError as error:
            return _failed(prediction.image.source, error)

    def _decode_whole(self, backend: Backend, source: ImageSource) -> Pixels:
        channels = len(backend.preprocessing.mean)
        return decode_whole(source, channels=channels, max_pixels=self.max_pixels, decoders=self.decoders)

    def _predict_tiles(
        self, backend: Backend, image: DecodedImage, tiling: Tiling, selection: ClassSelection
    ) -> ImagePrediction | FailedImage:
        """Predict an image in tiles; one such image at a time is in memory at its own size."""
        try:
            pixels = self._decode_whole(backend, image.source)
        except WeakspotError as error:  # it has changed, or only its reduced size could be decoded
            return _failed(image.source, error)
        return predict_tiles(backend, image, tiling, pixels, selection, self.config)

    def _postprocess(self, predictions: list[ImagePrediction | FailedImage]) -> list[Localization | FailedImage]:
        return [
            prediction
            if isinstance(prediction, FailedImage)
            else postprocess(prediction, config_of(prediction, self.config))
            for prediction in predictions
        ]

    def _count(self, images: int) -> None:
        """Count images that are about to be predicted, and export the classifier after enough of them."""
        self.images_seen += images
        if self.may_export and self.images_seen > EXPORT_AFTER_IMAGES:
            self._export()

    def _export(self) -> None:
        from weakspot.inference.backends.onnx_cache import compile_onnx

        self.may_export = False
        try:
            self.backend = compile_onnx(cast("TorchBackend", self.backend), export=True)
        except WeakspotError as error:  # the model still runs in PyTorch
            _log.warning("the model stays in PyTorch: %s", error.problem)


def _tiling(image: DecodedImage | FailedImage) -> Tiling | None:
    return image.tiling if isinstance(image, DecodedImage) else None


def _forward_passes(image: DecodedImage | FailedImage) -> int:
    """Return the number of the model's inputs that an image becomes."""
    tiling = _tiling(image)
    return int(isinstance(image, DecodedImage)) if tiling is None else len(tiling.corners)
