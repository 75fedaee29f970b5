"""Localize on a cluster, by Ray: the images are cut into parts, each of which becomes a shard."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from weakspot import __version__
from weakspot.cluster.connecting import connected, places
from weakspot.cluster.engine import Run, localize_parts
from weakspot.cluster.parts import BEGUN
from weakspot.cluster.planning import Cutting, plan
from weakspot.commands.localize_run import LocalizeOutcome, alone, check_run, keep_run
from weakspot.commands.localizing import FOREGROUND, Opening, adapt, open_localizer, some_of_all
from weakspot.commands.options import LocalizeOptions
from weakspot.commands.progress import Progress
from weakspot.data import RUN_FILE, find_images
from weakspot.manifests import MANIFEST, Shard, read_manifest, write_manifest
from weakspot.parquet import check_pyarrow
from weakspot.rows import count_rows
from weakspot.shards import skipped_file

if TYPE_CHECKING:
    from weakspot.qualities import QualityName


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
    if options.rows == "parquet":
        check_pyarrow()
    with alone(output, "rows"):
        options = _prepared(sources, options)
        with connected(options.address):
            _localize(sources, options)
        shutil.rmtree(output / BEGUN, ignore_errors=True)
        return _outcome(output)


def _prepared(sources: Sequence[str], options: LocalizeOptions) -> LocalizeOptions:
    """Open the model once here: what is wrong with it is told at once, and all actors read it in the same way."""
    output = cast(Path, options.output)
    localizer = open_localizer(options)
    options = replace(options, method=localizer.method, quality=cast("QualityName", localizer.quality))
    check_run(output, options)
    if "-" not in sources:
        adapt(localizer, lambda: some_of_all(sources), output / FOREGROUND, again=(output / RUN_FILE).exists())
    return options


def _localize(sources: Sequence[str], options: LocalizeOptions) -> None:
    output = cast(Path, options.output)
    actors, gpu = places(options.actors, options.device)
    keep_run(output, options)
    cutting = Cutting(options.rows, max(1, options.batch_size), actors, options.shard_size)
    parts = plan(output, find_images(sources), cutting)
    there = {path.name for path in output.iterdir()}
    waiting = [part for part in parts if not _is_done(part, there)]
    total = sum(part.images for part in parts)
    run = Run(output.absolute(), Path.cwd(), Opening(options, output))
    with Progress(total, done=total - sum(part.images for part in waiting)) as progress:
        try:
            for done in localize_parts(waiting, run, actors=actors, gpu=gpu) if waiting else ():
                progress.advance(done.images)
        except KeyboardInterrupt as interrupt:
            go_on = f"What was written is kept; go on with the same command and --output {output}."
            raise KeyboardInterrupt(go_on) from interrupt


def _is_done(part: Shard, there: set[str]) -> bool:
    """Whether a part has its file, and all its images could be localized; else those that could not are tried again."""
    file = Path(part.file)
    return file.name in there and skipped_file(file).name not in there


def _outcome(output: Path) -> LocalizeOutcome:
    """Count what is there, and write the manifest that says it."""
    shards = [_counted(output, part) for part in read_manifest(output / MANIFEST)]
    write_manifest(output / MANIFEST, shards, weakspot=__version__)
    localized, failed = (sum(getattr(one, name) or 0 for one in shards) for name in ("localized", "skipped"))
    return LocalizeOutcome(output / MANIFEST, output / "skipped-*.jsonl", localized, failed)


def _counted(output: Path, part: Shard) -> Shard:
    file = output / part.file
    return replace(part, localized=count_rows(file), skipped=count_rows(skipped_file(file)))
