"""Start a training: look for mistakes in what was asked, and only then import torch."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from weakspot.config import PRETRAINED
from weakspot.data import Dataset, read_dataset
from weakspot.data.formats.good_classes import with_good_background
from weakspot.data.joined_boxes import join_boxes
from weakspot.data.label_frames import resolve_frames
from weakspot.data.missing_masks import without_missing_masks
from weakspot.io.folder_lock import folder_lock
from weakspot.io.folders import CONFIG, is_file
from weakspot.models.networks.methods import parse_method
from weakspot.models.run_files import check_trained, check_weights
from weakspot.training.data_record import check_same_models
from weakspot.training.labels import infer_labels, training_samples
from weakspot.training.launch import check_world_size, is_rank_zero, started_by_torchrun
from weakspot.training.loggers import check_loggers
from weakspot.training.messages import log_messages
from weakspot.training.options import TrainOptions
from weakspot.training.run_config import TrainRequest, resolve_request, with_changes
from weakspot.training.run_folder import check_output


def train(
    data: str | Path | None = None,
    *,
    options: TrainOptions = TrainOptions(),
    config: str | Path | None = None,
    resume: str | Path | None = None,
    **changes: Any,
) -> Path:
    """Train a classifier on image-level labels, and choose the threshold of its heatmaps.

    Messages go to stderr and to ``train.log`` in the run folder, through the logger ``weakspot.training``.

    Args:
        data: Folder of the data set: class folders, a CSV of labels, or any layout that
            :func:`weakspot.data.read_dataset` reads. Its test split is not used.
        options: Options of the run.
        config: The ``config.toml`` of another run, whose options are the defaults.
        resume: Folder of an interrupted run to resume.
        changes: Fields of :class:`weakspot.training.options.TrainOptions` by name, such as ``method="acol"``.

    Returns:
        The run folder, which :class:`weakspot.Localizer` accepts as a model.

    Raises:
        InputError: If the data cannot be used, options conflict, the folder cannot be written to, or another process
            of the same training has exited (``peer-process-exited``), or the loss is not finite (``loss-not-finite``:
            the model of the best epoch before is kept).
        ModelError: If the backbone cannot be loaded.
        KeyboardInterrupt: On Ctrl-C or SIGTERM, after the state is saved.
    """
    with _nodes() as all_gather_str, log_messages(enabled=is_rank_zero()) as log_to, _resumed(resume):
        request = resolve_request(data, with_changes(options, changes), config=config, resume=resume)
        output = request.folder or request.options.output or Path("runs", request.data.absolute().name)
        _check(request, output)
        dataset = _read(request)
        from weakspot.training.run import run_training

        return run_training(request, dataset, output, all_gather_str, log_to)


@contextmanager
def _nodes() -> Iterator[Callable[[str], list[str]]]:
    """Join the other processes that torchrun started, so that none waits for one that finds a mistake."""
    if not started_by_torchrun():
        yield lambda text: [text]
        return
    from weakspot.training.distributed import join_nodes

    with join_nodes() as all_gather_str:
        yield all_gather_str


def _resumed(run: str | Path | None) -> AbstractContextManager[None]:
    """Hold the folder of a run before it is read, since another process may be about to finish it."""
    if run is None or not is_rank_zero() or not is_file(Path(run, CONFIG)):
        return nullcontext()
    return folder_lock(Path(run))


def _check(request: TrainRequest, output: Path) -> None:
    """Check what can be checked without the images."""
    options = request.options
    check_world_size(options)
    check_loggers(options.logger or ())
    if is_rank_zero():
        check_output(output, needed_bytes=0)
    if options.teacher is not None:
        check_trained(options.teacher)
    if options.weights not in (PRETRAINED, "none"):
        check_weights(options.weights)
    if request.folder is not None:
        check_same_models(request.folder, options)


def _read(request: TrainRequest) -> Dataset:
    """Read the data set, and check that it has images of classes to train on."""
    options = request.options
    dataset = read_dataset(
        request.data,
        ground_truth=options.labels,
        images=options.images,
        use_predictions=options.use_predictions,
    )
    dataset = resolve_frames(dataset, options.labels or request.data, list(dataset.splits))
    if options.boxes is not None:
        dataset = join_boxes(dataset, options.boxes, images=options.images, use_predictions=options.use_predictions)
    dataset = without_missing_masks(dataset)
    if parse_method(options.method).head == "mil":  # which needs images without an object
        dataset = with_good_background(dataset)
    training, _ = training_samples(dataset)
    if options.teacher is None:
        infer_labels(dataset, training, multi_label=options.multi_label, background=options.background_class)
    return dataset
