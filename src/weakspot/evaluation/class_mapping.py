"""Map the classes of a data set to the logits of a classifier."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

from weakspot.data import Annotation, Dataset
from weakspot.evaluation.samples import is_background, raise_if_any


def class_indices(dataset: Dataset, model_names: Sequence[str]) -> Callable[[Annotation], int]:
    """Return a function that finds the logit of an annotation's class.

    A class index in the data set takes precedence, then the class name, then its WordNet id if the classifier has the
    classes of ImageNet. If the classes of the classifier are only numbered, and as many as those of the data set, they
    are matched in alphabetical order, as torchvision's ``ImageFolder`` numbers them. The label of images without an
    object need not be a class of the classifier.

    Raises:
        InputError: ``unknown-class`` if the classifier lacks a class of an image.
    """
    annotations = [annotation for sample in dataset.samples for annotation in sample.annotations]
    by_label = _by_label(dataset.class_names, model_names)

    def index_of(annotation: Annotation) -> int | None:
        index = by_label.get(annotation.label) if annotation.class_index is None else annotation.class_index
        return None if index is None or not 0 <= index < len(model_names) else index

    unknown = dict.fromkeys(annotation.label for annotation in annotations if index_of(annotation) is None)
    located = {annotation.label for annotation in annotations if len(annotation.boxes) or annotation.masks}
    unknown = {label: None for label in unknown if label in located or not is_background(label, dataset)}
    raise_if_any(
        list(unknown),
        "unknown-class",
        f"classes of {dataset.root} are not classes of the model",
        "Use a model that was trained on these classes, and name its classes in order with --class-names FILE.",
    )
    return lambda annotation: cast("int", index_of(annotation))


def _by_label(labels: Sequence[str], model_names: Sequence[str]) -> dict[str, int]:
    by_name = _by_name(model_names)
    matches = {label: by_name.get(label, by_name.get(label.casefold())) for label in labels}
    indices = {label: index for label, index in matches.items() if index is not None}
    numbered = list(model_names) == [str(i) for i in range(len(model_names))]
    alphabetical = numbered and len(indices) < len(labels) == len(model_names)
    return {label: i for i, label in enumerate(labels)} if alphabetical else indices


def _by_name(model_names: Sequence[str]) -> dict[str, int]:
    """Map names, lower-case names and, for the 1000 classes of ImageNet, WordNet ids to class indices."""
    folded_counts, counts = Counter(name.casefold() for name in model_names), Counter(model_names)
    names = {name.casefold(): i for i, name in enumerate(model_names) if folded_counts[name.casefold()] == 1}
    names |= {name: i for i, name in enumerate(model_names) if counts[name] == 1}
    if len(model_names) != 1000:
        return names
    from weakspot.models import imagenet_names  # imports torch

    if tuple(model_names) != imagenet_names():
        return names
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    return names | {info.index_to_label_name(i): i for i in range(1000)}
