"""From the options of ``weakspot localize`` to what localizes, in this process or in another."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from weakspot.data import MAX_PIXELS, find_images
from weakspot.errors import WeakspotError
from weakspot.inference.batch.image_files import grey, picture_name
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.io.atomic import save_image
from weakspot.io.folders import read_name_file

if TYPE_CHECKING:
    from weakspot.inference.batch.ray.isolate import LocalizeFn
    from weakspot.inference.localization import Localization
    from weakspot.inference.localizer import Localizer, OnError

Picture = tuple[Image.Image, Path]
# So many photos are looked at, for what foreground looks like in them, before the first is localized.
_MOST_LEARNT_FROM = 256
FOREGROUND = "foreground.safetensors"


def open_localizer(options: LocalizeOptions) -> "Localizer":
    """Open the model that the options name."""
    from weakspot.inference.localizer import Localizer

    return Localizer(
        options.model,
        method=options.method,
        quality=options.quality,
        layer=options.layer or None,
        class_names=read_name_file(options.class_names),
        input_size=options.input_size,
        device=options.device,
        weights="pretrained" if options.weights is None else options.weights,
        output_stride=options.output_stride,
        threshold=options.threshold,
        boxes=options.boxes,
        min_area=options.min_area,
        min_score=options.min_score,
        refine=options.refine,
        channels=options.channels,
        max_pixels=options.max_pixels or MAX_PIXELS,
        uncertainty=options.uncertainty,
        backend=options.backend,
    )


def sample_evenly(images: Iterable[Path], total: int) -> list[Path]:
    """Images from all over a list of so many, as those of one folder may be alike."""
    return list(islice(images, 0, None, max(total // _MOST_LEARNT_FROM, 1)))[:_MOST_LEARNT_FROM]


def some_of_all(sources: Sequence[str]) -> list[Path]:
    """Images from all over those that the sources name; the same whether or not a run is resumed, or in shards."""
    return sample_evenly(find_images(sources), sum(1 for _ in find_images(sources)))


def adapt(localizer: "Localizer", photos: Callable[[], Sequence[Path]], file: Path, *, again: bool) -> None:
    """Let a model learn what foreground looks like, if its quality asks for it; and keep what was learnt.

    Args:
        localizer: The model.
        photos: Gives those to learn from.
        file: Where it is kept.
        again: Whether a run goes on: then what it has learnt before is taken.
    """
    if not localizer.adapts:
        return
    from weakspot.inference.adaptation import read_head, write_head

    if again and file.exists():
        localizer.set_foreground_head(read_head(file))
    else:
        localizer.adapt(photos())
        write_head(localizer.torch_backend.cut.foreground, file)


def localizations(
    localizer: "Localizer", images: Iterable[Path], options: LocalizeOptions, skip: "OnError"
) -> "Iterator[tuple[Localization, list[Picture]]]":
    """Localize in images as the options say, and make the pictures that are asked for, with their names.

    Args:
        localizer: The model.
        images: Where to localize.
        options: How.
        skip: Is given each image that cannot be localized, or not be drawn any more.
    """
    for found in localizer.stream(
        images,
        batch_size=options.batch_size,
        workers=options.workers,
        classes=options.classes or None,
        top_k=options.top_k,
        on_error=skip,
    ):
        try:
            pictures = list(_pictures(found, options))
        except WeakspotError as error:  # the photo went away since it was localized
            skip(found.image, error)
        else:
            yield found, pictures


def save_pictures(pictures: "Iterable[Picture]", output: Path) -> None:
    """Write pictures below a folder."""
    for picture, name in pictures:
        save_image(picture, output / name)


def _pictures(found: "Localization", options: LocalizeOptions) -> "Iterator[Picture]":
    """Make the pictures of each class; further classes have their index in the name."""
    if not (options.save_plots or options.save_masks or options.save_heatmaps):
        return
    for one in found:
        name = picture_name(Path(str(found.image))) + ("" if one is found else f".{one.class_index}") + ".png"
        if options.save_plots:
            yield one.plot(), Path("plots", name)
        if options.save_masks:
            yield Image.fromarray(one.mask), Path("masks", name)
        if options.save_heatmaps:
            yield grey(one.heatmap), Path("heatmaps", name)


@dataclass(frozen=True)
class WorkerFactory:
    """Opens a model in another process, to localize in images and give their rows.

    Attributes:
        options: As for :func:`open_localizer`.
        output: Where pictures go, and where what the model has learnt of foreground is kept.
    """

    options: LocalizeOptions
    output: Path

    def __call__(self) -> "LocalizeFn":
        """Open it."""
        localizer = open_localizer(self.options)
        if (self.output / FOREGROUND).exists():
            adapt(localizer, list, self.output / FOREGROUND, again=True)
        return partial(self._find, localizer)

    def _find(self, localizer: "Localizer", images: Sequence[str], skip: "OnError") -> Iterator[dict[str, Any]]:
        for found, pictures in localizations(localizer, map(Path, images), self.options, skip):
            save_pictures(pictures, self.output)
            yield found.to_dict()
