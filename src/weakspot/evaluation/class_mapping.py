"""Which of a classifier's logits stands for which class of a data set."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

from weakspot.data import Annotation, Dataset
from weakspot.evaluation.samples import refuse
from weakspot.models import imagenet_names


def class_indices(dataset: Dataset, model_names: Sequence[str]) -> Callable[[Annotation], int]:
    """Find each class of a data set among a classifier's.

    By the index that the data set gives; else by name, or WordNet id for a classifier of ImageNet; else, where the
    classifier's classes are only numbered and as many as the data set's, in the order of the names, as torchvision's
    ``ImageFolder`` numbers them.

    Returns:
        A function that gives the index of a truth's class.

    Raises:
        InputError: If a class that images have is not one of the classifier's.

    Example:
        >>> from pathlib import Path
        >>> from weakspot.data import Sample
        >>> cat = Sample("a", Path("a.jpg"), truths=(Annotation("cat"),))
        >>> photos = Dataset(Path("photos"), "folders", ("cat", "dog"), (cat,))
        >>> class_indices(photos, ["Dog", "horse", "Cat"])(cat.annotations[0])
        2
    """
    truths = [truth for example in dataset.samples for truth in example.annotations]
    by_label = _by_label(dataset.class_names, model_names)

    def index_of(truth: Annotation) -> int | None:
        index = by_label.get(truth.label) if truth.class_index is None else truth.class_index
        return None if index is None or not 0 <= index < len(model_names) else index

    unknown = dict.fromkeys(truth.label for truth in truths if index_of(truth) is None)
    refuse(
        list(unknown),
        f"classes of {dataset.root} are not the model's",
        "Take a model that was trained on these classes, and name its classes in order with --class-names FILE.",
    )
    return lambda truth: cast("int", index_of(truth))


def _by_label(labels: Sequence[str], model_names: Sequence[str]) -> dict[str, int]:
    known = _by_name(model_names)
    near = {label: known.get(label, known.get(label.casefold())) for label in labels}
    found = {label: index for label, index in near.items() if index is not None}
    numbered = list(model_names) == [str(i) for i in range(len(model_names))]
    alphabetical = numbered and len(found) < len(labels) == len(model_names)
    return {label: i for i, label in enumerate(labels)} if alphabetical else found


def _by_name(model_names: Sequence[str]) -> dict[str, int]:
    """Index by name, as it is and in lower case, and by WordNet id for a classifier of ImageNet's 1000 classes."""
    near, spelled = Counter(name.casefold() for name in model_names), Counter(model_names)
    names = {name.casefold(): i for i, name in enumerate(model_names) if near[name.casefold()] == 1}
    names |= {name: i for i, name in enumerate(model_names) if spelled[name] == 1}
    return names | (_wordnet_ids() if tuple(model_names) == imagenet_names() else {})


def _wordnet_ids() -> dict[str, int]:
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    return {info.index_to_label_name(i): i for i in range(1000)}
