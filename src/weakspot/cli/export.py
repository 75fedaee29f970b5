"""Export a model to one ONNX file."""

from typing import TYPE_CHECKING

from weakspot.cli.demo import PHOTOS, photo_path
from weakspot.data import find_images
from weakspot.errors import InputError
from weakspot.inference.export.options import ExportOptions
from weakspot.io.folders import read_name_file

if TYPE_CHECKING:
    from weakspot.inference.export import Exported


def export(model: str, options: ExportOptions) -> "Exported":
    """Write a classifier and its class maps as one ONNX file, and check it against PyTorch.

    Args:
        model: Run folder, or timm or torchvision name.
        options: What to export, and where to write it.

    Raises:
        InputError: If the method cannot be computed in one graph, or an option does not fit.
        ModelError: If the model cannot be exported, or the graph is not the model.
    """
    images = list(find_images(options.images)) if options.images else [photo_path(photo) for photo in PHOTOS]
    if options.int8 and not options.images:
        raise InputError(
            "8-bit integers are calibrated with photos of the kind that will be localized in.",
            "Name some, a hundred do: --images photos/",
        )
    from weakspot.inference.export import export as run

    return run(
        model,
        options.output,
        images=images,
        int8=options.int8,
        method=options.method,
        quality=options.quality,
        weights="pretrained" if options.weights is None else options.weights,
        class_names=read_name_file(options.class_names),
        layer=options.layer,
        output_stride=options.output_stride,
        input_size=options.input_size,
        threshold=options.threshold,
    )
