"""Evaluate and compare: print the metrics, and write them to files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from weakspot.config import __version__
from weakspot.data import Dataset, read_dataset
from weakspot.data.decoding_apart import decoding_apart
from weakspot.data.predictions import prediction_notes
from weakspot.errors import InputError
from weakspot.evaluation.class_mapping import class_indices
from weakspot.evaluation.options import CompareOptions, EvaluateOptions, MeasureOptions
from weakspot.evaluation.samples import EvaluationSample, find_samples
from weakspot.inference.batch.image_files import gray_image, output_name
from weakspot.inference.command_options import shared_fields
from weakspot.inference.early_checks import check_methods, check_model, known_class_names
from weakspot.inference.quality import QUALITIES, find_quality
from weakspot.io.atomic import atomic_write, save_image
from weakspot.io.folder_lock import folder_lock
from weakspot.io.folders import is_file, is_folder, next_free_path, read_name_file
from weakspot.io.progress import Progress
from weakspot.io.settings import save_settings
from weakspot.models.run_files import MODEL_FILE
from weakspot.ops import scale_boxes
from weakspot.terminal import echo

if TYPE_CHECKING:
    from weakspot.evaluation import Evaluation, EvaluationConfig
    from weakspot.evaluation.metric_collection import ThresholdIndices
    from weakspot.evaluation.predictions import Prediction

METRICS = "metrics.json"


@dataclass(frozen=True)
class EvaluateOutcome:
    """The metrics, the output folder, and the number of images that could not be read."""

    evaluation: "Evaluation"
    output: Path
    unreadable: int


@decoding_apart()
def evaluate(sources: Sequence[str], options: EvaluateOptions) -> EvaluateOutcome:
    """Evaluate a model, or score maps or boxes from files, on a data set.

    The sources are the model and the data set; only the data set with ``score_maps`` or ``predicted_boxes``.
    """
    model, data = _model_and_data(sources, options)
    if model is not None:
        check_model(model, options)
    with _output(options.output, "evaluated") as output:
        dataset = _dataset(data, options, () if model is None else (model,))
        with ExitStack() as files, Progress(None) as progress:
            rows = _Rows(progress, files, output / "images.jsonl", heatmaps=options.save_heatmaps)
            evaluation = _evaluation(model, dataset, options, rows)
        _write(evaluation, output, asdict(options) | {"model": model, "data": data})
    return EvaluateOutcome(evaluation, output, rows.unreadable)


@decoding_apart()
def compare(sources: Sequence[str], options: CompareOptions) -> EvaluateOutcome:
    """Compare several methods, output strides and models on a data set, which is the last of the sources."""
    if len(sources) < 2:
        problem = f"compare requires one or more models and a data set, got {' '.join(sources) or 'nothing'}."
        raise InputError("missing-arguments", problem)
    methods, qualities = None if options.methods is None else _split(options.methods), _qualities(options.quality)
    check_methods(methods or ())
    for model in sources[:-1]:
        check_model(model, replace(options, quality=None))
    strides = [int(word) for word in _strides(options.output_strides)]
    localizer_options = _localizer_options(options)
    del localizer_options["quality"]  # several, in ``qualities``
    with _output(options.output, "compared") as output:
        dataset = _dataset(sources[-1], options, sources[:-1])
        from weakspot.evaluation import compare as run

        with ExitStack() as files, Progress(None) as progress:
            rows = _Rows(progress, files)
            evaluation = run(
                sources[:-1],
                dataset,
                methods=methods,
                qualities=qualities,
                output_strides=strides or (None,),
                config=_config(options),
                on_prediction=rows.write,
                **localizer_options,
            )
        _write(evaluation, output, asdict(options) | {"models": list(sources[:-1]), "data": sources[-1]})
    return EvaluateOutcome(evaluation, output, rows.unreadable)


def _model_and_data(sources: Sequence[str], options: EvaluateOptions) -> tuple[str | None, str]:
    from_files = [name for name in ("score_maps", "predicted_boxes") if getattr(options, name) is not None]
    if len(from_files) == 2:
        raise InputError("options-conflict", "--score-maps and --predicted-boxes cannot be used together.")
    if options.predicted_boxes is not None and options.save_heatmaps:
        problem = "--save-heatmaps cannot be used with --predicted-boxes, which have no heatmaps."
        raise InputError("options-conflict", problem)
    if len(sources) != (1 if from_files else 2):
        usage = f"DATA --{from_files[0].replace('_', '-')} FILE" if from_files else "MODEL DATA"
        ground_truth = " [--ground-truth FILE]" if options.predicted_boxes is not None else ""
        problem = f"evaluate expects {usage}{ground_truth}, got {' '.join(sources) or 'nothing'}."
        raise InputError("unexpected-arguments", problem)
    if options.predicted_boxes is not None and not is_file(options.predicted_boxes):
        raise InputError("boxes-not-found", f"The file of predicted boxes {options.predicted_boxes} does not exist.")
    if options.score_maps is not None and not is_folder(options.score_maps):
        raise InputError("maps-not-found", f"{options.score_maps} is not a folder.")
    return (None, sources[0]) if from_files else (sources[0], sources[1])


def _dataset(data: str, options: MeasureOptions, models: Sequence[str]) -> Dataset:
    """Read the data set, and check that its test split has boxes or masks, of classes of the models."""
    dataset = read_dataset(
        data, ground_truth=options.ground_truth, images=options.images, use_predictions=options.use_predictions
    )
    try:
        tested = find_samples(dataset, "all" if list(dataset.splits) == [""] else options.test_split)
    except InputError as error:
        hint = " ".join(prediction_notes(dataset))
        raise InputError(error.code, error.problem, hint or error.hint) from error
    for model in models:
        if names := known_class_names(model, options.class_names):
            class_indices(dataset, names)
        if count := _count_taught(Path(model), tested):
            echo(f"note: {count} of {len(tested)} images taught {model}: their scores are too high.", to_stderr=True)
    return dataset


def _count_taught(run: Path, samples: Sequence[EvaluationSample]) -> int:
    """Return how many images have taught a run where their objects are; 0 for another model."""
    from weakspot.training.taught_samples import read_taught

    folder = run.parent if run.name == MODEL_FILE else run
    taught = {sample.path.resolve() for sample in read_taught(folder)}
    return sum(sample.image.path.resolve() in taught for sample in samples)


def _evaluation(model: str | None, data: Dataset, options: EvaluateOptions, rows: "_Rows") -> "Evaluation":
    from weakspot import evaluation

    config = _config(options)
    if options.score_maps is not None:
        return evaluation.evaluate_maps(options.score_maps, data, config=config, on_prediction=rows.write)
    if options.predicted_boxes is not None:
        return evaluation.evaluate_boxes(options.predicted_boxes, data, config=config, on_prediction=rows.write)
    assert model is not None
    return evaluation.evaluate(model, data, config=config, on_prediction=rows.write, **_localizer_options(options))


def _config(options: MeasureOptions) -> "EvaluationConfig":
    from weakspot.evaluation import EvaluationConfig

    return EvaluationConfig(boxes=options.ground_truth, **shared_fields(options, EvaluationConfig))


def _localizer_options(options: MeasureOptions) -> dict[str, Any]:
    """Return the options of the Localizer apart from the threshold, which is one of the evaluation."""
    from weakspot.inference.options import LocalizerOptions

    fields = {name: value for name, value in shared_fields(options, LocalizerOptions).items() if name != "threshold"}
    return fields | {"class_names": read_name_file(options.class_names)}


def _qualities(text: str | None) -> Sequence[str | None]:
    """Return the qualities of ``--quality``; None stands for the model's own."""
    names: list[str] = list(QUALITIES) if text == "all" else _split(text or "")
    for name in names:
        find_quality(name)
    return names or (None,)


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _strides(text: str | None) -> list[str]:
    words = _split(text or "")
    for word in words:
        if not word.isdecimal():
            raise InputError("option-invalid", f"--output-strides must be numbers, for example 32,16, got {word!r}.")
    return words


@contextmanager
def _output(output: Path | None, name: str) -> Iterator[Path]:
    """Hold the output folder, which has no evaluation yet."""
    output = next_free_path(name) if output is None else output
    with folder_lock(output):
        if (output / METRICS).exists():
            raise InputError("output-exists", f"{output} contains another evaluation.", "Use another --output.")
        yield output


@dataclass
class _Rows:
    """Writes the heatmap and the row of each image and class; the file is created with the first row."""

    progress: Progress
    files: ExitStack
    path: Path | None = None
    heatmaps: bool = False
    file: IO[bytes] | None = None
    unreadable: int = 0

    def write(self, prediction: "Prediction", thresholds: "Mapping[str, ThresholdIndices]") -> None:
        """Write the result of one class in one image."""
        self.unreadable += prediction.error is not None and prediction.target_index == 0
        self.progress.advance()
        if self.path is not None:
            self.file = self.file or self.files.enter_context(atomic_write(self.path))
            saved = _save_heatmap(prediction, self.path.parent) if self.heatmaps else {}
            line = json.dumps(_row(prediction, thresholds) | saved, ensure_ascii=False)
            self.file.write(line.encode(errors="backslashreplace") + b"\n")


def _row(prediction: "Prediction", thresholds: "Mapping[str, ThresholdIndices]") -> dict[str, Any]:
    """Return the row of one class in one image: its box at the fixed threshold, and whether it is correct."""
    from weakspot.evaluation.aggregate import fixed_iou
    from weakspot.evaluation.metric_collection import IOU_THRESHOLD
    from weakspot.evaluation.targets import SIZES

    name = next(iter(prediction.scores))
    iou = fixed_iou(prediction, name, thresholds)
    masks, best = prediction.scores[name].mask, thresholds[name].get("mask IoU")
    return {
        "image": prediction.sample.image.image_id,
        "class": prediction.sample.annotations[prediction.target_index].label,
        "size": SIZES[prediction.target.size],
        "rank": None if prediction.predicted is None or prediction.rank is None else prediction.rank + 1,
        "predicted": prediction.predicted,
        "box": _box(prediction, name, thresholds),
        "iou": None if iou is None else round(iou, 4),
        "right": None if iou is None else iou >= IOU_THRESHOLD,
        "mask_iou": None if masks is None or best is None else round(float(masks[best[0]]), 4),
        "problem": None if prediction.error is None else str(prediction.error).splitlines()[0],
    }


def _save_heatmap(prediction: "Prediction", output: Path) -> dict[str, str]:
    """Write the heatmap of the first method; the names of further classes of an image contain their number."""
    regions = prediction.regions.get(next(iter(prediction.scores)))
    if regions is None:  # the image could not be read
        return {}
    suffix = f".{prediction.target_index}" if prediction.target_index else ""
    name = Path("heatmaps", f"{output_name(Path(prediction.sample.image.image_id))}{suffix}.png")
    save_image(gray_image(regions.heatmap), output / name)
    return {"heatmap": name.as_posix()}


def _box(prediction: "Prediction", name: str, thresholds: "Mapping[str, ThresholdIndices]") -> list[float] | None:
    index = thresholds[name].get("GT-known Loc")
    if index is None or prediction.size is None or name not in prediction.regions:
        return None
    regions = prediction.regions[name]
    boxes = scale_boxes(regions.boxes[index[0]][None], from_size=regions.tree.shape, to_size=prediction.size)
    sides: list[float] = boxes[0].round(2).tolist()
    return sides


def _write(evaluation: "Evaluation", output: Path, settings: dict[str, Any]) -> None:
    """Write tables, charts, settings and metrics; the metrics last, so that they exist only if all else does."""
    from weakspot.evaluation.charts import charts

    files = charts(evaluation) | {"table.md": _page(evaluation).encode(errors="backslashreplace")}
    content = {"weakspot": __version__, **evaluation.to_dict()}
    files[METRICS] = (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
    save_settings(output / "evaluate.toml", settings)
    for name, data in files.items():
        with atomic_write(output / name) as file:
            file.write(data)


def _page(evaluation: "Evaluation") -> str:
    from weakspot.evaluation.tables import INSTANCE_LEGEND, LEGEND

    notes = "".join(f"- {note}\n" for note in evaluation.notes)
    groups = (
        f"{evaluation.sizes_to_markdown()}\n\n{evaluation.groups_to_markdown()}\n\n" if evaluation.group_names else ""
    )
    counted = evaluation.instances_to_markdown()
    instances = f"{counted}\n\n{INSTANCE_LEGEND}.\n\n" if counted else ""
    found = evaluation.detection_to_markdown()
    instances += f"{found}\n\n{evaluation.detection_legend()}.\n\n" if found else ""
    return (
        f"{evaluation.to_markdown()}\n\n{LEGEND}.\n\n{evaluation.details_to_markdown()}\n\n{instances}{groups}{notes}"
    )


def print_evaluated(outcome: EvaluateOutcome, *, detailed: bool) -> None:
    """Print the table of an evaluation, how its thresholds were selected, and its notes."""
    from weakspot.evaluation.tables import INSTANCE_LEGEND, LEGEND

    evaluation = outcome.evaluation
    echo(*(evaluation.details_to_markdown() if detailed else evaluation.to_markdown()).split("\n"))
    fixed = f"fixed: {evaluation.first.fixed_by}" + (f", {evaluation.val_split}" if evaluation.val_split else "")
    echo("", f"{LEGEND} ({fixed}).")
    if detailed and evaluation.instances_to_markdown():
        echo("", *evaluation.instances_to_markdown().split("\n"), "", f"{INSTANCE_LEGEND}.")
    if detailed and evaluation.detection_to_markdown():
        echo("", *evaluation.detection_to_markdown().split("\n"), "", f"{evaluation.detection_legend()}.")
    for note in evaluation.notes:
        echo(f"note: {note}")
    echo(outcome.output)
