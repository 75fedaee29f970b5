"""Localize in files, folders and lists, and write what was found row by row."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from weakspot.data import ImageSource, find_images
from weakspot.errors import InputError, WeakspotError
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.run_folder import (
    LocalizeOutcome,
    check_apart,
    check_run,
    folder_lock,
    keep_run,
    output_folder,
)
from weakspot.inference.batch.worker import (
    FOREGROUND,
    Picture,
    adapt,
    localizations,
    open_localizer,
    save_pictures,
    some_of_all,
)
from weakspot.io.manifest import ShardInfo, write_manifest
from weakspot.io.progress import Progress
from weakspot.io.row_writer import JsonlWriter
from weakspot.io.rows import count_rows
from weakspot.io.run_files import RUN_FILE
from weakspot.io.shards import ROWS, UNFINISHED, ShardSpec, parse_shard, skipped_file

if TYPE_CHECKING:
    from weakspot.inference.localization import Localization
    from weakspot.inference.quality import QualityName


def localize(sources: Sequence[str], options: LocalizeOptions) -> LocalizeOutcome:
    """Localize in every image that the sources name.

    JsonlWriter are written one by one, in the order of the images, so an interrupted run keeps what it has.

    Args:
        sources: Files, folders, glob patterns, lists, or ``-`` for a list on stdin.
        options: What to localize with, and where to write it.

    Raises:
        InputError: If the options or sources cannot be used, if the output folder holds another run's rows, or
            if the only image named cannot be read.
    """
    if not sources:
        raise InputError(
            "No images were named.", "Give files, folders, patterns such as 'photos/*.jpg', or - for stdin."
        )
    _check_engine(options)
    options = replace(options, output=output_folder(options))
    check_apart(sources, cast(Path, options.output))
    check_run(cast(Path, options.output), options, sources)
    if options.engine == "ray":
        from weakspot.inference.batch.ray.run import localize_on_ray

        return localize_on_ray(sources, options)
    if options.shard is not None:
        return _localize_shard(sources, options, parse_shard(options.shard))
    with closing(JsonlWriter(cast(Path, options.output) / ROWS, resume=options.resume)) as rows:
        return _localize(_Images(sources), rows, options, again=options.resume)


def _check_engine(options: LocalizeOptions) -> None:
    if options.engine == "ray" and options.shard is not None:
        raise InputError("--engine ray makes shards itself.", "Leave --shard out, or --engine.")
    if options.engine == "local" and options.format == "parquet":
        raise InputError("Parquet files cannot take rows one by one.", "Add --engine ray, or leave --format out.")
    for name in ("address", "num_actors", "images_per_shard"):
        if options.engine == "local" and getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} is for --engine ray.", "Add --engine ray, or leave it out.")
    for name in ("num_actors", "images_per_shard"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(options, name)} is too few.", "Give 1 or more.")


@dataclass(frozen=True)
class _Images:
    """What a run is about: the images that the sources name, or a shard of them."""

    sources: Sequence[str]
    share: ShardSpec | None = None

    def __iter__(self) -> Iterator[Path]:
        found = find_images(self.sources)
        return found if self.share is None else (path for path in found if self.share.contains(str(path)))

    @property
    def only_once(self) -> bool:
        """Whether they can be listed once only."""
        return "-" in self.sources

    @property
    def is_one_file(self) -> bool:
        """Whether they are one file, named itself."""
        alone = len(self.sources) == 1 and not self.only_once
        return alone and list(islice(self, 2)) == [Path(self.sources[0])]


def _localize_shard(sources: Sequence[str], options: LocalizeOptions, share: ShardSpec) -> LocalizeOutcome:
    """Localize in the images of one shard, and go on with it by itself if it was begun before."""
    file = cast(Path, options.output) / f"boxes-{share.name}.jsonl"
    with folder_lock(file.parent, share.name):
        with closing(JsonlWriter(file.with_name(file.name + UNFINISHED), resume=True, finished=file)) as rows:
            outcome = _localize(_Images(sources, share), rows, options, again=True)
            rows.finish()
        localized, skipped = count_rows(file), count_rows(skipped_file(file))
        one = ShardInfo(file.name, localized + skipped, None, localized, skipped)
        write_manifest(file.with_name(f"manifest-{share.name}.json"), [one])
    return replace(outcome, rows=file)


def _localize(images: _Images, rows: JsonlWriter, options: LocalizeOptions, *, again: bool) -> LocalizeOutcome:
    """Localize in images one after the other; those that have a row are passed over."""
    output = cast(Path, options.output)
    total, done = (None, 0) if images.only_once else _count(images, rows.images)
    localizer = open_localizer(options)
    if not images.only_once:
        going_on = again and (output / RUN_FILE).exists()
        adapt(localizer, lambda: some_of_all(images.sources), output / FOREGROUND, again=going_on)
    options = replace(options, method=localizer.method, quality=cast("QualityName", localizer.quality))
    check_run(output, options, images.sources)
    if options.shard is not None:  # before another shard's first row
        keep_run(output, options, images.sources)
    skipped = _skipped(skipped_file(rows.path), again)
    with closing(skipped), Progress(total, done=done) as progress:
        writer = _Writer(rows, skipped, progress, options, output, images.sources, alone=images.is_one_file)
        waiting = skip_processed(rows.images, images)
        try:
            for found, pictures in localizations(localizer, waiting, options, writer.skip):
                writer.write(found, pictures)
        except KeyboardInterrupt as interrupt:
            resume = "" if options.shard else "--resume "
            go_on = f"What was written is kept; go on with the same command and {resume}--output {output}."
            raise KeyboardInterrupt(go_on) from interrupt
    return LocalizeOutcome(rows.path, skipped.path, writer.localized, writer.failed, writer.last)


@dataclass
class _Writer:
    """Writes a run's rows and pictures, and counts them."""

    rows: JsonlWriter
    skipped: JsonlWriter
    progress: Progress
    options: LocalizeOptions
    output: Path
    sources: Sequence[str]
    alone: bool
    localized: int = 0
    failed: int = 0
    last: "Localization | None" = None

    def write(self, found: "Localization", pictures: list[Picture]) -> None:
        """Write what was found in one image; pictures first, so that a row stands for all of it."""
        if self.localized == 0:
            keep_run(self.output, self.options, self.sources)
        save_pictures(pictures, self.output)
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


def skip_processed(known: Collection[str], images: Iterable[Path]) -> Iterator[Path]:
    """Give each image that is not known, once."""
    given: set[str] = set()
    for path in images:
        if str(path) not in known and str(path) not in given:
            given.add(str(path))
            yield path


def _count(images: _Images, known: Collection[str]) -> tuple[int, int]:
    """Count the images, and those among them that are known."""
    total = done = 0
    for path in images:
        total += 1
        done += str(path) in known
    return total, done


def _skipped(path: Path, resume: bool) -> JsonlWriter:
    """The list of skipped images; a resumed run tries them again, and lists those that are still unreadable."""
    if resume:
        path.unlink(missing_ok=True)
    return JsonlWriter(path)
