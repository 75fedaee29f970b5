"""The command line: parse the arguments, call one function, print the results."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from weakspot.cli.command_line import DONE, SOME_SKIPPED, run_command_line
from weakspot.config import DEFAULT_MODEL, __version__
from weakspot.evaluation.options import CompareOptions, EvaluateOptions
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.command_options import DATA, OUTPUT, AnnotationOptions
from weakspot.inference.export.options import ExportOptions
from weakspot.labels.options import LabelOptions
from weakspot.report.options import ReportOptions
from weakspot.serving.options import ServeOptions
from weakspot.serving.review.options import ReviewOptions
from weakspot.terminal import echo
from weakspot.training.options import TrainOptions

app = App(
    name="weakspot",
    help="Localize objects with classifiers that are trained on image-level labels only.",
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
    """Localize objects in images: bounding boxes, and optionally heatmaps and masks.

    Args:
        sources: Image files, folders, glob patterns, or - for a list of paths on stdin.
        options: What to localize with, and where to write the results.
    """
    from weakspot.cli.localize import print_localized
    from weakspot.inference.batch.run import localize as run

    outcome = run(sources, options)
    print_localized(outcome)
    return SOME_SKIPPED if outcome.failed else DONE


@app.command
def demo(*, output: Annotated[Path, OUTPUT] = Path("demo")) -> int:
    """Localize four sample images with three methods, then train CAM and ACoL on synthetic scenes.

    Args:
        output: Folder for the contact sheets, the boxes and the trained runs.
    """
    from weakspot.cli.demo import run_demo

    run_demo(output)
    return DONE


@app.command
def train(
    data: Path | None = None,
    *,
    options: Annotated[TrainOptions, Parameter(name="*")] = TrainOptions(),
    config: Annotated[Path | None, OUTPUT] = None,
    resume: Annotated[Path | None, OUTPUT] = None,
) -> int:
    """Train a classifier from image-level labels.

    Args:
        data: Folder of the data set: one folder of images per class, a CSV of labels, or any layout with boxes.
        options: What to train, how, and where to write the run.
        config: config.toml of a run: train with its settings, apart from the options given here.
        resume: Folder of an interrupted run to continue.
    """
    from weakspot.cli.train import train as run

    outcome = run(data, options, config=config, resume=resume)
    if outcome.first:
        echo(outcome.folder)
    if outcome.first and outcome.skipped is not None:
        echo(f"Unreadable images were skipped: {outcome.skipped}", to_stderr=True)
    return DONE if outcome.skipped is None or outcome.by_torchrun else SOME_SKIPPED


@app.command
def evaluate(
    *model_and_data: str,
    options: Annotated[EvaluateOptions, Parameter(name="*")] = EvaluateOptions(),
) -> int:
    """Evaluate a model (MODEL DATA), or --score-maps or --predicted-boxes (DATA), with the WSOL protocol.

    Args:
        model_and_data: Run folder, or timm or torchvision name of the classifier; then the folder of the data set.
        options: What to evaluate, on which data, and where to write the results.
    """
    from weakspot.cli.evaluate import evaluate as run
    from weakspot.cli.evaluate import print_evaluated

    outcome = run(model_and_data, options)
    print_evaluated(outcome, detailed=True)
    return SOME_SKIPPED if outcome.unreadable else DONE


@app.command
def compare(
    *models_and_data: str,
    options: Annotated[CompareOptions, Parameter(name="*")] = CompareOptions(),
) -> int:
    """Compare methods, output strides and models on a data set: MODEL [MODEL ...] DATA.

    Args:
        models_and_data: Run folders, or timm or torchvision names; then the folder of the data set.
        options: What to compare, on which data, and where to write the results.
    """
    from weakspot.cli.evaluate import compare as run
    from weakspot.cli.evaluate import print_evaluated

    outcome = run(models_and_data, options)
    print_evaluated(outcome, detailed=False)
    return SOME_SKIPPED if outcome.unreadable else DONE


@app.command
def label(
    *source_and_images: str,
    options: Annotated[LabelOptions, Parameter(name="*")] = LabelOptions(),
) -> int:
    """Write label files for detectors and labeling tools, the most uncertain images first: SOURCE [IMAGES ...].

    Args:
        source_and_images: Run folder or name of a model, or boxes.jsonl or the output folder of weakspot localize or
            review; then image files, folders or patterns (optional with boxes). Nothing with --import.
        options: Which labels to write, and where.
    """
    from weakspot.cli.label import label as run
    from weakspot.cli.label import print_labeled

    outcome = run(source_and_images, options)
    print_labeled(outcome)
    return DONE if outcome.problems is None else SOME_SKIPPED


@app.command
def report(folder: Path, *, options: Annotated[ReportOptions, Parameter(name="*")] = ReportOptions()) -> int:
    """Write the results of localize, evaluate, compare or train as one HTML file that works offline.

    Args:
        folder: Output folder of one of these commands.
        options: What to show, and where to write it.
    """
    from weakspot.cli.report import print_report
    from weakspot.cli.report import report as run

    outcome = run(folder, options)
    print_report(outcome)
    return SOME_SKIPPED if outcome.missing else DONE


@app.command
def export(model: str, *, options: Annotated[ExportOptions, Parameter(name="*")] = ExportOptions()) -> int:
    """Export a model and its class maps as one ONNX file, for localize without PyTorch.

    Args:
        model: Run folder, or timm or torchvision name.
        options: What to export, and where to write it.
    """
    from weakspot.cli.export import export as run
    from weakspot.cli.export import print_exported

    print_exported(run(model, options))
    return DONE


@app.command
def serve(model: str = DEFAULT_MODEL, *, options: Annotated[ServeOptions, Parameter(name="*")] = ServeOptions()) -> int:
    """Serve a model: a web page, and an HTTP API with the results of localize.

    Args:
        model: Run folder, file of weakspot export, or timm or torchvision name.
        options: Where to listen, and the limits of a request.
    """
    from weakspot.cli.serve import serve as run

    run(model, options, on_start=lambda url: echo(f"{url}  (Ctrl-C to stop)", flush=True))
    return DONE


@app.command
def review(
    folder: str,
    images: Path | None = None,
    *,
    options: Annotated[ReviewOptions, Parameter(name="*")] = ReviewOptions(),
) -> int:
    """Review localizations in a local page: correct a few boxes, learn from them, and see all others again.

    Args:
        folder: Output folder of weakspot localize; or a run folder or model, which localizes IMAGES first.
        images: Folder of the images; with an output folder, where they are now if they have moved.
        options: Where to listen, and where to write.
    """
    from weakspot.cli.review import review as run

    run(folder, images, options, on_start=lambda url: echo(f"{url}  (Ctrl-C to stop)", flush=True))
    return DONE


@app.command
def check(
    data: Path | None = None,
    *,
    ground_truth: Annotated[Path | None, DATA] = None,
    images: Annotated[Path | None, DATA] = None,
    use_predictions: Annotated[bool, DATA] = False,
) -> int:
    """Check a data set; without one, list what is installed and measure the speed of this machine.

    Args:
        data: Folder of the data set.
        ground_truth: File of the ground-truth boxes (CSV, COCO JSON, or a folder of VOC XML), if it is not in DATA.
        images: Folder of the images, if it is not in DATA.
        use_predictions: Use labels that are predictions, which have a score, as if a person had confirmed them.
    """
    from weakspot.cli.check import check_data, print_issues, print_machine

    if data is None:
        print_machine()
        return DONE
    summary, issues = check_data(data, ground_truth=ground_truth, images=images, use_predictions=use_predictions)
    print_issues(summary, issues)
    return SOME_SKIPPED if issues else DONE


@app.command
def threshold(
    run: Path,
    data: Path,
    *,
    options: Annotated[AnnotationOptions, Parameter(name="*")] = AnnotationOptions(),
) -> int:
    """Refit the thresholds of a run to the boxes or masks of a data set, in seconds and without training.

    Args:
        run: Folder of a run.
        data: Folder of the data set; a handful of boxes will do.
        options: Where the boxes are.
    """
    from weakspot.cli.threshold import print_refit, read_annotated, refit

    print_refit(run, refit(run, read_annotated(run, data, options)))
    return DONE


@app.command
def teach(
    run: Path,
    data: Path,
    *,
    options: Annotated[AnnotationOptions, Parameter(name="*")] = AnnotationOptions(),
    forget: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Teach a run with the boxes of a data set, in about a minute and without training the network.

    Boxes, masks, points and images without an object teach a small head, and boxes choose the thresholds.

    Args:
        run: Folder of a run.
        data: Folder of the data set; about five boxes of each class will do. Its test split is left out.
        options: Where the boxes are.
        forget: Forget the boxes of before; otherwise they teach again.
    """
    from weakspot.cli.teach import print_taught, teach_run
    from weakspot.cli.threshold import read_annotated

    print_taught(run, teach_run(run, read_annotated(run, data, options), forget=forget))
    return DONE


@app.command
def download(name: str, folder: Path = Path("data")) -> int:
    """Download a data set from its official source, and extract it: cub.

    Args:
        name: Name of the data set.
        folder: Folder to extract it to.
    """
    from weakspot.data.downloads import download as run

    echo(run(name, folder))
    return DONE


def main(arguments: list[str] | None = None) -> int:
    """Run a command line, and return its exit code; None uses the arguments of this process."""
    return run_command_line(app, sys.argv[1:] if arguments is None else arguments)
