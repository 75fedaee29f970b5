"""Localizer: images in, localizations out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.config import DEFAULT_MODEL, PRETRAINED, BackendName, BoxesName, QualityName, RefinementName
from weakspot.data import MAX_PIXELS, ImageSource, Preprocessing
from weakspot.errors import InputError, ModelError, WeakspotError, check_fraction, check_positive
from weakspot.inference.backends import Asked, ClassifierOutput
from weakspot.inference.backends.base import Pixels
from weakspot.inference.backends.onnx import OnnxBackend
from weakspot.inference.class_names import find_class
from weakspot.inference.load import load_model, min_area_for
from weakspot.inference.localization import Localization
from weakspot.inference.looking import Predictor
from weakspot.inference.options import LocalizerOptions
from weakspot.inference.photo_batches import DecodedImage
from weakspot.inference.pipeline import Pipeline, Wanted
from weakspot.inference.postprocess import PostprocessConfig
from weakspot.inference.quality import find_quality
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
    """Find where a class is in an image, with a classifier that was trained on labels only.

    Args:
        model: A timm or torchvision name, the folder of a run of ``weakspot train`` (or its ``model.safetensors``), any
            ``nn.Module`` that returns logits, or a file of ``weakspot export``, which needs no torch.
        method: A name from ``weakspot.cams.METHODS``; None takes that which a run was trained for, else ``"gradcam"``.
        quality: ``"plain"``: class maps as the method was published. ``"fast"``: spread over what looks alike, from one
            forward pass. ``"balanced"``: and looked at more closely, with 3 passes for a class. ``"best"``: with 8. For
            the last two see also :meth:`adapt`. A run that knows foreground needs one pass in all of them, and one of
            ``psol`` is plain in all of them. None takes that which a run's threshold was found for, else ``"fast"``.
        layer: Name of the layer to read, or several to be fused; None finds the last feature map.
        class_names: One name per logit, or the path of a text file with one name per line; None uses the names that
            come with the model, else the indices.
        mean: Mean of each input channel, of pixels in [0, 1]; None takes what comes with the model, else ImageNet's.
        std: Standard deviation of each channel, likewise.
        input_size: Side of the square that images are squashed to, or ``(height, width)``. None takes the model's; a
            model given by name sees them 9/7 as large in all qualities but plain, if it can.
        device: ``"cpu"``, ``"cuda"``, ... or ``"auto"``: a GPU where there is one for a named model, and where it
            is for an ``nn.Module``, which is moved only if you say so.
        weights: For a named model: ``"pretrained"``, a weights file, or None for random ones.
        output_stride: For a named model: 32, 16 or 8, finer maps from the same weights. None takes 16 where the model
            can have it; in quality plain, the model's own.
        threshold: Fraction of the heatmap's peak at which to cut; None takes the run's for this method and quality,
            else the quality's, else the method's own.
        boxes: ``"largest"``: the largest region. ``"all"``: all regions. ``"instances"``: all regions; those with
            several peaks are separated by watershed.
        min_area: With ``"all"`` and ``"instances"``: least area of a region as a fraction of the image's.
        min_score: Least score of a box: that of the class times the mean of the heatmap in its region. Where none has
            it, there is no box.
        refine: ``"grabcut"``, ``"random_walker"`` or ``"superpixels"``: make heatmaps keep to the image's edges, see
            ``weakspot.ops.refinement``. None leaves them as they are.
        channels: With Score-CAM: how many channels to try, the most varied first; None tries all.
        max_pixels: Larger images are refused before they are decoded.
        uncertainty: Whether to estimate the uncertainty of each box, without a further forward pass. Boxes of a
            ``psol`` run have none.
        backend: ``"torch"``; ``"onnx"``: onnxruntime runs the forward pass, several times as fast on a CPU, from a
            graph that is exported once and kept in the user's cache folder; ``"auto"``: onnxruntime for a model by name
            or a run on a CPU, if its graph is in the cache, or once 1000 images were seen and it pays to export it.

    Raises:
        InputError: If an option is out of its range or does not fit the model.
        ModelError: If the model, its weights or its layer cannot be used.

    Example:
        >>> import skimage.data
        >>> localizer = Localizer("tf_efficientnet_lite0", method="cam", quality="fast")
        >>> found = localizer(skimage.data.chelsea())
        >>> found.label, round(found.score, 2), found.box.round().tolist()
        ('Egyptian cat', 0.43, [34.0, 15.0, 373.0, 277.0])
    """

    def __init__(
        self,
        model: "str | Path | nn.Module" = DEFAULT_MODEL,
        *,
        method: str | None = None,
        quality: str | None = None,
        layer: str | Sequence[str] | None = None,
        class_names: Path | Sequence[str] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        input_size: int | tuple[int, int] | None = None,
        device: str = "auto",
        weights: str | Path | None = PRETRAINED,
        output_stride: int | None = None,
        threshold: float | None = None,
        boxes: BoxesName = "largest",
        min_area: float = 0.01,
        min_score: float = 0.0,
        refine: str | None = None,
        channels: int | None = None,
        max_pixels: int = MAX_PIXELS,
        uncertainty: bool = False,
        backend: BackendName = "auto",
    ) -> None:
        layers = (layer,) if isinstance(layer, str) else layer
        options = LocalizerOptions(
            method=method,
            quality=cast("QualityName | None", quality),
            layer=None if layers is None else tuple(layers),
            class_names=class_names,
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
            uncertainty=uncertainty,
            backend=backend,
        )
        self._load(model, options)

    @classmethod
    def from_options(cls, model: "str | Path | nn.Module", options: LocalizerOptions) -> "Localizer":
        """Create a localizer from a record of options, as :class:`Localizer` does from keyword arguments.

        Args:
            model: As for :class:`Localizer`.
            options: The options.

        Raises:
            InputError: As for :class:`Localizer`.
            ModelError: As for :class:`Localizer`.

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
        area = min_area_for(options.boxes, options.min_area)
        opened = load_model(model, options)
        self.quality = opened.quality
        self.preprocessing = opened.backend.frame
        readout = PostprocessConfig(
            opened.method,
            float(options.threshold or opened.threshold),
            area,
            self.preprocessing.height,
            self.preprocessing.width,
            opened.class_names,
            opened.multi_label,
            opened.background,
            options.uncertainty and not opened.drawn,
            options.boxes == "instances",
            check_fraction(options.min_score, "min_score"),
            options.refine,
        )
        sight = Predictor(opened.backend, opened.looks, opened.crop_threshold)
        witnesses = _fitting_witnesses(sight, opened.method) if readout.uncertainty else ()
        max_pixels = MAX_PIXELS if options.max_pixels is None else options.max_pixels
        self._pipeline = Pipeline(sight, readout, witnesses, max_pixels, opened.may_export)

    def __call__(self, image: ImageSource, *, classes: Classes = None, top_k: int = 1) -> Localization:
        """Localize in one image.

        Args:
            image: A path, the bytes of an image file, a PIL image, or a uint8 array of shape (H, W, 3); see
                :func:`weakspot.data.read_image`.
            classes: Indices or names of the classes to look for; None takes the ``top_k`` most probable, and of a
                model that was trained for several labels also those that are as probable as not.
            top_k: How many classes when ``classes`` is None.

        Returns:
            The localization of the first class; those of further classes are its ``others``.

        Raises:
            InputError: If the image cannot be read, or a class is not one of the model's.
            ModelError: If the model gives NaN for the image.
        """
        (result,) = self.batch([image], classes=classes, top_k=top_k)
        if isinstance(result, WeakspotError):
            raise result
        return result

    def batch(
        self, images: Sequence[ImageSource], *, classes: Classes = None, top_k: int = 1, single_threaded: bool = False
    ) -> list[Localization | WeakspotError]:
        """Localize in a few images with one forward pass.

        Args:
            images: As for one image.
            classes: As for one image.
            top_k: As for one image.
            single_threaded: Run on one core, for callers that run several batches in threads of their own.

        Returns:
            One localization an image, in their order; for an image that cannot be localized, the error.

        Raises:
            InputError: If a class is not one of the model's.
        """
        return self._pipeline.batch(images, self._wanted(classes, top_k), single_threaded=single_threaded)

    def with_options(
        self,
        *,
        method: str | None = None,
        threshold: float | None = None,
        boxes: BoxesName | None = None,
        min_area: float | None = None,
    ) -> "Localizer":
        """The same classifier, read in another way: nothing is loaded again.

        Args:
            method: Name of another method; None keeps the localizer's.
            threshold: Where to cut; None keeps the localizer's, or with another method takes its default.
            boxes: ``"largest"``, ``"all"`` or ``"instances"``; None keeps the localizer's.
            min_area: With ``"all"`` and ``"instances"``: least area of a region as a fraction of the image's.

        Raises:
            InputError: If the method does not fit the classifier, or an option is out of its range.
        """
        method = self.method if method is None else method
        self.check(method)
        if threshold is None:
            threshold = self.threshold_of(method)
        check_threshold(threshold)
        readout = replace(self.readout, method=method, threshold=threshold)
        if boxes is not None:
            area = min_area_for(boxes, 0.01 if min_area is None else min_area)
            readout = replace(readout, min_area=area, split=boxes == "instances")
        witnesses = _fitting_witnesses(self.sight, method) if self._pipeline.witnesses else ()
        found = copy(self)
        found._pipeline = replace(self._pipeline, readout=readout, witnesses=witnesses)
        return found

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
        """Localize in many images: decoding, the model and the boxes overlap; memory does not grow with their number.

        Args:
            images: Any iterable; it is read a few batches ahead of the results.
            batch_size: Images in one forward pass; where onnxruntime runs it, those that all cores share.
            workers: Threads that decode images and make boxes; where onnxruntime runs the model, each core does all
                of it for some images.
            classes: As for one image.
            top_k: As for one image.
            on_error: Called with the image and the error for each image that cannot be localized, which is then
                left out. None raises the error when its turn comes.

        Yields:
            One localization an image, in their order.

        Raises:
            InputError: If it is given one image instead of several, or a class is not one of the model's.
        """
        if isinstance(images, str | bytes | Path):
            raise InputError(
                "stream takes several images, and this is one.", "Put it into a list, or call the localizer."
            )
        wanted, size = self._wanted(classes, top_k), max(1, batch_size)
        for result in self._pipeline.stream(iter(images), wanted, batch_size=size, workers=max(1, workers)):
            if isinstance(result, Localization):
                yield result
            elif on_error is None:
                raise result.error
            else:
                on_error(result.source, result.error)

    def class_maps(self, images: "Tensor", classes: "Tensor") -> "Tensor":
        """Compute raw class maps of images that are tensors already, as the method was published.

        Args:
            images: Shape (B, 3, H, W), normalised as the model wants them.
            classes: Class indices of shape (B,), or (B, C) for several of each image.

        Returns:
            Class maps of shape (B, h, w) or (B, C, h, w), any sign, not normalised.

        Raises:
            InputError: If the images are no such tensor, there is not one class, or one row of classes, for each, or
                one is out of range.
            ModelError: If the localizer runs a file of ``weakspot export``.
        """
        return self.torch_backend.class_maps(images, classes, self.method)

    def threshold_of(self, method: str) -> float:
        """Where heatmaps are cut if nobody says otherwise; of a method other than the localizer's own, its default."""
        return self.threshold if method == self.method else self.sight.backend.default_threshold(method)

    @property
    def single_pass_methods(self) -> tuple[str, ...]:
        """Names of the methods that need one forward pass of the classifier, the localizer's own before all."""
        return (self.method, *(name for name in self.sight.backend.single_pass_methods() if name != self.method))

    def check(self, method: str) -> None:
        """Refuse a method that does not fit the classifier.

        Raises:
            InputError: If it needs another head or fewer layers, or is not in the file.
        """
        self.sight.backend.check(method)

    def read(
        self, photos: Sequence[Pixels], classes: NDArray[np.integer], methods: Sequence[str]
    ) -> list[ClassifierOutput]:
        """Read the class maps of several methods from one forward pass, for measuring them side by side.

        Args:
            photos: As :meth:`resize` gives them.
            classes: Class indices of shape (B, C).
            methods: Names of the methods.

        Returns:
            For each method the logits and the class maps, as this quality has them.
        """
        return self._pipeline.look_at(photos, methods, Asked(classes))

    def resize(self, image: Image.Image) -> Pixels:
        """Squash a whole RGB image to :attr:`input_size`, bicubic with antialiasing; nothing is cropped."""
        return self._pipeline.resize(image)

    def adapt(self, images: Iterable[ImageSource], *, batch_size: int = 16, seed: int = 0) -> int:
        """Learn from photos what foreground looks like in them; they need no label.

        A small head is fitted to the spread maps of the most probable classes, see
        :func:`weakspot.models.fit_foreground`; a head that was learnt before is given up.

        Args:
            images: Photos of the kind that is to be localized in; a hundred do. The first 1000 that can be read count.
            batch_size: Images in one forward pass.
            seed: Of the head.

        Returns:
            Number of photos that were learnt from: 0 where none could be read, the quality is plain or the classifier
            has no mid-level feature maps.

        Raises:
            ModelError: If the localizer runs a file of ``weakspot export``.
        """
        from weakspot.inference.adaptation import fit_foreground_head

        self.set_foreground_head(None)
        photos = (self._pipeline.decode(source) for source in images)
        frame, backend = self.preprocessing, self.torch_backend
        pixels = (
            backend.resize(photo.pixels, height=frame.height, width=frame.width)
            for photo in photos
            if isinstance(photo, DecodedImage)
        )
        head, learnt_from = fit_foreground_head(backend, self.method, pixels, batch_size=batch_size, seed=seed)
        self.set_foreground_head(head)
        return learnt_from

    @property
    def adapts(self) -> bool:
        """Whether the quality asks to learn from photos first, and nothing was learnt yet."""
        return (
            find_quality(self.quality).adapts and not self.adapted and not isinstance(self.sight.backend, OnnxBackend)
        )

    @property
    def adapted(self) -> bool:
        """Whether a head has learnt what foreground looks like, in training or by :meth:`adapt`."""
        return self.sight.backend.has_foreground_head

    def set_foreground_head(self, head: "ForegroundHead | None") -> None:
        """Take a head that tells foreground from background by the classifier's mid-level features.

        What a run knows of the levels of its classes goes with the head that it had.
        """
        backend = self.torch_backend.with_foreground(head)
        self._pipeline.sight = replace(self.sight, backend=backend, threshold=backend.default_threshold(self.method))

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.readout.method

    @property
    def threshold(self) -> float:
        """Fraction of the heatmap's peak at which to cut."""
        return self.readout.threshold

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each logit."""
        return self.readout.class_names

    @property
    def max_pixels(self) -> int:
        """Larger images are refused before they are decoded."""
        return self._pipeline.max_pixels

    @property
    def sight(self) -> Predictor:
        """The classifier that looks at photos."""
        return self._pipeline.sight

    @property
    def readout(self) -> PostprocessConfig:
        """How its class maps are read."""
        return self._pipeline.readout

    @property
    def input_size(self) -> Preprocessing:
        """The size that photos are squashed to: what the model sees, or larger where it looks into them."""
        return self.sight.input_size

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that are read."""
        return self.sight.backend.layers

    @property
    def model(self) -> "nn.Module":
        """The classifier.

        Raises:
            ModelError: If the localizer runs a file of ``weakspot export``.
        """
        return self.torch_backend.cut.model

    @property
    def device(self) -> "torch.device":
        """Where the classifier is."""
        return self.torch_backend.like.device

    @property
    def backend(self) -> str:
        """What runs the classifier: ``"torch"`` or ``"onnx"``."""
        return self.sight.backend.name

    @property
    def torch_backend(self) -> "TorchBackend":
        """The classifier in PyTorch.

        Raises:
            ModelError: If the localizer runs a file of ``weakspot export``.
        """
        backend = self.sight.backend
        if isinstance(backend, OnnxBackend):
            raise ModelError(
                "A file of weakspot export holds a graph, and no PyTorch model.",
                "Give the model or the run that it was made from.",
            )
        return cast("TorchBackend", backend)

    def _wanted(self, classes: Classes, top_k: int) -> Wanted:
        if classes is None:
            return Wanted(None, check_positive(top_k, "top_k"))
        asked = classes if isinstance(classes, Iterable) and not isinstance(classes, str) else [classes]
        indices = [find_class(one, self.class_names) for one in asked]
        if not indices:
            raise InputError("No class was asked for.", "Name one or more, or leave classes out for the most probable.")
        return Wanted(indices, check_positive(top_k, "top_k"))


def _fitting_witnesses(sight: Predictor, method: str) -> tuple[str, ...]:
    """The method whose maps are compared with another's; none where it does not fit the classifier."""
    witness = reference_method(method)
    try:
        sight.backend.check(witness)
    except InputError:
        return ()
    return (witness,)
