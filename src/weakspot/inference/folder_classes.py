"""The class that the folder of an image is named after: compare predictions with it, or look for it in each image."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weakspot.concurrency import batched
from weakspot.errors import InputError
from weakspot.terminal import counted

if TYPE_CHECKING:
    from weakspot.inference.localization import Localization
    from weakspot.inference.localizer import Localizer, OnError

# Words instead of names of classes; a class of that name takes precedence.
FOLDER, PREDICTED = "folder", "predicted"
# Minimum probability for a class of a multi-label model to be present.
_PRESENT = 0.5
# Images are localized in groups of this many batches, and the folder's class of some of them after each group.
_BATCHES = 16


class FolderClasses:
    """The classes of a model by the names of folders.

    Example:
        >>> classes = FolderClasses(["cat", "Great Dane"])
        >>> classes.of(Path("train/cat/1.jpg")), classes.of(Path("great dane/2.jpg")), classes.of(Path("/3.jpg"))
        (0, 1, None)
    """

    def __init__(self, names: Sequence[str]) -> None:
        exact, folded = Counter(names), Counter(name.casefold() for name in names)
        self._exact = {name: i for i, name in enumerate(names) if exact[name] == 1}
        self._folded = {name.casefold(): i for i, name in enumerate(names) if folded[name.casefold()] == 1}

    def of(self, image: str | Path) -> int | None:
        """Return the class with the name of the folder that contains an image, in any case if only one has it."""
        name = Path(os.path.abspath(image)).parent.name
        return self._exact.get(name, self._folded.get(name.casefold()))


@dataclass
class FolderCounts:
    """Counts images by whether their prediction is the class of their folder.

    Attributes:
        classes: The classes by folder.
        multi_label: Whether an image may have several classes, each with a probability of at least 0.5.
        same: Number of images whose prediction is the folder's class.
        different: Number of images with another prediction.
        other: Number of images whose folder is not a class.
    """

    classes: FolderClasses
    multi_label: bool = False
    same: int = 0
    different: int = 0
    other: int = 0

    @classmethod
    def of(cls, localizer: "Localizer") -> "FolderCounts":
        """Return counts of zero for the classes of a localizer."""
        return cls(FolderClasses(localizer.class_names), localizer.config.info.multi_label)

    def add(self, localization: "Localization") -> None:
        """Count an image by its prediction."""
        wanted = self.classes.of(str(localization.image))
        if wanted is None:
            self.other += 1
        elif self.predicts(localization, wanted):
            self.same += 1
        else:
            self.different += 1

    def predicts(self, localization: "Localization", wanted: int) -> bool:
        """Return whether a class is the most probable one; of a multi-label model, whether it is present."""
        if not self.multi_label:
            return localization.class_index == wanted
        return any(item.class_index == wanted and item.score >= _PRESENT for item in localization)

    def notes(self, *, by_folder: bool = False) -> tuple[str, ...]:
        """Return sentences for the user; ``by_folder`` says that the folder's class was localized.

        Example:
            >>> FolderCounts(FolderClasses([]), same=78, different=12, other=10).notes()
            ("12 of 90 predictions differ from the folder's class. 10 images are in other folders.",)
            >>> FolderCounts(FolderClasses([]), other=10).notes()
            ()
        """
        compared = self.same + self.different
        if not compared and not by_folder:
            return ()
        sentences = []
        if compared:
            localized = ", which is localized instead" if by_folder else ""
            sentences += [f"{self.different} of {compared} predictions differ from the folder's class{localized}."]
        if self.other and by_folder:
            what, whose = ("is in a folder", "its") if self.other == 1 else ("are in folders", "their")
            folders = f"{what} that {'is' if self.other == 1 else 'are'} not a class: {whose} most probable class"
            sentences += [f"{counted(self.other, 'image')} {folders} is localized."]
        elif self.other:
            what = "is in another folder" if self.other == 1 else "are in other folders"
            sentences += [f"{counted(self.other, 'image')} {what}."]
        return (" ".join(sentences),) if sentences else ()


@dataclass(frozen=True)
class ClassChoice:
    """What to localize in each image.

    Attributes:
        classes: Names or indices; None for the most probable class.
        by_folder: Whether to localize the class of the image's folder instead.
        notes: Messages for the user.
    """

    classes: tuple[str, ...] | None = None
    by_folder: bool = False
    notes: tuple[str, ...] = ()


def choose_classes(classes: Sequence[str] | None, names: Sequence[str]) -> ClassChoice:
    """Interpret ``--classes``: names, ``folder`` or ``predicted``; a class of such a name takes precedence.

    Args:
        classes: What the user named; None or empty for the default.
        names: Class names of the model; empty if they are unknown.

    Raises:
        InputError: ``options-conflict`` for one of the words together with other classes.

    Example:
        >>> choose_classes(["folder"], ["cat", "dog"]).by_folder, choose_classes(["cat"], ["cat", "dog"]).classes
        (True, ('cat',))
        >>> choose_classes(["folder"], ["folder", "file"]).classes
        ('folder',)
    """
    if not classes:
        return ClassChoice()
    folded = {name.casefold() for name in names}
    words = [word for word in (FOLDER, PREDICTED) if word in classes and word not in folded]
    if words and len(classes) > 1:
        raise InputError("options-conflict", f"--classes {words[0]} cannot be combined with other classes.")
    if words:
        return ClassChoice(by_folder=words == [FOLDER])
    note = f"{FOLDER} is a class of the model, so it is localized in every image, and not the class of its folder."
    return ClassChoice(tuple(classes), notes=(note,) if FOLDER in classes else ())


def localize_choice(
    localizer: "Localizer",
    images: Iterable[Path],
    choice: ClassChoice,
    counts: FolderCounts,
    *,
    top_k: int = 1,
    batch_size: int,
    workers: int,
    on_error: "OnError",
) -> "Iterator[Localization]":
    """Localize the chosen classes in each image.

    Args:
        localizer: The localizer.
        images: Paths.
        choice: The classes.
        counts: Counts the predictions, unless the user named classes.
        top_k: Number of classes if they are predicted.
        batch_size: Images per forward pass.
        workers: Threads that decode images.
        on_error: Called with each image that cannot be localized, and the error.

    Yields:
        One localization per image, in order.
    """
    how: dict[str, Any] = {"batch_size": batch_size, "workers": workers, "on_error": on_error}
    if choice.by_folder:
        yield from _localize_by_folder(localizer, images, counts, how)
        return
    for localization in localizer.stream(images, classes=choice.classes, top_k=top_k, **how):
        if choice.classes is None:
            counts.add(localization)
        yield localization


def _localize_by_folder(
    localizer: "Localizer", images: Iterable[Path], counts: FolderCounts, how: Mapping[str, Any]
) -> "Iterator[Localization]":
    """Localize the class of each image's folder; the most probable class if the folder is not a class.

    Predictions are made first, so that those that differ are counted; only these images take a second forward pass.
    """
    for group in batched(images, _BATCHES * max(1, how["batch_size"])):
        found: dict[str, Localization] = {}
        differing: dict[int, list[Path]] = {}
        for localization in localizer.stream(group, **how):
            counts.add(localization)
            name = str(localization.image)
            wanted = counts.classes.of(name)
            # Classes that are localized together share the pixels, so the folder's class is localized alone.
            if wanted is None or (counts.predicts(localization, wanted) and not localization.others):
                found[name] = localization
            else:
                differing.setdefault(wanted, []).append(Path(name))
        for wanted, paths in differing.items():
            for item in localizer.stream(paths, classes=[wanted], **how):
                found[str(item.image)] = item
        yield from (found[str(path)] for path in group if str(path) in found)
