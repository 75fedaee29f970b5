"""Create a Localizer from command options and run it, in this process or in a worker process."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from weakspot.data import DecoderPool, find_images
from weakspot.data.decoding_apart import decoding_apart
from weakspot.data.image_files import errors_of_image
from weakspot.errors import WeakspotError
from weakspot.inference.batch.image_files import gray_image, output_name
from weakspot.inference.batch.model_identity import ModelIdentity, check_unchanged
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.command_options import localizer_options
from weakspot.inference.folder_classes import FolderCounts, choose_classes, localize_choice
from weakspot.io.atomic import save_image

if TYPE_CHECKING:
    from weakspot.inference.batch.ray.isolate import LocalizeFn
    from weakspot.inference.localization import Localization
    from weakspot.inference.localizer import Localizer, OnError

OutputImage = tuple[Image.Image, Path]
# Number of images that the foreground head is fitted to, before the first image is localized.
_MAX_FIT_IMAGES = 256
FOREGROUND = "foreground.safetensors"


def load_localizer(options: LocalizeOptions, decoders: DecoderPool) -> "Localizer":
    """Load the model that the options name."""
    from weakspot.inference.localizer import Localizer

    return Localizer.from_options(options.model, localizer_options(options, decoders=decoders))


def sample_evenly(images: Iterable[Path], total: int) -> list[Path]:
    """Sample at most 256 of ``total`` images at equal steps, since neighbors in a folder may be alike."""
    return list(islice(images, 0, None, max(total // _MAX_FIT_IMAGES, 1)))[:_MAX_FIT_IMAGES]


def sample_sources(sources: Sequence[str]) -> list[Path]:
    """Sample images of all sources; the sample is the same for every shard and for a resumed run."""
    return sample_evenly(find_images(sources), sum(1 for _ in find_images(sources)))


def adapt(localizer: "Localizer", images: Callable[[], Sequence[Path]], file: Path, *, resume: bool) -> None:
    """Fit the foreground head to the images and save it to the file, if the quality of the localizer uses one.

    With ``resume``, the head is read from the file if it exists.
    """
    if not localizer.needs_adaptation:
        return
    from weakspot.inference.adaptation import read_head, write_head

    if resume and file.exists():
        localizer.set_foreground_head(read_head(file))
    else:
        localizer.adapt(images())
        write_head(localizer.torch_backend.classifier.foreground, file)


def localize_images(
    localizer: "Localizer", images: Iterable[Path], options: LocalizeOptions, counts: FolderCounts, skip: "OnError"
) -> "Iterator[tuple[Localization, list[OutputImage]]]":
    """Localize objects in images, and draw the output images that the options request.

    Yields the localization of each image, and its output images with their relative paths; ``counts`` counts the
    predictions by the classes of folders, and ``skip`` is called with each image that cannot be processed, and its
    error.
    """
    choice = choose_classes(options.classes, localizer.class_names)
    how: dict[str, Any] = {"batch_size": options.batch_size, "workers": options.workers, "on_error": skip}
    for localization in localize_choice(localizer, images, choice, counts, top_k=options.top_k, **how):
        try:
            with errors_of_image(str(localization.image)):  # its file was deleted meanwhile, or it is too large to draw
                outputs = list(_output_images(localization, options))
        except WeakspotError as error:
            skip(localization.image, error)
        else:
            yield localization, outputs


def save_outputs(outputs: "Iterable[OutputImage]", folder: Path) -> None:
    """Write output images below a folder."""
    for image, name in outputs:
        save_image(image, folder / name)


def _output_images(localization: "Localization", options: LocalizeOptions) -> "Iterator[OutputImage]":
    """Draw the output images of each class; the name contains the index of every class but the first."""
    if not (options.save_plots or options.save_masks or options.save_heatmaps):
        return
    for item in localization:
        suffix = "" if item is localization else f".{item.class_index}"
        name = f"{output_name(Path(str(localization.image)))}{suffix}.png"
        if options.save_plots:
            yield item.plot(), Path("plots", name)
        if options.save_masks:
            yield Image.fromarray(item.mask), Path("masks", name)
        if options.save_heatmaps:
            yield gray_image(item.heatmap), Path("heatmaps", name)


@dataclass(frozen=True)
class WorkerFactory:
    """Creates the function that localizes images in a worker process; instances can be pickled.

    ``output`` is the folder of the output images and of the fitted foreground head. A worker that starts later refuses
    another model than ``model``, such as that of a link to the latest run.
    """

    options: LocalizeOptions
    output: Path
    model: ModelIdentity

    def __call__(self) -> "LocalizeFn":
        """Load the model."""
        check_unchanged(self.options, self.model)
        localizer = load_localizer(self.options, DecoderPool())
        if (self.output / FOREGROUND).exists():
            adapt(localizer, list, self.output / FOREGROUND, resume=True)
        return partial(self._localize, localizer)

    def _localize(self, localizer: "Localizer", images: Sequence[str], skip: "OnError") -> Iterator[dict[str, Any]]:
        counts = FolderCounts.of(localizer)
        with decoding_apart(decoders=localizer.decoders):
            for localization, outputs in localize_images(localizer, map(Path, images), self.options, counts, skip):
                save_outputs(outputs, self.output)
                yield localization.to_dict()
