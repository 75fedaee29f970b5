"""Compute the class maps of a classifier by one or several methods, from as few forward passes as possible."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from weakspot.cams import Method, fuse, gradcam
from weakspot.cams.ablationcam import ablationcam_of_linear
from weakspot.cams.guided_gradcam import max_over_channels
from weakspot.cams.methods import Inputs
from weakspot.errors import InputError, no_such_class
from weakspot.models.affinity import (
    FeatureAffinity,
    concat_features,
    correlation_grid,
    feature_affinity,
    fine_grid,
)
from weakspot.models.guided_backprop import guided_gradients
from weakspot.models.hooked_forward import ForwardPass, forward_head, upcast
from weakspot.models.object_head import ObjectInputs
from weakspot.models.split_classifier import SplitClassifier, check_method


@dataclass(frozen=True)
class ClassMaps:
    """Logits and class maps of a batch of images by one method.

    Attributes:
        logits: Shape (B, number of classes).
        classes: Class indices of shape (B, C).
        maps: Class maps of shape (B, C, h, w), propagated if the classifier has intermediate features.
        evidence: The method's own maps, before they are propagated, shape (B, C, h', w'); those of a position head.
        has_negative_activations: Whether the activations of each image contain negative values, shape (B,).
        foreground: Foreground probability, shape (B, 1, h, w); None without a fitted foreground head.
    """

    logits: Tensor
    classes: Tensor
    maps: Tensor
    evidence: Tensor
    has_negative_activations: Tensor
    foreground: Tensor | None = None


def compute_class_maps(
    classifier: SplitClassifier,
    images: Tensor,
    method: Method,
    *,
    classes: Tensor | None = None,
    top_k: int = 1,
    include_positive: bool = False,
) -> ClassMaps:
    """Run the classifier and compute the maps of some classes of each image.

    Args:
        classifier: The classifier.
        images: Shape (B, 3, H, W), normalized.
        method: The class map method.
        classes: Class indices of shape (B, C); None for the ``top_k`` classes with the largest logits.
        top_k: Number of classes if ``classes`` is None.
        include_positive: Raise ``top_k`` to the largest number of positive logits that any image has.
    """
    (class_maps,) = compute_class_maps_of_methods(
        classifier, images, [method], classes=classes, top_k=top_k, include_positive=include_positive
    )
    return class_maps


def compute_class_maps_of_methods(
    classifier: SplitClassifier,
    images: Tensor,
    methods: Sequence[Method],
    *,
    classes: Tensor | None = None,
    top_k: int = 1,
    include_positive: bool = False,
    rivals: int = 0,
) -> list[ClassMaps]:
    """Compute class maps by several methods from one forward pass; arguments as for :func:`compute_class_maps`.

    Methods that run the classifier on masked images or ablated activations need further passes. After given classes
    follow the ``rivals`` most probable ones of each image.
    """
    for method in methods:
        check_method(classifier, method)
    needs_gradients = any(method.inputs in ("gradients", "image gradients") for method in methods)
    forward_pass = classifier.run(images, differentiable=needs_gradients and classifier.head is None)
    logits = upcast(forward_pass.logits.detach())
    count = max(top_k, int((logits > 0).sum(dim=1).amax())) if include_positive else top_k
    selected = _select_classes(logits, classes, count)
    if classes is not None and rivals:
        selected = torch.cat([selected, _select_classes(logits, None, rivals)], dim=1)
    return derive_class_maps(classifier, images, forward_pass, methods, selected)


def derive_class_maps(
    classifier: SplitClassifier, images: Tensor, forward_pass: ForwardPass, methods: Sequence[Method], classes: Tensor
) -> list[ClassMaps]:
    """Compute class maps by several methods from a completed forward pass.

    Args:
        classifier: The classifier.
        images: Its input, shape (B, 3, H, W).
        forward_pass: The pass over these images.
        methods: The class map methods.
        classes: Class indices of shape (B, C).
    """
    logits = upcast(forward_pass.logits.detach())
    minima = torch.stack([activations.flatten(1).amin(dim=1) for activations in forward_pass.activations])
    has_negative_activations = (minima < 0).any(dim=0)
    with torch.inference_mode(False), torch.no_grad():
        ctx = ForwardContext(classifier, images, forward_pass, classes)
        evidence = [_MAP_FUNCTIONS[method.inputs](method, ctx) for method in methods]
        all_maps = [ctx.propagate(maps) for maps in evidence]
        if ctx.affinity is not None and ctx.affinity.positions is not None:
            evidence = all_maps  # of the position head, which is no propagation of the method's
        foreground = None if ctx.affinity is None else ctx.affinity.foreground
    return [
        ClassMaps(logits, classes, maps, own_maps, has_negative_activations, foreground)
        for maps, own_maps in zip(all_maps, evidence, strict=True)
    ]


def foreground_targets(
    classifier: SplitClassifier, images: Tensor, method: Method, classes: Tensor | None
) -> tuple[Tensor, Tensor] | None:
    """Compute the training data of a foreground head: features, and maps that cover the whole object.

    Args:
        classifier: The classifier.
        images: Shape (B, 3, H, W), normalized.
        method: The class map method.
        classes: Class indices of shape (B, C); None for the most probable class of each image.

    Returns:
        Features (B, K, h, w) of all intermediate maps, and maps (B, C, h, w) in [0, 1]; None if the classifier has no
        intermediate features.
    """
    forward_pass = classifier.run(images, differentiable=classifier.head is None)
    features = forward_pass.intermediates
    if not features:
        return None
    ctx = ForwardContext(classifier, images, forward_pass, _select_classes(forward_pass.logits.detach(), classes, 1))
    with torch.inference_mode(False), torch.no_grad():
        maps = feature_affinity(features, None).propagate_twice(_MAP_FUNCTIONS[method.inputs](method, ctx))
    return concat_features(features, correlation_grid(features)), maps


def object_inputs(classifier: SplitClassifier, images: Tensor, method: Method, classes: Tensor) -> ObjectInputs | None:
    """Compute the inputs of an object head.

    Args:
        classifier: The classifier, with a foreground head.
        images: Shape (B, 3, H, W), normalized.
        method: The class map method.
        classes: Class indices of shape (B, C).

    Returns:
        None without intermediate features or foreground head.
    """
    forward_pass = classifier.run(images, differentiable=classifier.head is None)
    features = forward_pass.intermediates
    if not features or classifier.foreground is None:
        return None
    ctx = ForwardContext(classifier, images, forward_pass, _select_classes(forward_pass.logits.detach(), classes, 1))
    with torch.inference_mode(False), torch.no_grad():
        own_maps = _MAP_FUNCTIONS[method.inputs](method, ctx)
        affinity = replace(feature_affinity(features, classifier.foreground), objects=None, positions=None)
        fine_features = concat_features(features, fine_grid(affinity.grid))
        affinity = replace(affinity, fine_features=fine_features)
        propagated = affinity.propagate(own_maps)
        return ObjectInputs(fine_features, affinity.object_inputs(own_maps, propagated), propagated, own_maps)


@dataclass(frozen=True)
class ForwardContext:
    """One forward pass and what the methods derive from it, computed once."""

    classifier: SplitClassifier
    images: Tensor
    forward_pass: ForwardPass
    classes: Tensor

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """Activations of each layer."""
        return self.forward_pass.activations

    @cached_property
    def gradients(self) -> tuple[Tensor, ...]:
        """Gradients with respect to each layer; in closed form if the head is pooling + linear."""
        if self.classifier.head is not None:
            return (self.classifier.head.gradients(self.classes, self.activations[0]),)
        return self.forward_pass.gradients(self.classes)

    @cached_property
    def affinity(self) -> FeatureAffinity | None:
        """Affinity by intermediate features; None if they are not used, or the images are too small for any."""
        features = self.forward_pass.intermediates
        return feature_affinity(features, self.classifier.foreground) if features else None

    def propagate(self, maps: Tensor) -> Tensor:
        """Propagate class maps (B, C, h, w) along the intermediate features."""
        return maps if self.affinity is None else self.affinity.propagate(maps, self.classes)


def _from_weights(method: Method, ctx: ForwardContext) -> Tensor:
    assert ctx.classifier.head is not None
    (activations,) = ctx.activations
    return method.function(activations, ctx.classifier.head.class_weights(ctx.classes, activations))


def _from_gradients(method: Method, ctx: ForwardContext) -> Tensor:
    pairs = zip(ctx.activations, ctx.gradients, strict=True)
    return fuse([method.function(activations, gradients) for activations, gradients in pairs])


def _from_activations(method: Method, ctx: ForwardContext) -> Tensor:
    maps = fuse([method.function(activations)[:, None] for activations in ctx.activations])
    return maps.expand(-1, ctx.classes.shape[1], -1, -1)


def _from_masked_images(method: Method, ctx: ForwardContext) -> Tensor:
    def classify(masked: Tensor) -> Tensor:
        return ctx.classifier.run(masked).logits

    return fuse(
        [
            method.function(activations, ctx.images, ctx.classes, classify, channels=ctx.classifier.channels)
            for activations in ctx.activations
        ]
    )


def _from_ablations(method: Method, ctx: ForwardContext) -> Tensor:
    classifier = ctx.classifier
    if classifier.head is not None:
        (activations,) = ctx.activations
        logits = upcast(ctx.forward_pass.logits.detach()).gather(1, ctx.classes)
        return ablationcam_of_linear(activations, classifier.head.class_weights(ctx.classes, activations), logits)

    def maps_of_image(i: int) -> Tensor:
        image, forward_pass = ctx.images[i : i + 1], ctx.forward_pass.select_image(i)

        def head(activations: Tensor) -> Tensor:
            return upcast(forward_head(classifier.model, classifier.layers[0], image, forward_pass, activations))

        return method.function(forward_pass.activations[0], upcast(forward_pass.logits), ctx.classes[i : i + 1], head)

    return torch.cat([maps_of_image(i) for i in range(len(ctx.images))])


def _from_image_gradients(method: Method, ctx: ForwardContext) -> Tensor:
    guided = guided_gradients(ctx.classifier.model, ctx.images, ctx.classes)  # (B, C, 3, H, W)
    (activations,), (gradients,) = ctx.activations, ctx.gradients
    grad_cams = gradcam(activations, gradients)  # (B, C, h, w)
    per_class = zip(grad_cams.unbind(1), guided.unbind(1), strict=True)
    return torch.stack([max_over_channels(method.function(maps, pixels)) for maps, pixels in per_class], dim=1)


def _from_branches(method: Method, ctx: ForwardContext) -> Tensor:
    def select(maps: Tensor) -> Tensor:  # (B, classes, h, w), or (B, 1, h, w) for all classes
        return maps if maps.shape[1] == 1 else maps[torch.arange(maps.shape[0])[:, None], ctx.classes]

    fused = method.function(*(select(maps) for maps in ctx.activations))
    return fused.expand(-1, ctx.classes.shape[1], -1, -1)  # one map may be shared by all classes


_MAP_FUNCTIONS: dict[Inputs, Callable[[Method, ForwardContext], Tensor]] = {
    "weights": _from_weights,
    "gradients": _from_gradients,
    "activations": _from_activations,
    "masked images": _from_masked_images,
    "ablated activations": _from_ablations,
    "image gradients": _from_image_gradients,
    "branches": _from_branches,
}


def _select_classes(logits: Tensor, classes: Tensor | None, top_k: int) -> Tensor:
    if classes is None:
        return logits.topk(min(top_k, logits.shape[1]), dim=1).indices
    if classes.dim() != 2 or len(classes) != len(logits):
        problem = f"classes must be of shape ({len(logits)}, C), one row per image, got {tuple(classes.shape)}."
        raise InputError("shape-mismatch", problem)
    outside = classes[(classes < 0) | (classes >= logits.shape[1])]
    if len(outside):
        raise no_such_class(int(outside[0]), logits.shape[1])
    return classes.to(logits.device)
