"""A classifier that onnxruntime runs, from one file of ``weakspot export``: torch is not needed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError, no_such_class
from weakspot.inference.backends.base import Asked, ClassifierOutput, LoadedModel, Pixels
from weakspot.inference.backends.onnx_metadata import (
    CHOSEN,
    CLASSES,
    FOREGROUND,
    IMAGES,
    LOGITS,
    MAPS,
    SIGNED,
    WITNESS,
    OnnxMetadata,
    from_metadata,
)
from weakspot.inference.backends.onnx_session import Session
from weakspot.inference.class_names import choose_class_names
from weakspot.inference.options import LocalizerOptions
from weakspot.inference.quality import find_quality

# Options that a graph has built in: they can be chosen only if the model is loaded in PyTorch.
_BUILT_IN = ("layer", "mean", "std", "input_size", "weights", "output_stride", "channels")
# So many classes of a model of several labels are read at once.
_PRESENT = 8


@dataclass(frozen=True, eq=False)
class OnnxBackend:
    """A classifier in onnxruntime.

    Attributes:
        session: The file, loaded.
        graph: What the file says of itself.
    """

    session: Session
    graph: OnnxMetadata
    name: ClassVar[str] = "onnx"

    @property
    def frame(self) -> Preprocessing:
        """What it wants of its images."""
        return self.graph.preprocessing

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that are read."""
        return self.graph.layers

    @property
    def has_foreground_head(self) -> bool:
        """Whether a head has learnt what foreground looks like."""
        return self.graph.foreground

    def resize(self, pixels: Pixels, *, height: int, width: int) -> Pixels:
        """Squash pixels to a size with Pillow."""
        if pixels.shape[:2] == (height, width):
            return pixels
        grey = pixels.shape[2] == 1
        image = Image.fromarray(pixels[..., 0] if grey else pixels)
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)).reshape(height, width, -1)

    def run(self, photos: Sequence[Pixels], methods: Sequence[str], asked: Asked) -> list[ClassifierOutput]:
        """See photos of the size in :attr:`frame` by each of some methods, in one forward pass."""
        for method in methods:
            self.check(method)
        images = np.stack(photos)
        if asked.classes is not None:
            return self._seen(images, methods, _checked(asked.classes, len(self.graph.class_names)))
        count = max(asked.top_k, _PRESENT) if asked.present else asked.top_k
        found = self._seen(images, methods, self._most_probable(count, len(photos)))
        wanted = max(asked.top_k, int((found[0].logits > 0).sum(axis=1).max())) if asked.present else asked.top_k
        if wanted > count:
            found = self._seen(images, methods, self._most_probable(wanted, len(photos)))
        return [replace(one, classes=one.classes[:, :wanted], maps=one.maps[:, :wanted]) for one in found]

    def check(self, method: str) -> None:
        """Refuse a method that the file does not hold."""
        if method not in (self.graph.method, self.graph.witness):
            raise InputError(
                f"The file holds the class maps of {self.graph.method}, not of {method!r}.",
                f"Export them: weakspot export {self.graph.source} --method {method} -o other.onnx",
            )

    def default_threshold(self, method: str) -> float:
        """Where heatmaps are cut if nothing else is known: the file's own threshold was found for its first method."""
        return self.graph.threshold if method == self.graph.method else self.graph.crop_threshold

    def single_pass_methods(self) -> tuple[str, ...]:
        """Names of the methods whose maps the file holds."""
        return tuple(name for name in (self.graph.method, self.graph.witness) if name)

    def single_threaded(self) -> "OnnxBackend":
        """The same for several threads that each run a batch of their own."""
        return replace(self, session=self.session.single_threaded)

    def _most_probable(self, count: int, photos: int) -> NDArray[np.int64]:
        """The graph's way of asking for the most probable classes: -1 is the first, -2 the second."""
        row = -1 - np.arange(min(count, len(self.graph.class_names)), dtype=np.int64)
        return np.tile(row, (photos, 1))

    def _seen(
        self, images: NDArray[np.uint8], methods: Sequence[str], classes: NDArray[np.int64]
    ) -> list[ClassifierOutput]:
        found: dict[str, Any] = self.session.run({IMAGES: images, CLASSES: classes})
        maps = {self.graph.witness: found.get(WITNESS), self.graph.method: found[MAPS]}
        return [
            ClassifierOutput(found[LOGITS], found[CHOSEN], maps[method], found[SIGNED], found.get(FOREGROUND))
            for method in methods
        ]


def load_onnx(path: Path, options: LocalizerOptions) -> LoadedModel:
    """Load a file of ``weakspot export``.

    Args:
        path: The file.
        options: Options; only ``method``, ``quality``, ``class_names`` and those of the postprocessing may be set.

    Raises:
        InputError: If an option does not fit the file.
        ModelError: If the file does not exist or was not written by ``weakspot export``, or ONNX Runtime is missing.
    """
    if options.backend == "torch":
        raise InputError(f"{path} is a graph, which PyTorch cannot run.", "Leave the backend out, or take onnx.")
    defaults = LocalizerOptions()
    changed = [name for name in _BUILT_IN if getattr(options, name) != getattr(defaults, name)]
    if changed:
        raise InputError(f"{path} has its own {changed[0]}.", "Leave it out, or export the model again with it.")
    if options.device not in ("auto", "cpu"):
        raise InputError(f"{path} is run on the CPU, not on {options.device!r}.", "Leave the device out.")
    if not path.is_file():
        raise ModelError(f"{path} does not exist.", "Check the path, or make it with: weakspot export MODEL -o FILE")
    session = Session(path)
    graph = _graph_of(session, path)
    found = OnnxBackend(session, graph)
    method = options.method or graph.method
    found.check(method)
    quality = _quality(options.quality or graph.quality, graph, path)
    looks = find_quality(quality) if graph.views else replace(find_quality(quality), zooms=())
    return LoadedModel(
        found,
        method,
        quality,
        looks,
        found.default_threshold(method),
        graph.crop_threshold,
        choose_class_names(options.class_names, graph.class_names, len(graph.class_names)),
        graph.multi_label,
        graph.background,
        graph.drawn,
    )


def _graph_of(session: Session, path: Path) -> OnnxMetadata:
    try:
        return from_metadata(session.metadata)
    except (KeyError, ValueError, TypeError, InputError) as error:
        raise ModelError(
            f"{path} was not written by weakspot export: it does not say how it is to be read.",
            "Make it with: weakspot export MODEL -o FILE",
        ) from error


def _quality(wanted: str, graph: OnnxMetadata, path: Path) -> str:
    """Qualities that spread maps are one graph, plain is another."""
    if find_quality(wanted).spread != find_quality(graph.quality).spread:
        raise InputError(
            f"{path} was exported in quality {graph.quality}, not {wanted}.",
            f"Export it again: weakspot export {graph.source} --quality {wanted} -o other.onnx",
        )
    return wanted


def _checked(classes: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    outside = classes[(classes < 0) | (classes >= count)]
    if outside.size:
        raise no_such_class(int(outside.flat[0]), count)
    return classes.astype(np.int64)
