"""Localize on a Ray cluster: the images are divided into shards, which actors process."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from weakspot.config import __version__
from weakspot.data import find_images
from weakspot.data.decoding_apart import decoding_apart
from weakspot.errors import InputError, WeakspotError
from weakspot.inference.batch.model_identity import ModelIdentity
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.inference.batch.ray.actors import Run, localize_shards
from weakspot.inference.batch.ray.connect import allocate_actors, check_ray, connected
from weakspot.inference.batch.ray.plan import ShardPlan, plan, unplan
from weakspot.inference.batch.ray.shard import ATTEMPTS
from weakspot.inference.batch.run_folder import LocalizeOutcome, check_run, save_run
from weakspot.inference.batch.worker import FOREGROUND, WorkerFactory, adapt, load_localizer, sample_sources
from weakspot.io.folders import RUN_FILE
from weakspot.io.manifest import MANIFEST, ShardInfo, read_manifest, write_manifest
from weakspot.io.parquet import check_pyarrow
from weakspot.io.progress import Progress
from weakspot.io.rows import count_rows
from weakspot.io.shards import skipped_file
from weakspot.io.temporary_files import remove_temporary_files

if TYPE_CHECKING:
    from weakspot.config import QualityName
    from weakspot.inference.localizer import Localizer


def localize_on_ray(sources: Sequence[str], options: LocalizeOptions, model: ModelIdentity) -> LocalizeOutcome:
    """Localize objects in every image of the sources that has no row yet; all machines share ``options.output``.

    On an error, finished shards remain.
    """
    output = cast(Path, options.output)
    check_ray()
    if options.format == "parquet":
        check_pyarrow()
    with decoding_apart() as decoders:
        localizer = load_localizer(options, decoders)  # reports errors early, and resolves the defaults for all actors
        options = replace(options, method=localizer.method, quality=cast("QualityName", localizer.quality))
        model = model.loaded(localizer)
        check_run(output, options, sources, model)
        with connected(options.address):
            shards = _plan(sources, options, localizer, model)
            del localizer
            try:
                _localize(shards, options, model)
            except KeyboardInterrupt as interrupt:
                advice = f"Results so far are saved. To continue, repeat the command with --output {output}."
                raise KeyboardInterrupt(advice) from interrupt
            finally:
                shutil.rmtree(output / ATTEMPTS, ignore_errors=True)
        remove_temporary_files(output)  # of workers that were killed
        return _outcome(output)


def _plan(
    sources: Sequence[str], options: LocalizeOptions, localizer: "Localizer", model: ModelIdentity
) -> list[ShardInfo]:
    """Plan the shards, fit the foreground head if the quality uses one, and save the settings."""
    output = cast(Path, options.output)
    actors, _ = allocate_actors(options.num_actors, options.device)
    shard_plan = ShardPlan(options.format, max(1, options.batch_size), actors, options.images_per_shard)
    try:
        shards = plan(output, find_images(sources), shard_plan)
    except WeakspotError:
        unplan(output)
        raise
    if "-" not in sources:
        resume = (output / RUN_FILE).exists()
        adapt(localizer, lambda: sample_sources(sources), output / FOREGROUND, resume=resume)
    save_run(output, options, sources, model)
    return shards


def _localize(shards: Sequence[ShardInfo], options: LocalizeOptions, model: ModelIdentity) -> None:
    """Localize all shards that are not complete."""
    output = cast(Path, options.output)
    actors, gpu = allocate_actors(options.num_actors, options.device)
    remaining = [shard for shard in shards if count_rows(output / shard.file) != shard.images]
    total = sum(shard.images for shard in shards)
    run = Run(output.absolute(), Path.cwd(), WorkerFactory(options, output, model))
    with Progress(total, done=total - sum(shard.images for shard in remaining)) as progress:
        for shard in localize_shards(remaining, run, actors=actors, gpu=gpu) if remaining else ():
            progress.advance(shard.images)


def _outcome(output: Path) -> LocalizeOutcome:
    """Count the rows, and record the counts in the manifest."""
    shards = [_with_counts(output, shard) for shard in read_manifest(output / MANIFEST)]
    write_manifest(output / MANIFEST, shards, weakspot=__version__)
    missing = sum(shard.images - (shard.localized or 0) - (shard.skipped or 0) for shard in shards)
    if missing > 0:
        raise InputError("missing-rows", f"{missing} images were not processed.", "Run the same command again.")
    localized, failed = (sum(getattr(shard, name) or 0 for shard in shards) for name in ("localized", "skipped"))
    return LocalizeOutcome(output / MANIFEST, output / "skipped-*.jsonl", localized, failed)


def _with_counts(output: Path, shard: ShardInfo) -> ShardInfo:
    file = output / shard.file
    return replace(shard, localized=count_rows(file), skipped=count_rows(skipped_file(file)))
