"""Evaluate and compare: figures on the terminal, and files with all of them."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from weakspot.config import __version__
from weakspot.errors import InputError
from weakspot.evaluation.options import CompareOptions, EvaluateOptions, MeasureOptions
from weakspot.inference.batch.image_files import grey, picture_name
from weakspot.inference.quality import QUALITIES, find_quality
from weakspot.io.atomic import atomic_write, save_image
from weakspot.io.folders import check_writable, next_free_path, read_name_file, remove_if_empty
from weakspot.io.progress import Progress
from weakspot.io.settings import save_settings
from weakspot.ops import scale_boxes

if TYPE_CHECKING:
    from weakspot.evaluation import Evaluation, EvaluationConfig
    from weakspot.evaluation.metric_collection import ThresholdIndices
    from weakspot.evaluation.predictions import Prediction

FIGURES = "metrics.json"


@dataclass(frozen=True)
class EvaluateOutcome:
    """What was measured and written.

    Attributes:
        found: The figures.
        output: The folder that holds them.
        unread: Number of images that could not be read.
    """

    found: "Evaluation"
    output: Path
    unread: int


def evaluate(sources: Sequence[str], options: EvaluateOptions) -> EvaluateOutcome:
    """Measure a model, or maps or boxes from files, on a data set.

    Args:
        sources: The model and the data set; the data set alone with ``maps`` or ``boxes``.
        options: How to evaluate, and where to write it.

    Raises:
        InputError: If the sources or options cannot be used, or the output folder holds another evaluation.
    """
    model, data = _model_and_data(sources, options)
    output = _output(options.output, "evaluated")
    with remove_if_empty(output), ExitStack() as files, Progress(None) as progress:
        rows = _Rows(progress, files, output / "images.jsonl", heatmaps=options.save_heatmaps)
        found = _evaluation(model, data, options, rows)
    _write(found, output, asdict(options) | {"model": model, "data": data})
    return EvaluateOutcome(found, output, rows.unread)


def compare(sources: Sequence[str], options: CompareOptions) -> EvaluateOutcome:
    """Measure several methods, strides and models on a data set, side by side.

    Args:
        sources: One model or more, and the data set.
        options: What to compare, and where to write it.

    Raises:
        InputError: As :func:`evaluate`.
    """
    from weakspot.evaluation import compare as run

    if len(sources) < 2:
        raise InputError("compare needs a model and a data set.", "Give MODEL DATA, or MODEL MODEL DATA.")
    output = _output(options.output, "compared")
    with ExitStack() as files, Progress(None) as progress:
        rows = _Rows(progress, files)
        found = run(
            sources[:-1],
            sources[-1],
            methods=None if options.methods is None else _words(options.methods),
            qualities=_qualities(options.quality),
            output_strides=[int(word) for word in _strides(options.output_strides)] or (None,),
            config=_setting(options),
            on_prediction=rows.write,
            **_localizer_options(options),
        )
    _write(found, output, asdict(options) | {"models": list(sources[:-1]), "data": sources[-1]})
    return EvaluateOutcome(found, output, rows.unread)


def _model_and_data(sources: Sequence[str], options: EvaluateOptions) -> tuple[str | None, str]:
    from_files = [name for name in ("score_maps", "predicted_boxes") if getattr(options, name) is not None]
    if len(from_files) == 2:
        raise InputError("--score-maps and --predicted-boxes were both given.", "Evaluate one after the other.")
    if options.predicted_boxes is not None and options.save_heatmaps:
        raise InputError("Boxes from a file have no heatmaps.", "Leave --save-heatmaps out.")
    if len(sources) != (1 if from_files else 2):
        wanted = f"DATA --{from_files[0].replace('_', '-')} ..." if from_files else "MODEL DATA"
        true = " (true boxes are given by --ground-truth)" if options.predicted_boxes is not None else ""
        raise InputError(f"evaluate was given {len(sources)} names.", f"Give: weakspot evaluate {wanted}{true}")
    return (None, sources[0]) if from_files else (sources[0], sources[1])


def _evaluation(model: str | None, data: str, options: EvaluateOptions, rows: "_Rows") -> "Evaluation":
    from weakspot import evaluation

    setting = _setting(options)
    if options.score_maps is not None:
        return evaluation.evaluate_maps(options.score_maps, data, config=setting, on_prediction=rows.write)
    if options.predicted_boxes is not None:
        return evaluation.evaluate_boxes(options.predicted_boxes, data, config=setting, on_prediction=rows.write)
    assert model is not None
    others = _localizer_options(options) | {"output_stride": options.output_stride, "quality": options.quality}
    return evaluation.evaluate(model, data, method=options.method, config=setting, on_prediction=rows.write, **others)


def _setting(options: MeasureOptions) -> "EvaluationConfig":
    from weakspot.evaluation import EvaluationConfig

    return EvaluationConfig(
        boxes=options.ground_truth,
        images=options.images,
        test_split=options.test_split,
        val_split=options.val_split,
        threshold=options.threshold,
        batch_size=options.batch_size,
        workers=options.workers,
        samples=options.samples,
        seed=options.seed,
    )


def _localizer_options(options: MeasureOptions) -> dict[str, Any]:
    return {
        "layer": options.layer or None,
        "class_names": read_name_file(options.class_names),
        "input_size": options.input_size,
        "device": options.device,
        "backend": options.backend,
        "weights": "pretrained" if options.weights is None else options.weights,
        "channels": options.channels,
        "refine": options.refine,
    }


def _qualities(text: str | None) -> Sequence[str | None]:
    """The qualities that were asked for; that which the model has by itself where none was."""
    names: list[str] = list(QUALITIES) if text == "all" else _words(text or "")
    for name in names:
        find_quality(name)
    return names or (None,)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _strides(text: str | None) -> list[str]:
    words = _words(text or "")
    wrong = [word for word in words if not word.isdecimal()]
    if wrong:
        raise InputError(f"{wrong[0]!r} is not an output stride.", "Give numbers, for example --output-strides 32,16.")
    return words


def _output(wanted: Path | None, name: str) -> Path:
    output = next_free_path(name) if wanted is None else wanted
    check_writable(output)
    if (output / FIGURES).exists():
        raise InputError(f"{output} holds another evaluation.", "Name another --output.")
    return output


@dataclass
class _Rows:
    """Writes a row an image and class, its heatmap before it, and shows how far it is.

    The file comes to be with its first row.
    """

    progress: Progress
    files: ExitStack
    path: Path | None = None
    heatmaps: bool = False
    file: IO[bytes] | None = None
    unread: int = 0

    def write(self, outcome: "Prediction", chosen: "Mapping[str, ThresholdIndices]") -> None:
        """Write what became of one class in one image."""
        self.unread += outcome.error is not None and outcome.target_index == 0
        self.progress.advance()
        if self.path is not None:
            self.file = self.file or self.files.enter_context(atomic_write(self.path))
            saved = _save_heatmap(outcome, self.path.parent) if self.heatmaps else {}
            line = json.dumps(_row(outcome, chosen) | saved, ensure_ascii=False)
            self.file.write(line.encode(errors="backslashreplace") + b"\n")


def _row(outcome: "Prediction", chosen: "Mapping[str, ThresholdIndices]") -> dict[str, Any]:
    """One class in one image: its box at the fixed threshold, and whether it is right."""
    from weakspot.evaluation.aggregate import fixed_iou
    from weakspot.evaluation.metric_collection import IOU_THRESHOLD
    from weakspot.evaluation.targets import SIZES

    name = next(iter(outcome.scores))
    overlap = fixed_iou(outcome, name, chosen)
    masks, at = outcome.scores[name].mask, chosen[name].get("mask IoU")
    return {
        "image": outcome.sample.image.image_id,
        "class": outcome.sample.annotations[outcome.target_index].label,
        "size": SIZES[outcome.target.size],
        "rank": None if outcome.predicted is None or outcome.rank is None else outcome.rank + 1,
        "predicted": outcome.predicted,
        "box": _box(outcome, name, chosen),
        "iou": None if overlap is None else round(overlap, 4),
        "right": None if overlap is None else overlap >= IOU_THRESHOLD,
        "mask_iou": None if masks is None or at is None else round(float(masks[at[0]]), 4),
        "problem": None if outcome.error is None else str(outcome.error).splitlines()[0],
    }


def _save_heatmap(outcome: "Prediction", output: Path) -> dict[str, str]:
    """Write the heatmap of the first map, and say where; further classes of an image have their number in the name."""
    found = outcome.regions.get(next(iter(outcome.scores)))
    if found is None:  # the image could not be read
        return {}
    which = f".{outcome.target_index}" if outcome.target_index else ""
    name = Path("heatmaps", f"{picture_name(Path(outcome.sample.image.image_id))}{which}.png")
    save_image(grey(found.heatmap), output / name)
    return {"heatmap": name.as_posix()}


def _box(outcome: "Prediction", name: str, chosen: "Mapping[str, ThresholdIndices]") -> list[float] | None:
    index = chosen[name].get("GT-known Loc")
    if index is None or outcome.size is None or name not in outcome.regions:
        return None
    found = outcome.regions[name]
    boxes = scale_boxes(found.boxes[index[0]][None], from_size=found.tree.shape, to_size=outcome.size)
    sides: list[float] = boxes[0].round(2).tolist()
    return sides


def _write(found: "Evaluation", output: Path, settings: dict[str, Any]) -> None:
    """Write figures, tables, charts and settings; the figures last, so that they stand for all of it."""
    from weakspot.evaluation.charts import charts

    files = charts(found) | {"table.md": _page(found).encode(errors="backslashreplace")}
    content = {"weakspot": __version__, **found.to_dict()}
    files[FIGURES] = (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
    save_settings(output / "evaluate.toml", settings)
    for name, content_ in files.items():
        with atomic_write(output / name) as file:
            file.write(content_)


def _page(found: "Evaluation") -> str:
    from weakspot.evaluation.tables import INSTANCE_LEGEND, LEGEND

    notes = "".join(f"- {note}\n" for note in found.notes)
    groups = f"{found.sizes_to_markdown()}\n\n{found.groups_to_markdown()}\n\n" if found.group_names else ""
    counted = found.instances_to_markdown()
    instances = f"{counted}\n\n{INSTANCE_LEGEND}.\n\n" if counted else ""
    return f"{found.to_markdown()}\n\n{LEGEND}.\n\n{found.details_to_markdown()}\n\n{instances}{groups}{notes}"
