"""Export a model to one ONNX file."""

from typing import TYPE_CHECKING

from weakspot.cli.demo import IMAGES, sample_image
from weakspot.data import find_images
from weakspot.data.decoding_apart import decoding_apart
from weakspot.errors import InputError
from weakspot.inference.command_options import shared_fields
from weakspot.inference.early_checks import check_images, check_model
from weakspot.inference.export.checks import check_export
from weakspot.inference.export.options import ExportOptions
from weakspot.inference.options import LocalizerOptions
from weakspot.io.folder_lock import file_lock
from weakspot.io.folders import check_writable
from weakspot.terminal import echo

if TYPE_CHECKING:
    from weakspot.inference.export import ExportResult


@decoding_apart()
def export(model: str, options: ExportOptions) -> "ExportResult":
    """Write a classifier and its class maps as one ONNX file, and compare it with PyTorch."""
    if options.int8 and not options.images:
        problem = "--int8 requires images for calibration."
        raise InputError("missing-images", problem, "Add about a hundred typical ones: --images images/")
    check_export(model, options.output)
    check_model(model, options)
    check_writable(options.output.parent)
    images = list(find_images(options.images)) if options.images else [sample_image(name) for name in IMAGES]
    check_images(images)
    localizer_options = shared_fields(options, LocalizerOptions)
    with file_lock(options.output):
        from weakspot.inference.export import export as run

        return run(model, options.output, images=images, int8=options.int8, **localizer_options)


def print_exported(exported: "ExportResult") -> None:
    """Print the differences between a graph and PyTorch, and the path of the file."""
    echo(f"{exported.metadata.info.method}, quality {exported.metadata.info.quality}, compared with PyTorch:")
    for name, difference in (("32-bit floats", exported.difference), ("8-bit integers", exported.int8)):
        if difference is not None:
            echo(
                f"{name}: logits differ by {difference.logits:.1e} of their standard deviation, maps by "
                f"{difference.maps:.1e} of their range; same class in {difference.agreement:.0%} of "
                f"{difference.images} images"
            )
    echo(exported.path)
