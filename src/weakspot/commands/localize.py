"""Localize in files and folders, and write what was found row by row."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PIL import Image

from weakspot import __version__
from weakspot.commands.options import LocalizeOptions
from weakspot.commands.pictures import grey, picture_name
from weakspot.commands.progress import Progress
from weakspot.commands.rows import Rows
from weakspot.data import MAX_PIXELS, RUN_FILE, ImageSource, find_images
from weakspot.errors import InputError, WeakspotError
from weakspot.outputs import free_folder, read_lines
from weakspot.settings import check_settings, keep_settings
from weakspot.writing import save_image

if TYPE_CHECKING:
    from weakspot.localizer import Localizer, OnError
    from weakspot.qualities import QualityName
    from weakspot.results import Localization

# Settings that change how fast a run is or what it writes beside the rows, not what is in a row.
_FREE_TO_CHANGE = (
    "output",
    "resume",
    "save_plots",
    "save_masks",
    "save_heatmaps",
    "device",
    "backend",
    "batch_size",
    "workers",
    "max_pixels",
)
# What settings are that an earlier version, which did not know them, has not kept.
_BEFORE = asdict(LocalizeOptions()) | {"quality": "plain"}

# So many photos are looked at, for what foreground looks like in them, before the first is localized.
_MOST_LEARNT_FROM = 256


@dataclass(frozen=True)
class LocalizeOutcome:
    """What a run did.

    Attributes:
        rows: The file of what was found, one row an image.
        skipped: The file of images that could not be read, one row each.
        localized: Number of images localized by this run.
        failed: Number of images skipped by this run.
        last: The last localization, or None.
    """

    rows: Path
    skipped: Path
    localized: int
    failed: int
    last: "Localization | None"


def localize(sources: Sequence[str], options: LocalizeOptions) -> LocalizeOutcome:
    """Localize in every image that the sources name.

    Rows are written one by one, in the order of the images, so an interrupted run keeps what it has.

    Args:
        sources: Files, folders, glob patterns, or ``-`` for a list on stdin.
        options: What to localize with, and where to write it.

    Raises:
        InputError: If the options or sources cannot be used, if the output folder holds another run's rows, or
            if the only image named cannot be read.
    """
    if not sources:
        raise InputError(
            "No images were named.", "Give files, folders, patterns such as 'photos/*.jpg', or - for stdin."
        )
    output = _output_folder(options)
    # The model says these when it is loaded.
    unknown = tuple(name for name in ("method", "quality") if getattr(options, name) is None)
    check_settings(output / RUN_FILE, asdict(options), free=(*_FREE_TO_CHANGE, *unknown), missing=_BEFORE)
    rows = Rows(output / "boxes.jsonl", resume=options.resume)
    total, done = (None, 0) if "-" in sources else _count(sources, rows.images)
    localizer = _localizer(options)
    if localizer.adapts and "-" not in sources:
        localizer.adapt(some_of(list(find_images(sources))))
    options = replace(options, method=localizer.method, quality=cast("QualityName", localizer.quality))
    check_settings(output / RUN_FILE, asdict(options), free=_FREE_TO_CHANGE, missing=_BEFORE)
    skipped = _skipped(output / "skipped.jsonl", options.resume)
    with closing(rows), closing(skipped), Progress(total, done=done) as progress:
        writer = _Writer(rows, skipped, progress, options, output, alone=_is_one_file(sources))
        waiting = (path for path in find_images(sources) if str(path) not in rows.images)
        try:
            for found in _localizations(localizer, waiting, options, writer.skip):
                writer.write(found)
        except KeyboardInterrupt as interrupt:
            go_on = f"What was written is kept; go on with the same command and --resume --output {output}."
            raise KeyboardInterrupt(go_on) from interrupt
    return LocalizeOutcome(rows.path, skipped.path, writer.localized, writer.failed, writer.last)


@dataclass
class _Writer:
    """Writes a run's rows and pictures, and counts them."""

    rows: Rows
    skipped: Rows
    progress: Progress
    options: LocalizeOptions
    output: Path
    alone: bool
    localized: int = 0
    failed: int = 0
    last: "Localization | None" = None

    def write(self, found: "Localization") -> None:
        """Write what was found in one image; pictures first, so that a row stands for all of it."""
        if self.localized == 0:
            keep_settings(self.output / RUN_FILE, {"weakspot": __version__, **asdict(self.options)})
        try:
            pictures = list(_pictures(found, self.options))
        except WeakspotError as error:  # the photo went away since it was localized
            self.skip(found.image, error)
            return
        for picture, name in pictures:
            save_image(picture, self.output / name)
        self.rows.write(found.to_dict())
        self.localized, self.last = self.localized + 1, found
        self.progress.advance()

    def skip(self, image: ImageSource, error: WeakspotError) -> None:
        """List an image that could not be localized; alone, it is the user's mistake."""
        if self.alone:
            raise error
        self.failed += 1
        self.skipped.write({"image": str(image), "problem": error.problem, "hint": error.hint})
        self.progress.advance()


def some_of(images: list[Path]) -> list[Path]:
    """Images from all over the list, as those of one folder may be alike; the same whether or not a run is resumed."""
    return images[:: max(len(images) // _MOST_LEARNT_FROM, 1)][:_MOST_LEARNT_FROM]


def _count(sources: Sequence[str], known: Collection[str]) -> tuple[int, int]:
    """Count the images that the sources name, and those among them that are known."""
    total = done = 0
    for path in find_images(sources):
        total += 1
        done += str(path) in known
    return total, done


def _is_one_file(sources: Sequence[str]) -> bool:
    """Whether the sources are one file, named itself."""
    return len(sources) == 1 and sources[0] != "-" and list(islice(find_images(sources), 2)) == [Path(sources[0])]


def _localizer(options: LocalizeOptions) -> "Localizer":
    from weakspot.localizer import Localizer

    return Localizer(
        options.model,
        method=options.method,
        quality=options.quality,
        layer=options.layer or None,
        class_names=read_lines(options.class_names),
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
        doubt=options.doubt,
        backend=options.backend,
    )


def _localizations(
    localizer: "Localizer", images: Iterator[Path], options: LocalizeOptions, skip: "OnError"
) -> "Iterator[Localization]":
    return localizer.stream(
        images,
        batch_size=options.batch_size,
        workers=options.workers,
        classes=options.classes or None,
        top_k=options.top_k,
        on_error=skip,
    )


def _skipped(path: Path, resume: bool) -> Rows:
    """The list of skipped images; a resumed run tries them again, and lists those that are still unreadable."""
    if resume:
        path.unlink(missing_ok=True)
    return Rows(path)


def _output_folder(options: LocalizeOptions) -> Path:
    if options.output is not None:
        return options.output
    if options.resume:
        raise InputError("--resume does not say which run to go on with.", "Name its folder with --output.")
    return free_folder("localized")


def _pictures(found: "Localization", options: LocalizeOptions) -> Iterator[tuple[Image.Image, Path]]:
    """Make the pictures of each class and their names; further classes have their index in the name."""
    for one in found:
        name = picture_name(Path(str(found.image))) + ("" if one is found else f".{one.class_index}") + ".png"
        if options.save_plots:
            yield one.plot(), Path("plots", name)
        if options.save_masks:
            yield Image.fromarray(one.mask), Path("masks", name)
        if options.save_heatmaps:
            yield grey(one.heatmap), Path("heatmaps", name)
