"""What the page and the API ask: one model that many have in common."""

from collections.abc import Sequence
from typing import Protocol

from weakspot.inference.localization import Localization


class LocalizerProtocol(Protocol):
    """A localizer that many ask at once."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One for each class."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that fit the model, its own first."""

    @property
    def max_pixels(self) -> int:
        """Larger images are refused before they are decoded."""

    def localize(
        self, image: bytes, *, method: str, classes: Sequence[int | str] | None = None, top_k: int = 1
    ) -> Localization:
        """Localize in one image, with others that are asked for at the same time; this waits for the result.

        Args:
            image: The bytes of an image file.
            method: One of :attr:`methods`.
            classes: Indices or names of the classes to look for; None takes the ``top_k`` most probable.
            top_k: How many classes when ``classes`` is None.

        Raises:
            WeakspotError: If it cannot be localized; or too many are waiting, or it took too long.
        """
