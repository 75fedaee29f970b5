"""The command line: parse, call one function, print a path."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from weakspot.cli.printing import (
    print_checked,
    print_demo,
    print_demo_training,
    print_evaluated,
    print_exported,
    print_labelled,
    print_localized,
)
from weakspot.config import DEFAULT_MODEL, RENAMED_OPTIONS, RENAMED_VALUES, __version__
from weakspot.errors import WeakspotError
from weakspot.evaluation.options import CompareOptions, EvaluateOptions
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.export.options import ExportOptions
from weakspot.labels.options import LabelOptions
from weakspot.report.options import ReportOptions
from weakspot.serving.options import ServeOptions
from weakspot.training.options import TrainOptions

DONE, SOME_SKIPPED, MISTAKE, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="weakspot",
    help="Find where things are, from labels that only say what they are.",
    version=__version__,
    default_parameter=Parameter(negative=()),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


@app.command
def localize(
    *sources: str,
    options: Annotated[LocalizeOptions, Parameter(name="*")] = LocalizeOptions(),
) -> int:
    """Find the object in photos: boxes, and pictures and masks if you like.

    Args:
        sources: Image files, folders, glob patterns, or - for a list of paths on stdin.
        options: What to localize with, and where to write it.
    """
    from weakspot.inference.batch.run import localize as run

    outcome = run(sources, options)
    print_localized(outcome)
    return SOME_SKIPPED if outcome.failed else DONE


@app.command
def demo(*, output: Path = Path("demo")) -> int:
    """Localize four real photos with three methods side by side; then train CAM and ACoL on labels alone.

    Args:
        output: Folder to write the contact sheets, the boxes and the trained runs to.
    """
    from weakspot.cli.demo import demo as run
    from weakspot.cli.demo_training import SCENES, demo_training

    print_demo(run(output))
    print(f"\nTraining on synthetic scenes of {', '.join(SCENES.names)}, with labels only.", flush=True)
    print_demo_training(demo_training(output))
    return DONE


@app.command
def train(
    data: Path | None = None,
    *,
    options: Annotated[TrainOptions, Parameter(name="*")] = TrainOptions(),
    config: Path | None = None,
    resume: Path | None = None,
) -> int:
    """Train a classifier on labels alone, such that localize, evaluate and compare take its run folder as a model.

    Args:
        data: Folder of the data set: a folder of images for each class, a CSV of labels, or any layout with boxes.
        options: What to train, how, and where to write it.
        config: config.toml of a run: train as it says, apart from what is given here.
        resume: Folder of an interrupted run: go on with it.
    """
    from weakspot.cli.train import train as run

    outcome = run(data, options, config=config, resume=resume)
    if outcome.first:
        print(outcome.folder)
    if outcome.first and outcome.skipped is not None:
        print(f"unreadable images were skipped: {outcome.skipped}", file=sys.stderr)
    return DONE if outcome.skipped is None or outcome.by_torchrun else SOME_SKIPPED


@app.command
def evaluate(
    *model_and_data: str,
    options: Annotated[EvaluateOptions, Parameter(name="*")] = EvaluateOptions(),
) -> int:
    """Evaluate a model (MODEL DATA), or --score-maps or --predicted-boxes from files (DATA), by the WSOL protocol.

    Args:
        model_and_data: Run folder, or timm or torchvision name of the classifier, and the folder of the data set.
        options: What to evaluate, on what, and where to write it.
    """
    from weakspot.cli.evaluate import evaluate as run

    outcome = run(model_and_data, options)
    print_evaluated(outcome, detailed=True)
    return SOME_SKIPPED if outcome.unread else DONE


@app.command
def compare(
    *models_and_data: str,
    options: Annotated[CompareOptions, Parameter(name="*")] = CompareOptions(),
) -> int:
    """Measure several methods, strides and models side by side on a data set: MODEL [MODEL ...] DATA.

    Args:
        models_and_data: Run folders, or timm or torchvision names, and last the folder of the data set.
        options: What to compare, on what, and where to write it.
    """
    from weakspot.cli.evaluate import compare as run

    outcome = run(models_and_data, options)
    print_evaluated(outcome, detailed=False)
    return SOME_SKIPPED if outcome.unread else DONE


@app.command
def label(
    *source_and_images: str,
    options: Annotated[LabelOptions, Parameter(name="*")] = LabelOptions(),
) -> int:
    """Write label files for detectors and labelling tools, the most doubtful first: SOURCE [IMAGES ...].

    Args:
        source_and_images: Run folder or name of a model, or boxes.jsonl or the folder of weakspot localize; then image
            files, folders or patterns, which may be left out with boxes. Nothing with --import.
        options: What labels to write, and where.
    """
    from weakspot.cli.label import label as run

    outcome = run(source_and_images, options)
    print_labelled(outcome)
    return DONE if outcome.problems is None else SOME_SKIPPED


@app.command
def report(folder: Path, *, options: Annotated[ReportOptions, Parameter(name="*")] = ReportOptions()) -> int:
    """Show what localize, evaluate, compare or train has written: one HTML file that opens offline.

    Args:
        folder: The folder of results, or of a run.
        options: What to show, and where to write it.
    """
    from weakspot.cli.report import report as run

    outcome = run(folder, options)
    print(outcome.page)
    if outcome.missing:
        print(f"{len(outcome.missing)} photos could not be read; {outcome.page} lists them.", file=sys.stderr)
    return SOME_SKIPPED if outcome.missing else DONE


@app.command
def export(model: str, *, options: Annotated[ExportOptions, Parameter(name="*")] = ExportOptions()) -> int:
    """Write a model and its class maps as one ONNX file that localize takes, without PyTorch and faster.

    Args:
        model: Run folder, or timm or torchvision name.
        options: What to export, and where to write it.
    """
    from weakspot.cli.export import export as run

    print_exported(run(model, options))
    return DONE


@app.command
def serve(model: str = DEFAULT_MODEL, *, options: Annotated[ServeOptions, Parameter(name="*")] = ServeOptions()) -> int:
    """Serve a model: a web page, and an HTTP API that gives what localize gives.

    Args:
        model: Run folder, file of weakspot export, or timm or torchvision name.
        options: Where to listen, and what a request may cost.
    """
    from weakspot.cli.serve import serve as run

    run(model, options, on_start=lambda url: print(f"{url}  (Ctrl-C ends it)", flush=True))
    return DONE


@app.command
def check(data: Path | None = None, *, ground_truth: Path | None = None, images: Path | None = None) -> int:
    """Say what is wrong with a data set; or without one, what is installed and how fast this machine is.

    Args:
        data: Folder of the data set.
        ground_truth: File of the true boxes (CSV, COCO JSON, or a folder of VOC XML), if it is not in DATA.
        images: Folder of the images, if it is not in DATA.
    """
    from weakspot.cli.check import check as check_machine
    from weakspot.cli.check_data import NAMED, check_data

    if data is None:
        for name, value in check_machine():
            print(f"{name:<34} {value}", flush=True)
        return DONE
    summary, problems = check_data(data, truth=ground_truth, images=images)
    print_checked(summary, problems, named=NAMED)
    return SOME_SKIPPED if problems else DONE


@app.command
def download(name: str, folder: Path = Path("data")) -> int:
    """Fetch a data set from its official record, and unpack it: cub.

    Args:
        name: Name of the data set.
        folder: Folder to put it into.
    """
    from weakspot.data.downloads import download as run

    print(run(name, folder))
    return DONE


def main(arguments: list[str] | None = None) -> int:
    """Run a command line.

    Args:
        arguments: The words after ``weakspot``; None takes those of this process.

    Returns:
        0 done, 1 finished but some inputs were skipped, 2 the user's mistake (two lines on stderr), 130
        interrupted by the user.
    """
    try:
        words = sys.argv[1:] if arguments is None else arguments
        with _notes_on_stderr():
            result = app(_with_stdin_last(words), exit_on_error=False, print_error=False)
    except WeakspotError as error:
        print(error, file=sys.stderr)
        return MISTAKE
    except ModuleNotFoundError as error:  # installed without its dependencies, as for exported files
        print(f"{error.name} is not installed, which this needs.\nRun: pip install weakspot", file=sys.stderr)
        return MISTAKE
    except CycloptsError as error:
        command = " ".join(error.command_chain or ())
        problem = _renamed(words, command) or " ".join(str(error).split())
        print(f"{problem}\nSee: {' '.join(('weakspot', *(error.command_chain or ())))} --help", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt as interrupt:
        print("Interrupted.", *interrupt.args, sep="\n", file=sys.stderr)
        return INTERRUPTED
    return result if isinstance(result, int) else DONE


def _renamed(words: Sequence[str], command: str) -> str | None:
    """Return what an option of 0.1.0 among the arguments is called now, if there is one.

    Example:
        >>> _renamed(["localize", "cat.jpg", "--doubt"], "localize")
        '`--doubt` is now `--uncertainty`.'
    """
    names = RENAMED_OPTIONS.get(command, {})
    pairs = [part for word in words for part in word.split("=", 1)]
    for option, value in zip(pairs, [*pairs[1:], ""], strict=True):
        name = option.removeprefix("--").replace("-", "_") if option.startswith("--") else ""
        if name in names:
            return f"`{option}` is now `--{names[name].replace('_', '-')}`."
        if (name, value) in RENAMED_VALUES:
            return f"`{option} {value}` is now `{option} {RENAMED_VALUES[name, value]}`."
    return None


@contextmanager
def _notes_on_stderr() -> Iterator[None]:
    """Say what the library notes, such as that a model is being exported."""
    notes, handler = logging.getLogger("weakspot"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("note: %(message)s"))
    notes.addHandler(handler)
    level = notes.level
    notes.setLevel(logging.INFO)
    try:
        yield
    finally:
        notes.setLevel(level)
        notes.removeHandler(handler)


def _with_stdin_last(words: list[str]) -> list[str]:
    """Put a lone ``-`` behind ``--``, where the parser does not take it for an option."""
    return [*(word for word in words if word != "-"), "--", "-"] if "-" in words else words
