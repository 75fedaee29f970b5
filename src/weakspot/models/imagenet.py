"""The names of ImageNet's classes."""

from functools import cache

from timm.data.imagenet_info import ImageNetInfo


@cache
def imagenet_names() -> tuple[str, ...]:
    """The 1000 ImageNet class names in the order of the logits, the first word of each synset.

    Two pairs of classes share a name (crane, maillot); those carry their position in brackets.

    Example:
        >>> imagenet_names()[285], imagenet_names()[134]
        ('Egyptian cat', 'crane (134)')
    """
    info = ImageNetInfo()
    names = [info.index_to_description(number).split(",")[0] for number in range(1000)]
    return tuple(f"{name} ({i})" if names.count(name) > 1 else name for i, name in enumerate(names))
