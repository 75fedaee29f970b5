"""Metadata of a file of ``weakspot export``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_type_hints

from weakspot.errors import ModelError
from weakspot.models.model_info import ModelInfo, is_number

KEY = "weakspot"
SUFFIX = ".onnx"
# Names of the graph's inputs and outputs.
IMAGES, CLASSES = "images", "classes"
LOGITS, CLASS_INDICES, MAPS = "logits", "chosen", "maps"
HAS_NEGATIVE, FOREGROUND, REFERENCE_MAPS = "has_negative_activations", "foreground", "reference_maps"
EVIDENCE = "evidence"  # only if the maps are propagated, and not in files of version 0.1
# Names of outputs and of metadata in files of version 0.1.0, and the current ones.
RENAMED_OUTPUTS = {"signed": HAS_NEGATIVE, "witness": REFERENCE_MAPS}
_RENAMED = {
    "witness": "reference_method",
    "view_threshold": "default_threshold",
    "foreground": "has_foreground_head",
    "drawn": "is_box_regressor",
}


@dataclass(frozen=True)
class OnnxMetadata:
    """Description of a classifier and its class maps in one graph.

    Attributes:
        info: Metadata of the model; method, quality and threshold are those of the class maps.
        version: Version of weakspot that wrote the file.
        source: Name of the model or the run that was exported.
        reference_method: Method whose maps are compared with the class maps for the uncertainty; empty if none.
        default_threshold: Threshold of the maps of the reference method.
        is_box_regressor: Whether its maps are drawn from regressed boxes, so that they have no uncertainty.
    """

    info: ModelInfo
    version: str
    source: str
    reference_method: str
    default_threshold: float
    layers: tuple[str, ...]
    has_foreground_head: bool
    is_box_regressor: bool = False
    int8: bool = False

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata for an ONNX file."""
        values = asdict(self)
        return {KEY: json.dumps({**values.pop("info"), **values}, ensure_ascii=False)}


def from_metadata(metadata: Mapping[str, str]) -> OnnxMetadata:
    """Read what :meth:`OnnxMetadata.to_metadata` returned, or the metadata of a file of version 0.1.0.

    Raises ModelError ``metadata-invalid`` if a field is unknown, missing or invalid, or the file is not weakspot's.
    """
    try:
        values: dict[str, Any] = {_RENAMED.get(name, name): value for name, value in json.loads(metadata[KEY]).items()}
        values.pop("views", None)  # whether to use crops, which are gone
        kinds = get_type_hints(OnnxMetadata)
        own = {name: values.pop(name) for name in kinds if name in values}
        layers = tuple(str(name) for name in own.pop("layers"))
        read = OnnxMetadata(info=ModelInfo.from_dict(values), layers=layers, **own)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        problem = f"The metadata of the graph are invalid or incomplete: {error}."
        raise ModelError("metadata-invalid", problem) from error
    typed = all(isinstance(getattr(read, name), kind) for name, kind in kinds.items() if kind in (str, bool))
    complete = read.info.class_names and read.info.method and read.info.quality and read.info.threshold
    if not (typed and complete and is_number(read.default_threshold) and 0 < read.default_threshold <= 1):
        raise ModelError("metadata-invalid", f"The metadata of the graph are invalid: {read}.")
    return read


def is_graph(model: str | Path) -> bool:
    """Return whether a model is the path of an ONNX file."""
    return Path(model).suffix == SUFFIX
