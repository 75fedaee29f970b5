"""In which order images are offered for review: by uncertainty, spread over classes and unlike one another; at random.

Both orders are functions of the predictions and of the images alone, so they are the same after a restart.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from weakspot.data.dataset import Sample
from weakspot.labels.review_order import most_uncertain_first

# An image is unlike the last few that were offered; the next one is among the few most uncertain ones of each class.
_LAST, _OF_CLASS, _LEAST = 6, 4, 12
_ALIKE = 0.06  # mean difference of colors and boxes, as fractions, up to which images are alike

Descriptor = NDArray[np.float64]


def offer_order(samples: Iterable[Sample], describe: Callable[[Sample], Descriptor]) -> Iterator[Sample]:
    """Yield images in the order in which they are offered by uncertainty.

    The next image is one of the most uncertain ones, four times as many as there are classes. The classes take turns,
    as often as they have images among them. An image that is much like one of the last six waits, unless all are.

    Args:
        samples: Images with predicted objects; the class of an image is that of its first object.
        describe: Returns the :func:`descriptor` of an image; it is called for an image once its turn comes.
    """
    waiting = deque(most_uncertain_first(samples))
    size = max(_LEAST, _OF_CLASS * len({_class(sample) for sample in waiting}))
    nearest: list[Sample] = []
    known: dict[str, Descriptor] = {}
    credit: Counter[str] = Counter()
    last: deque[Descriptor] = deque(maxlen=_LAST)
    while waiting or nearest:
        while waiting and len(nearest) < size:
            nearest.append(waiting.popleft())
        credit.update(map(_class, nearest))
        turns = sorted(range(len(nearest)), key=lambda i: -credit[_class(nearest[i])])  # the most uncertain first
        chosen = turns[0]
        for i in turns:
            name = nearest[i].image_id
            if name not in known:
                known[name] = describe(nearest[i])
            if not any(is_alike(known[name], other) for other in last):
                chosen = i
                break
        credit[_class(nearest[chosen])] -= len(nearest)
        sample = nearest.pop(chosen)
        last.append(known.pop(sample.image_id))
        yield sample


def _class(sample: Sample) -> str:
    return sample.objects[0].label if sample.objects else ""


def descriptor(colors: NDArray[np.float64], boxes: Sequence[Sequence[float]], size: tuple[int, int]) -> Descriptor:
    """Describe an image by colors of a small copy of it, and by place, size and shape of its first box.

    Args:
        colors: Shape (h, w, 3), in [0, 1].
        boxes: Its boxes, ``[x1, y1, x2, y2]`` in pixels.
        size: ``(height, width)`` in pixels.
    """
    height, width = size
    x1, y1, x2, y2 = boxes[0] if boxes else (0, 0, 0, 0)
    box = np.array([x1 / width, y1 / height, x2 / width, y2 / height])
    return np.concatenate([box, colors.ravel()])


def is_alike(one: Descriptor, other: Descriptor) -> bool:
    """Return whether both the boxes and the colors of two images hardly differ.

    Example:
        >>> gray = np.full((4, 4, 3), 0.5)
        >>> image, next_frame, elsewhere = (
        ...     descriptor(gray + noise, [[x, 10, x + 30, 50]], (100, 100))
        ...     for noise, x in ((0, 20), (0.02, 22), (0.02, 60))
        ... )
        >>> is_alike(image, next_frame), is_alike(image, elsewhere)
        (True, False)
    """
    difference = np.abs(one - other)
    return bool(difference[:4].mean() <= _ALIKE and difference[4:].mean() <= _ALIKE)


def random_order(names: Iterable[str], seed: str) -> list[str]:
    """Return names in a random order that depends on the seed and on nothing else: a name keeps its place if others go.

    Example:
        >>> order = random_order("abcdef", "1")
        >>> random_order("abdef", "1") == [name for name in order if name != "c"]
        True
    """
    return sorted(names, key=lambda name: blake2b(f"{seed}/{name}".encode(errors="surrogateescape")).digest())
