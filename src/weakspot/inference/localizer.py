"""Localizer: images in, localizations out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.config import DEFAULT_MODEL, PRETRAINED, BackendName, BoxesName, QualityName, RefinementName, Tiles
from weakspot.data import MAX_PIXELS, DecoderPool, ImageSource, Preprocessing
from weakspot.errors import InputError, ModelError, WeakspotError, check_fraction, check_positive
from weakspot.inference.backends import Backend, ClassifierOutput, ClassSelection
from weakspot.inference.backends.base import Pixels
from weakspot.inference.backends.onnx import OnnxBackend
from weakspot.inference.class_names import ClassNames, find_class
from weakspot.inference.load import load_model, region_options
from weakspot.inference.localization import Localization
from weakspot.inference.options import LocalizerOptions
from weakspot.inference.pipeline import Pipeline, resize
from weakspot.inference.postprocess import DecodedImage, FailedImage, PostprocessConfig
from weakspot.inference.quality import find_quality
from weakspot.inference.tile_options import check_method, check_model, check_options, comparable_methods
from weakspot.inference.zoom import Original
from weakspot.ops.checks import check_threshold
from weakspot.ops.refinement import check_refinement
from weakspot.ops.uncertainty import reference_method

if TYPE_CHECKING:  # a file of weakspot export needs no torch
    import torch
    from torch import Tensor, nn

    from weakspot.inference.backends.torch import TorchBackend
    from weakspot.models import ForegroundHead

Classes = Sequence[int | str] | int | str | None
OnError = Callable[[ImageSource, WeakspotError], None]


class Localizer:
    """Localize classes in images, with a classifier that was trained on image-level labels only.

    Args:
        model: A timm or torchvision name, the folder of a run of ``weakspot train`` (or its ``model.safetensors``), any
            ``nn.Module`` that returns logits, or a file of ``weakspot export``, which needs no torch.
        method: A name from ``weakspot.cams.METHODS``; None uses the method that a run was trained for, else
            ``"gradcam"``.
        quality: ``"plain"``: class maps as published. ``"fast"``: propagated to similar positions, from one forward
            pass. ``"balanced"``: also with a foreground head, once :meth:`adapt` has fitted one; ``"best"`` is the
            same. A run with a foreground head is the same in all but the first, and a ``psol`` run is plain in all of
            them. None uses the quality that a run's threshold was chosen for, else ``"fast"``.
        layer: Name of the target layer, or several to be fused; None finds the last feature map.
        class_names: One name per logit, a mapping from index to name, or the path of a text file with one name per
            line; None uses the names that come with the model, else the indices.
            A model with one logit has two classes, the second with the sigmoid of the logit as its score; with one name
            it has that class only.
        multi_label: Whether the classes are independent, each with the sigmoid of its logit as its score; None uses
            what comes with the model, else False: a softmax.
        mean: Mean of each input channel, for pixels in [0, 1]; None uses the model's own, else ImageNet's.
        std: Standard deviation of each channel, likewise.
        input_size: Side of the square that images are resized to, or ``(height, width)``. None uses the model's own;
            9/7 of it for a timm or torchvision name that supports it, in all qualities but plain.
        device: ``"cpu"``, ``"cuda"``, ... or ``"auto"``: a GPU, if available, for a named model; an ``nn.Module`` stays
            on its device.
        weights: For a timm or torchvision name: ``"pretrained"``, a weights file (.safetensors or .pth), or None
            for random weights.
        output_stride: For a timm or torchvision name: 32, 16 or 8, finer maps from the same weights. None uses 16 if
            the model supports it; in quality plain, the model's own.
        threshold: Fraction of the heatmap's peak at which boxes are cut; None uses the run's for this method and
            quality, else the quality's, else the method's.
        boxes: ``"best"``: the region with the most evidence for the class. ``"largest"``: the largest region.
            ``"all"``: all regions, the best first. ``"instances"``: all regions; those with several peaks are
            separated by watershed.
        min_area: With ``"all"`` and ``"instances"``: minimum area of a region as a fraction of the image, or in tiles
            of a tile.
        min_score: Minimum score of a box: the score of the class times the mean heatmap value in the region. An image
            whose boxes are all below it has none.
        refine: ``"grabcut"``, ``"random_walker"`` or ``"superpixels"``: snap heatmaps to image edges, see
            ``weakspot.ops.refinement``. None: no refinement.
        channels: With Score-CAM: number of channels to try, the most varied first; None tries all.
        max_pixels: Images with more pixels are rejected before they are decoded.
        tiles: Side of square tiles, in pixels: a larger image is localized in tiles that overlap, so that small objects
            are found. ``"auto"``: images of more than twice the input size are, in tiles of that size. None: every
            image is resized whole.
        uncertainty: Whether to estimate the uncertainty of each box, without a further forward pass, and with a run
            that knew some boxes the probability that it is right. Boxes of a ``psol`` run have none.
        backend: ``"torch"``; ``"onnx"``: ONNX Runtime runs the forward pass, several times as fast on a CPU, from a
            graph that is exported once and stored in the user's cache folder; ``"auto"``: ONNX Runtime for a named
            model or a run on a CPU, if its graph is cached, or after 300 images, when an export pays off.
        decoders: Processes that decode image files from people you do not trust, with limits on the time and memory of
            each image, see :class:`weakspot.data.DecoderPool`; the commands use them. None decodes in this process.

    Raises:
        InputError: If an option is out of its range or does not fit the model.
        ModelError: If the model, its weights or its layer cannot be used.

    Example:
        >>> import skimage.data
        >>> localizer = Localizer("tf_efficientnet_lite0", method="cam", quality="fast")
        >>> localization = localizer(skimage.data.chelsea())
        >>> localization.label, round(localization.score, 2), localization.box.round().tolist()
        ('Egyptian cat', 0.43, [34.0, 15.0, 373.0, 277.0])
    """

    def __init__(
        self,
        model: "str | Path | nn.Module" = DEFAULT_MODEL,
        *,
        method: str | None = None,
        quality: str | None = None,
        layer: str | Sequence[str] | None = None,
        class_names: ClassNames | None = None,
        multi_label: bool | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        input_size: int | tuple[int, int] | None = None,
        device: str = "auto",
        weights: str | Path | None = PRETRAINED,
        output_stride: int | None = None,
        threshold: float | None = None,
        boxes: BoxesName = "best",
        min_area: float = 0.01,
        min_score: float = 0.0,
        refine: str | None = None,
        channels: int | None = None,
        max_pixels: int = MAX_PIXELS,
        tiles: Tiles | None = None,
        uncertainty: bool = False,
        backend: BackendName = "auto",
        decoders: DecoderPool | None = None,
    ) -> None:
        layers = layer if layer is None or isinstance(layer, list | tuple) else (cast("str", layer),)
        options = LocalizerOptions(
            method=method,
            quality=cast("QualityName | None", quality),
            layer=None if layers is None else tuple(layers),
            class_names=class_names,
            multi_label=multi_label,
            mean=mean,
            std=std,
            input_size=input_size,
            device=device,
            weights=weights,
            output_stride=output_stride,
            threshold=threshold,
            boxes=boxes,
            min_area=min_area,
            min_score=min_score,
            refine=cast("RefinementName | None", refine),
            channels=channels,
            max_pixels=max_pixels,
            tiles=tiles,
            uncertainty=uncertainty,
            backend=backend,
            decoders=decoders,
        )
        self._load(model, options)

    @classmethod
    def from_options(cls, model: "str | Path | nn.Module", options: LocalizerOptions) -> "Localizer":
        """Create a localizer from a record of options instead of keyword arguments.

        Example:
            >>> Localizer.from_options("tf_efficientnet_lite0", LocalizerOptions(method="cam")).method
            'cam'
        """
        localizer = cls.__new__(cls)
        localizer._load(model, options)
        return localizer

    def _load(self, model: "str | Path | nn.Module", options: LocalizerOptions) -> None:
        if options.threshold is not None:
            check_threshold(float(options.threshold))
        if options.refine is not None:
            check_refinement(options.refine)
        check_options(options)
        regions = region_options(options.boxes, options.min_area)
        loaded = load_model(model, options)
        if options.tiles is not None:
            check_model(loaded)
        method, uncertainty = loaded.info.method, options.uncertainty and not loaded.is_box_regressor
        threshold = float(options.threshold or loaded.info.threshold or loaded.default_threshold)
        config = PostprocessConfig(
            loaded.info,
            method,
            threshold,
            **regions,
            min_score=check_fraction(options.min_score, "min_score"),
            refine=options.refine,
            uncertainty=uncertainty,
            calibration=loaded.info.calibration if threshold == loaded.info.threshold else (),
            reference_method=_fitting_reference(loaded.backend, method) if uncertainty else None,
        )
        max_pixels = MAX_PIXELS if options.max_pixels is None else options.max_pixels
        self._pipeline = Pipeline(
            loaded.backend, config, max_pixels, loaded.may_export, options.decoders, tiles=options.tiles
        )
        self._has_default_threshold = options.threshold is None and threshold == loaded.default_threshold

    def __call__(self, image: ImageSource, *, classes: Classes = None, top_k: int = 1) -> Localization:
        """Localize in one image.

        Args:
            image: A path, the bytes of an image file, a PIL image, or a uint8 array of shape (H, W, 3); see
                :func:`weakspot.data.read_image`.
            classes: Indices or names of the classes to localize; None selects the ``top_k`` most probable classes, and
                for a multi-label model also those with a probability of at least 0.5.
            top_k: Number of classes if ``classes`` is None.

        Returns:
            The localization of the first class; those of further classes are its ``others``.

        Raises:
            InputError: If the image cannot be read, or ``unknown-class``.
            ModelError: ``output-not-finite`` if the model returns NaN for the image.
        """
        (result,) = self.batch([image], classes=classes, top_k=top_k)
        if isinstance(result, WeakspotError):
            raise result
        return result

    def decode(self, image: ImageSource | DecodedImage | FailedImage) -> DecodedImage | FailedImage:
        """Decode an image and resize it for the model, for :meth:`batch`; a failed one has its ``error``."""
        return self._pipeline.decode(image)

    def batch(
        self,
        images: Sequence[ImageSource | DecodedImage | FailedImage],
        *,
        classes: Classes = None,
        top_k: int = 1,
        single_threaded: bool = False,
    ) -> list[Localization | WeakspotError]:
        """Localize in a few images with one forward pass.

        Args:
            images: As for one image, or as :meth:`decode` returns them.
            classes: As for one image.
            top_k: As for one image.
            single_threaded: Run on one core, for callers that run several batches in threads of their own.

        Returns:
            One localization per image, in order; the error for an image that cannot be localized.

        Raises:
            InputError: ``unknown-class``, or ``out-of-range`` for ``top_k``.
        """
        results = self._pipeline.batch(images, self._select(classes, top_k), single_threaded=single_threaded)
        return [result.error if isinstance(result, FailedImage) else result for result in results]

    def stream(
        self,
        images: Iterable[ImageSource],
        *,
        batch_size: int = 16,
        workers: int = 2,
        classes: Classes = None,
        top_k: int = 1,
        on_error: OnError | None = None,
    ) -> Iterator[Localization]:
        """Localize in many images: decoding, the model and postprocessing overlap, in bounded memory.

        Args:
            images: Any iterable; it is read a few batches ahead of the results.
            batch_size: Images per forward pass; with ONNX Runtime, the images that all cores share.
            workers: Threads that decode images and compute boxes; with ONNX Runtime, each core runs all steps for some
                images instead.
            classes: As for one image.
            top_k: As for one image.
            on_error: Called with the image and the error for each image that cannot be localized, which is then
                skipped. None raises the error when its turn comes.

        Yields:
            One localization per image, in order.

        Raises:
            InputError: ``images-invalid`` for one image instead of several, or ``unknown-class``.
        """
        if isinstance(images, str | bytes | Path):
            problem = f"images must be an iterable of images, got one {type(images).__name__}."
            raise InputError("images-invalid", problem, "Put it into a list, or call the localizer.")
        selection, size = self._select(classes, top_k), max(1, batch_size)
        for result in self._pipeline.stream(iter(images), selection, batch_size=size, workers=max(1, workers)):
            if isinstance(result, Localization):
                yield result
            elif on_error is None:
                raise result.error
            else:
                on_error(result.source, result.error)

    def with_options(
        self,
        *,
        method: str | None = None,
        threshold: float | None = None,
        boxes: BoxesName | None = None,
        min_area: float | None = None,
    ) -> "Localizer":
        """Return a localizer with other options for the same loaded classifier.

        Args:
            method: Name of another method; None keeps the localizer's.
            threshold: Another threshold; None keeps the localizer's, or with another method uses its default.
            boxes: ``"best"``, ``"largest"``, ``"all"`` or ``"instances"``; None keeps the localizer's.
            min_area: With ``"all"`` and ``"instances"``: minimum area of a region as a fraction of the image.

        Raises:
            InputError: If the method does not fit the classifier, or an option is out of its range.
        """
        method = self.method if method is None else method
        self.validate_method(method)
        has_default_threshold = threshold is None and (self._has_default_threshold or method != self.method)
        if threshold is None:
            threshold = self.threshold_of(method)
        check_threshold(threshold)
        reference = _fitting_reference(self._pipeline.backend, method) if self.config.reference_method else None
        changes = (method, threshold) != (self.method, self.threshold)
        config = replace(
            self.config,
            method=method,
            threshold=threshold,
            calibration=() if changes else self.config.calibration,
            reference_method=reference,
        )
        if boxes is not None:
            config = replace(config, **region_options(boxes, 0.01 if min_area is None else min_area))
        localizer = copy(self)
        localizer._pipeline = replace(self._pipeline, config=config)
        localizer._has_default_threshold = has_default_threshold
        return localizer

    def class_maps(self, images: "Tensor", classes: "Tensor") -> "Tensor":
        """Compute raw class maps of normalized images, as the method was published.

        Args:
            images: Shape (B, 3, H, W), normalized as the model expects.
            classes: Class indices of shape (B,), or (B, C) for several classes per image.

        Returns:
            Class maps of shape (B, h, w) or (B, C, h, w), any sign, not normalized.

        Raises:
            InputError: ``shape-mismatch`` for tensors of another shape or type, ``unknown-class``.
            ModelError: ``not-a-torch-model`` for a file of ``weakspot export``.
        """
        return self.torch_backend.class_maps(images, classes, self.method)

    def class_maps_of(
        self,
        images: Sequence[Pixels],
        classes: NDArray[np.integer],
        methods: Sequence[str],
        originals: Sequence[Original] = (),
    ) -> list[ClassifierOutput]:
        """Compute the class maps of several methods with one forward pass, in the localizer's quality.

        The images are as returned by :meth:`resize`, the class indices have the shape (B, C). With ``originals``, a
        model that zooms does so in them.
        """
        return self._pipeline.class_maps(images, methods, ClassSelection(classes), originals)

    def top_class_maps(self, images: Sequence[Pixels], top_k: int, methods: Sequence[str]) -> list[ClassifierOutput]:
        """Compute the maps of the ``top_k`` most probable classes, as :meth:`class_maps_of` does.

        Of a multi-label model, those of further classes that are present in an image follow.
        """
        return self._pipeline.class_maps(images, methods, self._select(None, top_k))

    def resize(self, image: Image.Image) -> Pixels:
        """Resize a whole RGB image to the model's input size, bicubic with antialiasing, without cropping."""
        return resize(image, self._pipeline.backend)

    def validate_method(self, method: str) -> None:
        """Raise InputError if a method does not fit the classifier or tiles, or its maps are not in the file."""
        if self._pipeline.tiles is not None:
            check_method(method)
        self._pipeline.backend.validate_method(method)

    def threshold_of(self, method: str) -> float:
        """Return the threshold of a method: the localizer's for its own method, else the default of the method."""
        return self.threshold if method == self.method else self._pipeline.backend.default_threshold(method)

    def adapt(self, images: Iterable[ImageSource], *, batch_size: int = 16, seed: int = 0) -> int:
        """Fit a foreground head to unlabeled images.

        The head is fitted to the propagated maps of the most probable classes, see
        :func:`weakspot.models.fit_foreground`; it replaces a head that was fitted before.

        Args:
            images: Images similar to those that will be localized; about a hundred suffice. The first 1000 that can be
                read are used.
            batch_size: Images per forward pass.
            seed: Random seed of the head.

        Returns:
            Number of images used: 0 if none could be read, the quality is plain or the classifier has no intermediate
            features.

        Raises:
            ModelError: ``not-a-torch-model`` for a file of ``weakspot export``.
        """
        from weakspot.inference.adaptation import fit_foreground_head

        self.set_foreground_head(None)
        backend, size = self.torch_backend, self.preprocessing
        decoded = (self._pipeline.decode(source) for source in images)
        pixels = (
            backend.resize(image.pixels, height=size.height, width=size.width)
            for image in decoded
            if isinstance(image, DecodedImage)
        )
        head, count = fit_foreground_head(backend, self.method, pixels, batch_size=batch_size, seed=seed)
        self.set_foreground_head(head)
        return count

    @property
    def needs_adaptation(self) -> bool:
        """Whether commands should call :meth:`adapt` first: the quality uses a foreground head, not fitted yet."""
        is_torch = not isinstance(self._pipeline.backend, OnnxBackend)
        return is_torch and find_quality(self.quality).adapt_foreground and not self.is_adapted

    @property
    def is_adapted(self) -> bool:
        """Whether there is a foreground head, from training or from :meth:`adapt`."""
        return self._pipeline.backend.has_foreground_head

    def set_foreground_head(self, head: "ForegroundHead | None") -> None:
        """Set the head that separates foreground from background by intermediate features; None removes it.

        Per-class thresholds of a run are removed, and how it decides whether an image holds an object: they were chosen
        for the head that it had. A default threshold becomes that of maps with, or without, a head.
        """
        backend = self.torch_backend.with_foreground_head(head)
        self._pipeline.backend = backend
        zooms = self.config.info.zooms if head is not None and head.positions is not None else 0
        self._pipeline.config = replace(self.config, info=replace(self.config.info, presence=None, zooms=zooms))
        if self._has_default_threshold:  # neither chosen by the user nor by a run
            self._pipeline.config = replace(self.config, threshold=backend.default_threshold(self.method))

    def set_zooms(self, zooms: int) -> None:
        """Zoom into small regions so many times, each time to half the width and height; 0 for never."""
        self._pipeline.config = replace(self.config, info=replace(self.config.info, zooms=zooms))

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.config.method

    @property
    def quality(self) -> str:
        """Name of the quality preset."""
        return self.config.info.quality

    @property
    def threshold(self) -> float:
        """Fraction of the heatmap's peak at which boxes are cut."""
        return self.config.threshold

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name per logit."""
        return self.config.info.class_names

    @property
    def preprocessing(self) -> Preprocessing:
        """Input size and normalization of the model."""
        return self.config.info.preprocessing

    @property
    def max_pixels(self) -> int:
        """Images with more pixels are rejected before they are decoded."""
        return self._pipeline.max_pixels

    @property
    def decoders(self) -> DecoderPool | None:
        """Processes that decode image files; None if they are decoded in this process."""
        return self._pipeline.decoders

    @property
    def config(self) -> PostprocessConfig:
        """How predictions become localizations."""
        return self._pipeline.config

    @property
    def single_pass_methods(self) -> tuple[str, ...]:
        """Names of the methods that need a single forward pass, the localizer's own first."""
        methods = self._pipeline.backend.single_pass_methods()
        if self._pipeline.tiles is not None:
            methods = comparable_methods(methods)
        return (self.method, *(name for name in methods if name != self.method))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the target layers."""
        return self._pipeline.backend.layers

    @property
    def model(self) -> "nn.Module":
        """The classifier in PyTorch; ModelError ``not-a-torch-model`` for a file of ``weakspot export``."""
        return self.torch_backend.model

    @property
    def device(self) -> "torch.device":
        """The device of the classifier; ModelError ``not-a-torch-model`` for a file of ``weakspot export``."""
        return self.torch_backend.device

    @property
    def backend(self) -> str:
        """Name of the backend that runs the classifier: ``"torch"`` or ``"onnx"``."""
        return self._pipeline.backend.name

    @property
    def torch_backend(self) -> "TorchBackend":
        """The backend in PyTorch; ModelError ``not-a-torch-model`` for a file of ``weakspot export``."""
        backend = self._pipeline.backend
        if isinstance(backend, OnnxBackend):
            problem = f"This needs a PyTorch model, got a file exported from {backend.metadata.source}."
            raise ModelError("not-a-torch-model", problem)
        return cast("TorchBackend", backend)

    def _select(self, classes: Classes, top_k: int) -> ClassSelection:
        check_positive(top_k, "top_k")
        if classes is None:
            return ClassSelection(None, top_k, include_positive=self.config.info.multi_label)
        labels = classes if isinstance(classes, Iterable) and not isinstance(classes, str) else [classes]
        indices = [find_class(label, self.class_names) for label in labels]
        if not indices:
            raise InputError("classes-empty", "classes must contain at least one class, got none.")
        return ClassSelection(np.array(indices), top_k)


def _fitting_reference(backend: Backend, method: str) -> str | None:
    """Return the method to compare a method's maps with, or None if it does not fit the classifier."""
    reference = reference_method(method)
    try:
        backend.validate_method(reference)
    except InputError:
        return None
    return reference
