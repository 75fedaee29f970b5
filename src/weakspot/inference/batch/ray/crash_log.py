"""What is remembered of a part in files, since whoever works on it may die."""

import json
from pathlib import Path

from weakspot.io.atomic import atomic_write


class CrashLog:
    """How often a part was begun, and which of its images was begun and not ended.

    Args:
        file: Where it is remembered; a second file lies beside it.

    Attributes:
        times: How often it was begun, from :meth:`begin` on.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._images = file, file.with_name(f"{file.name}.json")
        self.times = 0

    def begin(self) -> None:
        """Count a beginning."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            file.write(b".")
            self.times = file.tell()

    def begin_image(self, image: str) -> int:
        """Remember that an image is begun, and give how often it was before, without an end."""
        begun = self._read()
        self._write(begun | {image: begun.get(image, 0) + 1})
        return begun.get(image, 0)

    def end_image(self, image: str) -> None:
        """Nobody has died of the image."""
        self._write({name: times for name, times in self._read().items() if name != image})

    def forget(self) -> None:
        """The part has come to its end."""
        for file in (self._file, self._images):
            file.unlink(missing_ok=True)

    def _read(self) -> dict[str, int]:
        found: dict[str, int] = json.loads(self._images.read_bytes()) if self._images.exists() else {}
        return found

    def _write(self, begun: dict[str, int]) -> None:
        with atomic_write(self._images) as file:
            file.write(json.dumps(begun).encode())
