"""Predict an image in tiles: classes from the logits of all tiles, and maps of the image blended from theirs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from weakspot.inference.backends import Backend, ClassifierOutput, ClassSelection
from weakspot.inference.backends.base import ClassThresholds, Pixels
from weakspot.inference.postprocess import DecodedImage, ImagePrediction, PostprocessConfig
from weakspot.inference.presence import decided_logits
from weakspot.inference.rivals import MAX_RIVALS, without_rivals
from weakspot.inference.tile_logits import calibrated_image_logits, image_logits
from weakspot.ops.heatmaps import move_threshold, normalize
from weakspot.ops.preprocessing import Preprocessing
from weakspot.ops.tiling import Tiling, blend_tiles

# Pixels of all tiles in a forward pass: eight of 224 x 224.
_BATCH_PIXELS = 8 * 224 * 224
# Tiles times classes up to which one pass computes the maps of all classes; if there are more, a second pass computes
# those of the classes that the first has chosen.
_MAX_MAPS = 10_000
# Pixels of a heatmap, and of all heatmaps of an image.
_HEATMAP_PIXELS, _ALL_PIXELS = 2**21, 2**24


@dataclass(frozen=True, eq=False)
class _TileMaps:
    """Outputs of all tiles by one method; arrays as of ClassifierOutput, with the tiles as images."""

    logits: NDArray[np.floating]
    maps: NDArray[np.floating]
    evidence: NDArray[np.floating]
    has_negative_activations: bool
    foreground: NDArray[np.floating] | None

    def select(self, classes: NDArray[np.integer]) -> "_TileMaps":
        """Return the maps of some classes, if there are those of all."""
        return replace(self, maps=self.maps[:, classes], evidence=self.evidence[:, classes])


def predict_tiles(
    backend: Backend,
    image: DecodedImage,
    tiling: Tiling,
    pixels: Pixels,
    selection: ClassSelection,
    config: PostprocessConfig,
) -> ImagePrediction:
    """Predict an image in tiles.

    Args:
        backend: The classifier.
        image: The image.
        tiling: Its tiles.
        pixels: The image at its own size, shape (height, width, channels).
        selection: The classes.
        config: How the prediction becomes a localization.

    Returns:
        A prediction whose maps have the size of the image's heatmap, see :func:`heatmap_size`.
    """
    methods = [config.method, *([] if config.reference_method is None else [config.reference_method])]
    count, has_presence = len(config.info.class_names), _has_presence(config)
    maps_of_all = has_presence or len(tiling.corners) * count <= _MAX_MAPS
    first = ClassSelection(np.arange(count)) if maps_of_all else ClassSelection()
    outputs = _run(backend, pixels, tiling, methods, first)
    logits = _image_logits(outputs[0], config)
    ranked = decided_logits(logits, config.info) if has_presence else logits
    classes = _classes(ranked, selection, with_rivals=config.by_evidence)
    if maps_of_all:
        outputs = [output.select(classes) for output in outputs]
    else:
        outputs = _run(backend, pixels, tiling, methods, ClassSelection(classes))
    blended = _blend(outputs, methods, tiling, classes, logits, backend)
    main, *references = [without_rivals(output, selection, config.info) for output in blended]
    return ImagePrediction(
        image,
        selection,
        logits,
        main.classes[0],
        main.maps[0],
        main.evidence[0],
        bool(main.has_negative_activations[0]),
        references[0].maps[0] if references else None,
        None if main.foreground is None else main.foreground[0, 0],
        main.uncontested[0] if config.by_evidence and main.uncontested is not None else None,
    )


def _has_presence(config: PostprocessConfig) -> bool:
    return config.info.presence is not None and config.method == config.info.method


def _image_logits(output: _TileMaps, config: PostprocessConfig) -> NDArray[np.floating]:
    """Compute logits of the image, with the peaks of the maps if these say whether it holds an object."""
    info = config.info
    if info.presence is None or info.background_index is None or not _has_presence(config):
        return image_logits(output.logits, multi_label=info.multi_label, background_index=info.background_index)
    peaks = output.evidence.max(axis=(2, 3))
    return calibrated_image_logits(output.logits, peaks, info.background_index, info.presence)


def _classes(logits: NDArray[np.floating], selection: ClassSelection, *, with_rivals: bool) -> NDArray[np.integer]:
    """Return the selected classes, and those that may contest their evidence, in the order of a backend's output."""
    rivals = MAX_RIVALS if with_rivals else 0
    ranked = np.argsort(-logits, kind="stable")
    if selection.indices is not None:
        return np.concatenate([selection.indices, ranked[:rivals]])
    positive = int((logits > 0).sum()) if selection.include_positive else 0
    return ranked[: max(selection.top_k + rivals, positive)]


def _run(
    backend: Backend, pixels: Pixels, tiling: Tiling, methods: Sequence[str], selection: ClassSelection
) -> list[_TileMaps]:
    """Run the classifier on all tiles, some at a time."""
    size, corners = backend.preprocessing, tiling.corners
    count = max(1, _BATCH_PIXELS // (size.height * size.width))
    batches = [
        backend.run([_tile(backend, pixels, tiling, corner) for corner in corners[i : i + count]], methods, selection)
        for i in range(0, len(corners), count)
    ]
    return [_concatenate(outputs) for outputs in zip(*batches, strict=True)]


def _tile(backend: Backend, pixels: Pixels, tiling: Tiling, corner: tuple[int, int]) -> Pixels:
    """Cut a tile out, and resize it to the input size."""
    top, left = corner
    size = backend.preprocessing
    tile = pixels[top : top + tiling.tile_height, left : left + tiling.tile_width]
    return backend.resize(tile.copy(), height=size.height, width=size.width)  # a decoded image is read-only


def _concatenate(outputs: Sequence[ClassifierOutput]) -> _TileMaps:
    foregrounds = [output.foreground for output in outputs if output.foreground is not None]
    return _TileMaps(
        np.concatenate([output.logits for output in outputs]),
        np.concatenate([output.maps for output in outputs]),
        np.concatenate([output.evidence for output in outputs]),
        any(bool(output.has_negative_activations.any()) for output in outputs),
        np.concatenate(foregrounds) if foregrounds else None,
    )


def _blend(
    outputs: Sequence[_TileMaps],
    methods: Sequence[str],
    tiling: Tiling,
    classes: NDArray[np.integer],
    logits: NDArray[np.floating],
    backend: Backend,
) -> list[ClassifierOutput]:
    """Blend the maps of tiles; the first output is of the main method, whose evidence is the unit of all maps."""
    height, width = heatmap_size(tiling, backend.preprocessing, len(classes))
    evidence = outputs[0].evidence

    def blend(maps: NDArray[np.floating]) -> NDArray[np.float32]:
        finite = np.where(np.isfinite(maps), maps, 0)  # an image with other logits fails later
        return blend_tiles(finite, tiling, height=height, width=width)

    def whole(output: _TileMaps, method: str) -> ClassifierOutput:
        levels = _levels(backend.class_thresholds, method, classes)
        maps = np.stack([in_unit(output.maps[:, i], evidence[:, i], levels[i]) for i in range(len(classes))], axis=1)
        blended = [above_floor(*values) for values in zip(blend(maps), _floors(maps), levels, strict=True)]
        return ClassifierOutput(
            logits[None],
            classes[None],
            np.stack(blended)[None],
            blend(output.evidence)[None],
            np.array([output.has_negative_activations]),
            None if output.foreground is None else blend(output.foreground)[None],
        )

    return [whole(*pair) for pair in zip(outputs, methods, strict=True)]


def _levels(
    thresholds: ClassThresholds | None, method: str, classes: NDArray[np.integer]
) -> list[tuple[float, float] | None]:
    """Return the threshold of each class, and the common one that it becomes; None if maps are not calibrated."""
    if thresholds is None or thresholds.method != method:
        return [None] * len(classes)
    return [(thresholds.values[index], thresholds.threshold) for index in classes]


def in_unit(
    maps: NDArray[np.floating], evidence: NDArray[np.floating], levels: tuple[float, float] | None = None
) -> NDArray[np.floating]:
    """Scale the map of each tile to the range of its evidence, so that maps of different tiles have one unit.

    Propagated maps are in [0, 1] in every tile, also in one without an object.

    Args:
        maps: Maps of a class, shape (tiles, h, w).
        evidence: Maps before they were propagated and calibrated, shape (tiles, h', w'), in logits.
        levels: Threshold of the class and the common one for which maps are calibrated, which is undone; or None.

    Returns:
        Shape (tiles, h, w).

    Example:
        >>> in_unit(np.array([[[0.0, 1.0]], [[0.0, 1.0]]]), np.array([[[-1.0, 9.0]], [[-1.0, 0.0]]])).tolist()
        [[[-1.0, 9.0]], [[-1.0, 0.0]]]
    """
    scaled = np.stack([normalize(tile) for tile in maps])
    if levels is not None:
        scaled = move_threshold(scaled, levels[1], levels[0])
    low = evidence.min(axis=(1, 2))[:, None, None]
    high = evidence.max(axis=(1, 2))[:, None, None]
    in_logits: NDArray[np.floating] = low + scaled * (high - low)
    return in_logits


def _floors(maps: NDArray[np.floating]) -> list[float]:
    """Return the minimum of the tile with the peak of each class, for maps (tiles, C, h, w)."""
    best = maps.max(axis=(2, 3)).argmax(axis=0)
    return [float(maps[tile, i].min()) for i, tile in enumerate(best)]


def above_floor(
    values: NDArray[np.floating], floor: float, levels: tuple[float, float] | None = None
) -> NDArray[np.floating]:
    """Raise values below a floor to it, and calibrate the map for the threshold of its class.

    The floor is the minimum of the tile with the peak: around the object, the heatmap is then that of this tile alone,
    for which thresholds were chosen.

    Args:
        values: Blended map of a class, shape (H, W).
        floor: The minimum.
        levels: Threshold of the class, and the common one that it becomes; or None.

    Returns:
        Shape (H, W).

    Example:
        >>> above_floor(np.array([[-9.0, 0.0, 4.0]]), 0.0).tolist()
        [[0.0, 0.0, 4.0]]
    """
    raised = np.maximum(values, floor)
    return raised if levels is None else move_threshold(normalize(raised), *levels)


def heatmap_size(tiling: Tiling, size: Preprocessing, classes: int) -> tuple[int, int]:
    """Compute ``(height, width)`` of the heatmaps of an image.

    A pixel is two pixels of the model's input on a side, and at least two of the image; a heatmap has at most two
    megapixels, and those of all classes have sixteen.

    Example:
        >>> heatmap_size(Tiling(300, 400, 100, 100, (), ()), Preprocessing(100, 100), 4)
        (150, 200)
    """
    most = min(_HEATMAP_PIXELS, _ALL_PIXELS // max(1, classes))
    scale = min(1.0, sqrt(size.height * size.width / (tiling.tile_height * tiling.tile_width))) / 2
    scale = min(scale, sqrt(most / (tiling.height * tiling.width)))
    return max(1, round(scale * tiling.height)), max(1, round(scale * tiling.width))


def config_of(prediction: ImagePrediction, config: PostprocessConfig) -> PostprocessConfig:
    """Return how a prediction becomes a localization: that of an image in tiles has its own size and fractions.

    Areas are fractions of a tile, as which the classifier knows objects. The probability that a box is right was
    calibrated on whole images, and is not known.
    """
    tiling = prediction.image.tiling
    if tiling is None:
        return config
    height, width = prediction.maps.shape[1:]
    shift = log(tiling.tile_share)
    areas = tuple(area._replace(log_median=area.log_median + shift) for area in config.info.typical_areas)
    info = replace(
        config.info,
        preprocessing=replace(config.info.preprocessing, height=height, width=width),
        typical_areas=areas,
    )
    min_area = config.min_area if config.min_area == 1 else config.min_area * tiling.tile_share
    return replace(config, info=info, min_area=min_area, calibration=())
