"""What a file of ``weakspot export`` says of itself, in its metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_type_hints

from weakspot.data import Preprocessing
from weakspot.inference.quality import find_quality

KEY = "weakspot"
SUFFIX = ".onnx"
# Names of the graph's inputs and outputs.
IMAGES, CLASSES = "images", "classes"
LOGITS, CHOSEN, MAPS, SIGNED, FOREGROUND, WITNESS = (
    "logits",
    "chosen",
    "maps",
    "signed",
    "foreground",
    "witness",
)


@dataclass(frozen=True)
class OnnxMetadata:
    """A classifier and its class maps as one graph.

    Attributes:
        version: Of weakspot.
        source: Name of the model or the run that it was made from.
        method: Name of the method of its class maps.
        witness: Name of the method whose maps are compared with these for doubt; empty where there is none.
        quality: Name of the quality.
        views: Whether it may look into its photos: not where a foreground head has learnt from a whole training set.
        threshold: Where heatmaps are cut, a fraction of the peak.
        view_threshold: Where they are cut for the boxes that are looked into.
        class_names: One for each logit.
        preprocessing: What it wants of its images; normalisation is part of the graph.
        multi_label: Whether each class is present or not, for itself.
        background: Index of the class of images that hold no object, or None.
        layers: Names of the layers that were read.
        foreground: Whether a foreground head is in it.
        drawn: Whether its maps are drawn around boxes, which leaves nothing to doubt.
        int8: Whether its convolutions compute with 8-bit integers.
    """

    version: str
    source: str
    method: str
    witness: str
    quality: str
    views: bool
    threshold: float
    crop_threshold: float
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    multi_label: bool
    background: int | None
    layers: tuple[str, ...]
    foreground: bool
    drawn: bool = False
    int8: bool = False

    def to_metadata(self) -> dict[str, str]:
        """Give it as the metadata of an ONNX file."""
        return {KEY: json.dumps(asdict(self), ensure_ascii=False)}


def from_metadata(metadata: Mapping[str, str]) -> OnnxMetadata:
    """Read it again.

    Raises:
        KeyError: If the metadata are not weakspot's.
        ValueError: If something in them cannot be.
        TypeError: Likewise.
    """
    told: dict[str, Any] = json.loads(metadata[KEY])
    frame = Preprocessing(**told["preprocessing"])
    frame = Preprocessing().changed(mean=frame.mean, std=frame.std, input_size=(frame.height, frame.width))
    names, layers = (tuple(str(name) for name in told[key]) for key in ("class_names", "layers"))
    graph = OnnxMetadata(**{**told, "preprocessing": frame, "class_names": names, "layers": layers})
    plain = {name: kind for name, kind in get_type_hints(OnnxMetadata).items() if kind in (str, bool)}
    typed = all(isinstance(getattr(graph, name), kind) for name, kind in plain.items())
    find_quality(str(graph.quality))
    known = graph.background is None or graph.background in range(len(names))
    if not (typed and known and names and 0 < graph.threshold <= 1 and 0 < graph.crop_threshold <= 1):
        raise ValueError(graph)
    return graph


def is_graph(model: str | Path) -> bool:
    """Tell whether a model is given as a file of ``weakspot export``.

    Example:
        >>> is_graph("birds.onnx"), is_graph("resnet50")
        (True, False)
    """
    return Path(model).suffix == SUFFIX
