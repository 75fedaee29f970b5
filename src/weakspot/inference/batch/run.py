"""Localize objects in files, folders and lists of images, and write one row per image."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from glob import has_magic
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from weakspot.data import ImageSource, find_images
from weakspot.data.decoding import read_sizes
from weakspot.data.decoding_apart import decoding_apart
from weakspot.data.image_lists import is_list
from weakspot.data.passed_over import describe_passed_over, passed_over
from weakspot.errors import InputError, WeakspotError, check_positive
from weakspot.inference.batch.model_identity import ModelIdentity
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.run_folder import (
    LocalizeOutcome,
    check_not_a_source,
    check_run,
    knows_no_model,
    output_folder,
    save_run,
)
from weakspot.inference.batch.worker import (
    FOREGROUND,
    OutputImage,
    adapt,
    load_localizer,
    localize_images,
    sample_sources,
    save_outputs,
)
from weakspot.inference.early_checks import check_images, check_model
from weakspot.inference.folder_classes import FolderCounts, choose_classes
from weakspot.inference.wide_boxes import WideBoxes
from weakspot.io.folder_lock import folder_lock
from weakspot.io.folders import RUN_FILE, check_writable, is_folder
from weakspot.io.manifest import ShardInfo, write_manifest
from weakspot.io.progress import Progress
from weakspot.io.row_writer import JsonlWriter
from weakspot.io.rows import count_rows
from weakspot.io.shards import ROWS, UNFINISHED, ShardSpec, parse_shard, skipped_file

if TYPE_CHECKING:
    from weakspot.config import QualityName
    from weakspot.inference.localization import Localization
    from weakspot.inference.localizer import Localizer

_log = logging.getLogger("weakspot")


@decoding_apart()
def localize(sources: Sequence[str], options: LocalizeOptions) -> LocalizeOutcome:
    """Localize objects in every image of files, folders, glob patterns, lists, or ``-`` for a list on stdin.

    Rows are written one by one, in the order of the images, so an interrupted run loses none. The error of a single
    image that cannot be read is raised.

    Raises:
        InputError: ``missing-images`` without a source, ``options-conflict`` for options that exclude each other,
            ``settings-mismatch`` if the output folder contains another run.
        ModelError: If the model cannot be loaded.
    """
    if not sources:
        raise InputError(
            "missing-images",
            "localize needs at least one image.",
            "Pass files, folders, patterns such as 'images/*.jpg', or - for stdin.",
        )
    check_positive(options.batch_size, "--batch-size")
    _check_engine(options)
    check_model(options.model, options)
    options = replace(options, output=output_folder(options))
    check_writable(cast(Path, options.output))
    check_not_a_source(sources, cast(Path, options.output))
    _check_files(sources)
    shard = None if options.shard is None else parse_shard(options.shard)
    with folder_lock(cast(Path, options.output), None if shard is None else shard.name):
        model = _identify(cast(Path, options.output), options, sources)
        outcome = _localize_by_engine(sources, options, model, shard)
    note = describe_passed_over(list(passed_over(sources)))
    return replace(outcome, notes=(*outcome.notes, note)) if note else outcome


def _identify(output: Path, options: LocalizeOptions, sources: Sequence[str]) -> ModelIdentity:
    """Identify the model, and check that a run in the output folder has the same one and the same settings."""
    model = ModelIdentity.of(options)
    check_run(output, options, sources, model)
    if knows_no_model(output):
        _log.info("the run in %s does not say which weights it used: it continues with %s", output, options.model)
    return model


def _localize_by_engine(
    sources: Sequence[str], options: LocalizeOptions, model: ModelIdentity, shard: ShardSpec | None
) -> LocalizeOutcome:
    if options.engine == "ray":
        from weakspot.inference.batch.ray.run import localize_on_ray

        return localize_on_ray(sources, options, model)
    if shard is not None:
        return _localize_shard(sources, options, shard, model)
    with closing(JsonlWriter(cast(Path, options.output) / ROWS, resume=options.resume)) as rows:
        return _localize(_Images(sources), rows, options, model, resume=options.resume)


def _check_files(sources: Sequence[str]) -> None:
    """Raise the error of a single image file that cannot be read, or of the first of several that are all missing."""
    if _Images(sources).is_one_file:
        read_sizes(Path(sources[0]))
    elif all(map(_names_a_file, sources)):
        check_images([Path(source) for source in sources])


def _names_a_file(source: str) -> bool:
    """Whether a source can only be an image file, not a folder, a pattern or a list."""
    return not (source == "-" or is_folder(Path(source)) or has_magic(source) or is_list(source))


def _check_engine(options: LocalizeOptions) -> None:
    if options.engine == "ray" and options.shard is not None:
        raise InputError("options-conflict", f"--shard {options.shard} cannot be used with --engine ray.")
    if options.engine == "local" and options.format == "parquet":
        raise InputError("options-conflict", "--format parquet requires --engine ray.")
    for name in ("address", "num_actors", "images_per_shard"):
        if options.engine == "local" and getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')} {getattr(options, name)}"
            raise InputError("options-conflict", f"{option} requires --engine ray.")
    for name in ("num_actors", "images_per_shard"):
        if getattr(options, name) is not None:
            check_positive(getattr(options, name), f"--{name.replace('_', '-')}")


@dataclass(frozen=True)
class _Images:
    """The images of a run: those of the sources, or those of one shard."""

    sources: Sequence[str]
    shard: ShardSpec | None = None

    def __iter__(self) -> Iterator[Path]:
        images = find_images(self.sources)
        return images if self.shard is None else (path for path in images if self.shard.contains(str(path)))

    @property
    def only_once(self) -> bool:
        """Whether the images can be listed only once, because stdin is a source."""
        return "-" in self.sources

    @property
    def is_one_file(self) -> bool:
        """Whether the only source is the path of a single image file."""
        single = len(self.sources) == 1 and not self.only_once
        return single and list(islice(self, 2)) == [Path(self.sources[0])]


def _localize_shard(
    sources: Sequence[str], options: LocalizeOptions, shard: ShardSpec, model: ModelIdentity
) -> LocalizeOutcome:
    """Localize the images of one shard; a shard that was started before is continued."""
    file = cast(Path, options.output) / f"boxes-{shard.name}.jsonl"
    with closing(JsonlWriter(file.with_name(file.name + UNFINISHED), resume=True, finished=file)) as rows:
        outcome = _localize(_Images(sources, shard), rows, options, model, resume=True)
        rows.finish()
    localized, skipped = count_rows(file), count_rows(skipped_file(file))
    info = ShardInfo(file.name, localized + skipped, None, localized, skipped)
    write_manifest(file.with_name(f"manifest-{shard.name}.json"), [info])
    return replace(outcome, rows=file)


def _localize(
    images: _Images, rows: JsonlWriter, options: LocalizeOptions, model: ModelIdentity, *, resume: bool
) -> LocalizeOutcome:
    """Localize all images that have no row yet."""
    total, done = (None, 0) if images.only_once else _count(images, rows.images)
    with decoding_apart() as decoders:
        # While the model is loaded; more of them start when they are needed.
        decoders.start(options.workers if total is None else min(options.workers, total - done))
        localizer = load_localizer(options, decoders)
        return _localize_by(localizer, images, rows, options, model, resume=resume, progress=(total, done))


def _localize_by(
    localizer: "Localizer",
    images: _Images,
    rows: JsonlWriter,
    options: LocalizeOptions,
    model: ModelIdentity,
    *,
    resume: bool,
    progress: tuple[int | None, int],
) -> LocalizeOutcome:
    """Localize with a loaded model; ``progress`` is the number of all images, if known, and of those done before."""
    total, done = progress
    output = cast(Path, options.output)
    if not images.only_once:
        continued = resume and (output / RUN_FILE).exists()
        adapt(localizer, lambda: sample_sources(images.sources), output / FOREGROUND, resume=continued)
    options = replace(options, method=localizer.method, quality=cast("QualityName", localizer.quality))
    model = model.loaded(localizer)
    check_run(output, options, images.sources, model)
    if options.shard is not None:  # before the first row of another shard
        save_run(output, options, images.sources, model)
    skipped = _skipped_writer(skipped_file(rows.path), resume)
    with closing(skipped), Progress(total, done=done) as bar:
        writer = _Writer(rows, skipped, bar, options, output, images.sources, model, single=images.is_one_file)
        remaining = skip_processed(rows.images, images)
        counts = FolderCounts.of(localizer)
        try:
            for localization, outputs in localize_images(localizer, remaining, options, counts, writer.skip):
                writer.write(localization, outputs)
        except KeyboardInterrupt as interrupt:
            flag = "" if options.shard else "--resume "
            advice = f"Results so far are saved. To continue, repeat the command with {flag}--output {output}."
            raise KeyboardInterrupt(advice) from interrupt
    choice = choose_classes(options.classes, localizer.class_names)
    notes = (*choice.notes, *counts.notes(by_folder=choice.by_folder), *writer.wide.notes())
    return LocalizeOutcome(rows.path, skipped.path, writer.localized, writer.failed, writer.last, notes)


@dataclass
class _Writer:
    """Writes the rows and output images of a run, and counts them."""

    rows: JsonlWriter
    skipped: JsonlWriter
    progress: Progress
    options: LocalizeOptions
    output: Path
    sources: Sequence[str]
    model: ModelIdentity
    single: bool
    localized: int = 0
    failed: int = 0
    last: "Localization | None" = None
    wide: WideBoxes = field(default_factory=WideBoxes)

    def write(self, localization: "Localization", outputs: list[OutputImage]) -> None:
        """Write the output images and then the row of an image, so that an image with a row is complete."""
        if self.localized == 0:
            save_run(self.output, self.options, self.sources, self.model)
        save_outputs(outputs, self.output)
        self.rows.write(localization.to_dict())
        self.localized, self.last = self.localized + 1, localization
        self.wide.add(localization)
        self.progress.advance()

    def skip(self, image: ImageSource, error: WeakspotError) -> None:
        """List an image that cannot be processed; raise the error if it is the only image."""
        if self.single:
            raise error
        self.failed += 1
        self.skipped.write({"image": str(image), "problem": error.problem, "hint": error.hint})
        self.progress.advance()


def skip_processed(processed: Collection[str], images: Iterable[Path]) -> Iterator[Path]:
    """Yield each image that is not among the processed ones, once."""
    seen: set[str] = set()
    for path in images:
        if str(path) not in processed and str(path) not in seen:
            seen.add(str(path))
            yield path


def _count(images: _Images, processed: Collection[str]) -> tuple[int, int]:
    """Count all images, and the processed ones among them."""
    total = done = 0
    for path in images:
        total += 1
        done += str(path) in processed
    return total, done


def _skipped_writer(path: Path, resume: bool) -> JsonlWriter:
    """Open the list of skipped images; a resumed run starts it again, since it retries them."""
    if resume:
        path.unlink(missing_ok=True)
    return JsonlWriter(path)
