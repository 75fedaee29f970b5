"""Backend that runs a file of ``weakspot export`` in ONNX Runtime, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError, no_such_class
from weakspot.inference.backends.base import (
    ClassifierOutput,
    ClassSelection,
    ClassThresholds,
    LoadedModel,
    Pixels,
)
from weakspot.inference.backends.onnx_checks import check_graph, check_outputs
from weakspot.inference.backends.onnx_metadata import (
    CLASS_INDICES,
    CLASSES,
    EVIDENCE,
    FOREGROUND,
    HAS_NEGATIVE,
    IMAGES,
    LOGITS,
    MAPS,
    REFERENCE_MAPS,
    RENAMED_OUTPUTS,
    OnnxMetadata,
    from_metadata,
)
from weakspot.inference.backends.onnx_session import Session
from weakspot.inference.class_names import choose_class_names
from weakspot.inference.options import LocalizerOptions
from weakspot.inference.quality import find_quality
from weakspot.ops.preprocessing import resize_by_pillow

# Options that are built into a graph: they can be chosen only for a model in PyTorch.
_BUILT_IN = ("layer", "mean", "std", "input_size", "weights", "output_stride", "channels")
# Number of classes of a multi-label model in the first forward pass.
_FIRST_CLASSES = 8


@dataclass(frozen=True, eq=False)
class OnnxBackend:
    """A classifier in ONNX Runtime."""

    session: Session
    metadata: OnnxMetadata
    name: ClassVar[str] = "onnx"

    @property
    def preprocessing(self) -> Preprocessing:
        """The model's preprocessing: input size and normalization."""
        return self.metadata.info.preprocessing

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the target layers."""
        return self.metadata.layers

    @property
    def has_foreground_head(self) -> bool:
        """Whether there is a fitted foreground head."""
        return self.metadata.has_foreground_head

    @property
    def class_thresholds(self) -> ClassThresholds | None:
        """Thresholds by which the graph calibrates its maps; not recorded in files of version 0.2.0."""
        return ClassThresholds.of(self.metadata.info)

    def resize(self, pixels: Pixels, *, height: int, width: int) -> Pixels:
        """Resize an image with Pillow."""
        return resize_by_pillow(pixels, height=height, width=width)

    def run(
        self, images: Sequence[Pixels], methods: Sequence[str], selection: ClassSelection
    ) -> list[ClassifierOutput]:
        """Compute the class maps of several methods with one forward pass."""
        for method in methods:
            self.validate_method(method)
        batch, rows = np.stack(images), selection.rows(len(images))
        if rows is not None:
            rivals = self._most_probable(selection.rivals, len(images))
            return self._run(batch, methods, np.concatenate([self._check_classes(rows), rivals], axis=1))
        first_count = max(selection.top_k, _FIRST_CLASSES) if selection.include_positive else selection.top_k
        outputs = self._run(batch, methods, self._most_probable(first_count, len(images)))
        count = selection.top_k
        if selection.include_positive:
            count = max(count, int((outputs[0].logits > 0).sum(axis=1).max()))
        if count > first_count:
            outputs = self._run(batch, methods, self._most_probable(count, len(images)))
        return [_first_classes(output, count) for output in outputs]

    def validate_method(self, method: str) -> None:
        """Raise InputError if the file does not contain the maps of a method."""
        if method not in self.single_pass_methods():
            problem = f"The file contains the class maps of {self.metadata.info.method}, not of {method!r}."
            hint = f"Export them: weakspot export {self.metadata.source} --method {method} -o other.onnx"
            raise InputError("method-mismatch", problem, hint)

    def default_threshold(self, method: str) -> float:
        """Return the threshold of the file for its first method, else the default threshold of the method."""
        info = self.metadata.info
        return info.threshold if method == info.method and info.threshold else self.metadata.default_threshold

    def single_pass_methods(self) -> tuple[str, ...]:
        """Return the names of the methods whose maps the file contains."""
        return tuple(name for name in (self.metadata.info.method, self.metadata.reference_method) if name)

    def single_threaded(self) -> "OnnxBackend":
        """Return a backend for threads that each run a batch of their own."""
        return replace(self, session=self.session.single_threaded)

    @property
    def has_evidence(self) -> bool:
        """Whether the evidence of outputs is that before propagation; files of version 0.1 have none."""
        is_plain = self.metadata.info.quality == "plain" and not self.metadata.version.startswith("0.1.")
        return is_plain or EVIDENCE in self.session.outputs

    def _check_classes(self, classes: NDArray[np.integer]) -> NDArray[np.int64]:
        count = len(self.metadata.info.class_names)
        outside = classes[(classes < 0) | (classes >= count)]
        if outside.size:
            raise no_such_class(int(outside.flat[0]), count)
        return classes.astype(np.int64)

    def _most_probable(self, count: int, images: int) -> NDArray[np.int64]:
        """Return the graph's codes for the most probable classes: -1 for the first, -2 for the second, and so on."""
        row = -1 - np.arange(min(count, len(self.metadata.info.class_names)), dtype=np.int64)
        return np.tile(row, (images, 1))

    def _run(
        self, images: NDArray[np.uint8], methods: Sequence[str], classes: NDArray[np.int64]
    ) -> list[ClassifierOutput]:
        outputs = self.session.run({IMAGES: images, CLASSES: classes})
        outputs = {RENAMED_OUTPUTS.get(name, name): array for name, array in outputs.items()}
        check_outputs(outputs, len(images), classes.shape[1], len(self.metadata.info.class_names))
        maps = {method: outputs[MAPS if method == self.metadata.info.method else REFERENCE_MAPS] for method in methods}
        return [
            ClassifierOutput(
                outputs[LOGITS],
                outputs[CLASS_INDICES],
                maps[method],
                outputs.get(EVIDENCE, maps[method]) if method == self.metadata.info.method else maps[method],
                outputs[HAS_NEGATIVE],
                outputs.get(FOREGROUND),
            )
            for method in methods
        ]


def _first_classes(output: ClassifierOutput, count: int) -> ClassifierOutput:
    maps, evidence = output.maps[:, :count], output.evidence[:, :count]
    return replace(output, classes=output.classes[:, :count], maps=maps, evidence=evidence)


def load_onnx(path: Path, options: LocalizerOptions) -> LoadedModel:
    """Load a file of ``weakspot export``; options that are built into a graph must have their defaults.

    InputError ``options-conflict`` or ``method-mismatch``, ModelError ``model-not-found`` or ``metadata-invalid``.
    """
    _check_options(path, options)
    if not path.is_file():
        raise ModelError("model-not-found", f"{path} does not exist.")
    session = Session(path)
    metadata = _read_metadata(session, path)
    backend = OnnxBackend(session, metadata)
    method, quality = options.method or metadata.info.method, options.quality or metadata.info.quality
    backend.validate_method(method)
    _check_quality(quality, metadata, path)
    class_names = choose_class_names(options.class_names, metadata.info.class_names, len(metadata.info.class_names))
    return LoadedModel(
        backend,
        replace(
            metadata.info,
            class_names=class_names,
            multi_label=metadata.info.multi_label if options.multi_label is None else options.multi_label,
            method=method,
            quality=quality,
            threshold=backend.default_threshold(method),
            calibration=metadata.info.calibration if method == metadata.info.method else (),
            presence=None if options.multi_label or method != metadata.info.method else metadata.info.presence,
            zooms=metadata.info.zooms if method == metadata.info.method else 0,
        ),
        metadata.default_threshold,
        metadata.is_box_regressor,
    )


def _check_options(path: Path, options: LocalizerOptions) -> None:
    if options.backend == "torch":
        raise InputError("options-conflict", f"PyTorch cannot run {path}; backend must be auto or onnx, got torch.")
    defaults = LocalizerOptions()
    for name in _BUILT_IN:
        if getattr(options, name) != getattr(defaults, name):
            problem = f"{name} is built into {path} and cannot be changed, got {getattr(options, name)!r}."
            raise InputError("options-conflict", problem, f"Export the model again with another {name}.")
    if options.device not in ("auto", "cpu"):
        raise InputError("options-conflict", f"{path} runs on the CPU; device must be cpu, got {options.device!r}.")


def _read_metadata(session: Session, path: Path) -> OnnxMetadata:
    hint = "Export the model again: weakspot export MODEL -o FILE"
    try:
        metadata = from_metadata(session.metadata)
    except ModelError as error:
        problem = f"{path} was not written by weakspot export, or by a version that this one cannot read."
        raise ModelError("metadata-invalid", problem, hint) from error
    try:
        check_graph(session, metadata)
    except ModelError as error:
        raise ModelError(error.code, f"{path} cannot be used: {error.problem}", hint) from error
    return metadata


def _check_quality(quality: str, metadata: OnnxMetadata, path: Path) -> None:
    """Check that the graph propagates maps if the quality does, and has a foreground head if the quality uses one."""
    asked, exported = find_quality(quality), find_quality(metadata.info.quality)
    lacks_head = asked.adapt_foreground and not exported.adapt_foreground and not metadata.has_foreground_head
    if asked.propagate != exported.propagate or lacks_head:
        problem = f"{path} was exported with quality {metadata.info.quality}, got {quality}."
        hint = f"Export it again: weakspot export {metadata.source} --quality {quality} -o other.onnx"
        raise InputError("options-conflict", problem, hint)
