"""Apply a method to a classifier: images in, logits and class maps out, in one forward pass where that is enough."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from weakspot.cams import Method, fuse, gradcam
from weakspot.cams.ablationcam import ablationcam_of_linear
from weakspot.cams.guided_gradcam import max_over_channels
from weakspot.cams.methods import Inputs
from weakspot.errors import InputError, no_such_class
from weakspot.models.affinity import FeatureAffinity, concat_features, correlation_grid, feature_affinity
from weakspot.models.guided_backprop import guided_gradients
from weakspot.models.hooked_forward import ForwardPass, forward_head, full_precision
from weakspot.models.split_classifier import SplitClassifier, check_method


@dataclass(frozen=True)
class ClassMaps:
    """What :func:`compute_class_maps` gives.

    Attributes:
        logits: Shape (B, number of classes).
        classes: Class indices of shape (B, C).
        maps: Raw class maps of shape (B, C, h, w).
        signed: Whether the activations of each image had negative values, shape (B,).
        foreground: Probability that something stands there, shape (B, 1, h, w); None where no head has learnt it.
    """

    logits: Tensor
    classes: Tensor
    maps: Tensor
    signed: Tensor
    foreground: Tensor | None = None


def compute_class_maps(
    cut: SplitClassifier,
    images: Tensor,
    method: Method,
    *,
    classes: Tensor | None = None,
    top_k: int = 1,
    present: bool = False,
) -> ClassMaps:
    """Run the classifier and read the class maps of some classes of each image.

    Args:
        cut: The classifier.
        images: Shape (B, 3, H, W), normalised.
        method: How to read.
        classes: Class indices of shape (B, C); None for the ``top_k`` with the greatest logits.
        top_k: How many classes when ``classes`` is None.
        present: Then also take as many as the image with most logits above 0 has.

    Raises:
        InputError: If the method needs another head or fewer layers, or a class index is out of range.
    """
    (found,) = compute_class_maps_of_methods(cut, images, [method], classes=classes, top_k=top_k, present=present)
    return found


def compute_class_maps_of_methods(
    cut: SplitClassifier,
    images: Tensor,
    methods: Sequence[Method],
    *,
    classes: Tensor | None = None,
    top_k: int = 1,
    present: bool = False,
) -> list[ClassMaps]:
    """Read the class maps of several methods from one forward pass; arguments as for :func:`compute_class_maps`.

    Those methods that run the classifier again, on masked images or ablated activations, do so beside it.
    """
    for method in methods:
        check_method(cut, method)
    gradients = any(method.inputs in ("gradients", "image gradients") for method in methods)
    reading = cut.run(images, differentiable=gradients and cut.head is None)
    logits = full_precision(reading.logits.detach())
    chosen = _chosen(logits, classes, max(top_k, int((logits > 0).sum(dim=1).amax())) if present else top_k)
    return read_maps(cut, images, reading, methods, chosen)


def read_maps(
    cut: SplitClassifier, images: Tensor, reading: ForwardPass, methods: Sequence[Method], classes: Tensor
) -> list[ClassMaps]:
    """Read the class maps of several methods out of a forward pass that was made.

    Args:
        cut: The classifier.
        images: What it was given, shape (B, 3, H, W).
        reading: What came of it.
        methods: How to read.
        classes: Class indices of shape (B, C).
    """
    logits = full_precision(reading.logits.detach())
    signed = torch.stack([activations.flatten(1).amin(dim=1) < 0 for activations in reading.activations]).any(dim=0)
    with torch.inference_mode(False), torch.no_grad():
        once = ForwardContext(cut, images, reading, classes)
        maps = [once.spread(_READERS[method.inputs](method, once)) for method in methods]
        foreground = None if once.surfaces is None else once.surfaces.foreground
    return [ClassMaps(logits, classes, one, signed, foreground) for one in maps]


def foreground_targets(
    cut: SplitClassifier, images: Tensor, method: Method, classes: Tensor | None
) -> tuple[Tensor, Tensor] | None:
    """Read what a foreground head learns from: the features of all levels, and maps that hold the whole object.

    Args:
        cut: The classifier.
        images: Shape (B, 3, H, W), normalised.
        method: How to read class maps.
        classes: Class indices of shape (B, C); None for the most probable of each image.

    Returns:
        Features (B, K, h, w), and maps (B, C, h, w) in [0, 1]; None where the classifier has no levels.

    Raises:
        InputError: As :func:`compute_class_maps`.
    """
    reading = cut.run(images, differentiable=cut.head is None)
    if not reading.levels:
        return None
    once = ForwardContext(cut, images, reading, _chosen(reading.logits.detach(), classes, 1))
    with torch.inference_mode(False), torch.no_grad():
        covering = feature_affinity(reading.levels, None).cover(_READERS[method.inputs](method, once))
    return concat_features(reading.levels, correlation_grid(reading.levels)), covering


@dataclass(frozen=True)
class ForwardContext:
    """One forward pass, and what all methods read from it."""

    cut: SplitClassifier
    images: Tensor
    reading: ForwardPass
    classes: Tensor

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """The activations of each layer."""
        return self.reading.activations

    @cached_property
    def gradients(self) -> tuple[Tensor, ...]:
        """The gradients for each layer: in closed form where the head is pooling + linear."""
        if self.cut.head is not None:
            return (self.cut.head.gradients(self.classes, self.activations[0]),)
        return self.reading.gradients(self.classes)

    @cached_property
    def surfaces(self) -> FeatureAffinity | None:
        """What mid-level features tell; None where they are not to be asked, or the images are too small for any."""
        return feature_affinity(self.reading.levels, self.cut.foreground) if self.reading.levels else None

    def spread(self, maps: Tensor) -> Tensor:
        """Spread class maps (B, C, h, w) along mid-level features."""
        return maps if self.surfaces is None else self.surfaces.spread(maps)


def _from_weights(method: Method, once: ForwardContext) -> Tensor:
    assert once.cut.head is not None
    (activations,) = once.activations
    return method.function(activations, once.cut.head.rows(once.classes, activations))


def _from_gradients(method: Method, once: ForwardContext) -> Tensor:
    pairs = zip(once.activations, once.gradients, strict=True)
    return fuse([method.function(activations, gradients) for activations, gradients in pairs])


def _from_activations(method: Method, once: ForwardContext) -> Tensor:
    maps = fuse([method.function(activations)[:, None] for activations in once.activations])
    return maps.expand(-1, once.classes.shape[1], -1, -1)


def _from_masked_images(method: Method, once: ForwardContext) -> Tensor:
    def classify(masked: Tensor) -> Tensor:
        return once.cut.run(masked).logits

    return fuse(
        [
            method.function(activations, once.images, once.classes, classify, channels=once.cut.channels)
            for activations in once.activations
        ]
    )


def _from_ablations(method: Method, once: ForwardContext) -> Tensor:
    if once.cut.head is not None:
        (activations,) = once.activations
        logits = full_precision(once.reading.logits.detach()).gather(1, once.classes)
        return ablationcam_of_linear(activations, once.cut.head.rows(once.classes, activations), logits)

    def of_image(i: int) -> Tensor:
        image, one = once.images[i : i + 1], once.reading.of_image(i)

        def head(activations: Tensor) -> Tensor:
            return full_precision(forward_head(once.cut.model, once.cut.layers[0], image, one, activations))

        return method.function(one.activations[0], full_precision(one.logits), once.classes[i : i + 1], head)

    return torch.cat([of_image(i) for i in range(len(once.images))])


def _from_image_gradients(method: Method, once: ForwardContext) -> Tensor:
    guided = guided_gradients(once.cut.model, once.images, once.classes)  # (B, C, 3, H, W)
    (activations,), (gradients,) = once.activations, once.gradients
    grad_cams = gradcam(activations, gradients)  # (B, C, h, w)
    by_class = zip(grad_cams.unbind(1), guided.unbind(1), strict=True)
    return torch.stack([max_over_channels(method.function(maps, pixels)) for maps, pixels in by_class], dim=1)


def _from_branches(method: Method, once: ForwardContext) -> Tensor:
    def of_classes(maps: Tensor) -> Tensor:  # (B, classes, h, w), or (B, 1, h, w) that all classes share
        return maps if maps.shape[1] == 1 else maps[torch.arange(maps.shape[0])[:, None], once.classes]

    found = method.function(*(of_classes(maps) for maps in once.activations))
    return found.expand(-1, once.classes.shape[1], -1, -1)  # one map may be that of all classes


_READERS: dict[Inputs, Callable[[Method, ForwardContext], Tensor]] = {
    "weights": _from_weights,
    "gradients": _from_gradients,
    "activations": _from_activations,
    "masked images": _from_masked_images,
    "ablated activations": _from_ablations,
    "image gradients": _from_image_gradients,
    "branches": _from_branches,
}


def _chosen(logits: Tensor, classes: Tensor | None, top_k: int) -> Tensor:
    if classes is None:
        return logits.topk(min(top_k, logits.shape[1]), dim=1).indices
    if classes.dim() != 2 or len(classes) != len(logits):
        raise InputError(
            f"Classes of shape {tuple(classes.shape)} do not belong to {len(logits)} images.",
            "Give one class index, or one row of them, for each image.",
        )
    outside = classes[(classes < 0) | (classes >= logits.shape[1])]
    if len(outside):
        raise no_such_class(int(outside[0]), logits.shape[1])
    return classes.to(logits.device)
