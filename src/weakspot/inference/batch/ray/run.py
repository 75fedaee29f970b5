"""Localize on a cluster, by Ray: the images are cut into parts, each of which becomes a shard."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from weakspot.config import __version__
from weakspot.data import find_images
from weakspot.errors import InputError, WeakspotError
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.ray.actors import Run, localize_parts
from weakspot.inference.batch.ray.connect import allocate_actors, check_ray, connected
from weakspot.inference.batch.ray.plan import ShardPlan, plan, unplan
from weakspot.inference.batch.ray.shard import BEGUN
from weakspot.inference.batch.run_folder import LocalizeOutcome, check_run, folder_lock, keep_run
from weakspot.inference.batch.worker import FOREGROUND, WorkerFactory, adapt, open_localizer, some_of_all
from weakspot.io.manifest import MANIFEST, ShardInfo, read_manifest, write_manifest
from weakspot.io.parquet import check_pyarrow
from weakspot.io.progress import Progress
from weakspot.io.rows import count_rows
from weakspot.io.run_files import RUN_FILE
from weakspot.io.shards import skipped_file

if TYPE_CHECKING:
    from weakspot.inference.localizer import Localizer
    from weakspot.inference.quality import QualityName


def localize_on_ray(sources: Sequence[str], options: LocalizeOptions) -> LocalizeOutcome:
    """Localize in every image that the sources name and that has no row yet.

    Args:
        sources: As for ``localize``.
        options: As for ``localize``; ``output`` is a folder that all machines share.

    Raises:
        InputError: If the options or sources cannot be used, the cluster cannot be reached, or a worker cannot read or
            write the folder. What was done stays.
        ModelError: If the model cannot be used.
    """
    output = cast(Path, options.output)
    check_ray()
    if options.format == "parquet":
        check_pyarrow()
    with folder_lock(output, "rows"):
        localizer = open_localizer(
            options
        )  # what is wrong with it is told at once, and all actors read it in the same way
        options = replace(options, method=localizer.method, quality=cast("QualityName", localizer.quality))
        check_run(output, options, sources)
        with connected(options.address):
            parts = _planned(sources, options, localizer)
            del localizer
            try:
                _localize(parts, options)
            except KeyboardInterrupt as interrupt:
                go_on = f"What was written is kept; go on with the same command and --output {output}."
                raise KeyboardInterrupt(go_on) from interrupt
            finally:
                shutil.rmtree(output / BEGUN, ignore_errors=True)
        return _outcome(output)


def _planned(sources: Sequence[str], options: LocalizeOptions, localizer: "Localizer") -> list[ShardInfo]:
    """List the images, let the model learn from some of them if it does, and keep the settings."""
    output = cast(Path, options.output)
    actors, _ = allocate_actors(options.num_actors, options.device)
    cutting = ShardPlan(options.format, max(1, options.batch_size), actors, options.images_per_shard)
    try:
        parts = plan(output, find_images(sources), cutting)
    except WeakspotError:
        unplan(output)
        raise
    if "-" not in sources:
        adapt(localizer, lambda: some_of_all(sources), output / FOREGROUND, again=(output / RUN_FILE).exists())
    keep_run(output, options, sources)
    return parts


def _localize(parts: Sequence[ShardInfo], options: LocalizeOptions) -> None:
    """Localize in the images of all parts that have no row."""
    output = cast(Path, options.output)
    actors, gpu = allocate_actors(options.num_actors, options.device)
    waiting = [part for part in parts if count_rows(output / part.file) != part.images]
    total = sum(part.images for part in parts)
    run = Run(output.absolute(), Path.cwd(), WorkerFactory(options, output))
    with Progress(total, done=total - sum(part.images for part in waiting)) as progress:
        for done in localize_parts(waiting, run, actors=actors, gpu=gpu) if waiting else ():
            progress.advance(done.images)


def _outcome(output: Path) -> LocalizeOutcome:
    """Count what is there, and write the manifest that says it."""
    shards = [_counted(output, part) for part in read_manifest(output / MANIFEST)]
    write_manifest(output / MANIFEST, shards, weakspot=__version__)
    lost = sum(one.images - (one.localized or 0) - (one.skipped or 0) for one in shards)
    if lost > 0:
        raise InputError(f"{lost} images have neither a row nor a reason why.", "Run the same command again.")
    localized, failed = (sum(getattr(one, name) or 0 for one in shards) for name in ("localized", "skipped"))
    return LocalizeOutcome(output / MANIFEST, output / "skipped-*.jsonl", localized, failed)


def _counted(output: Path, part: ShardInfo) -> ShardInfo:
    file = output / part.file
    return replace(part, localized=count_rows(file), skipped=count_rows(skipped_file(file)))
