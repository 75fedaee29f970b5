"""Distribute the shards of a run to actors of Ray Data, each with its own model."""

import logging
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from weakspot.errors import InputError, WeakspotError
from weakspot.inference.batch.ray.isolate import LocalizeFn
from weakspot.inference.batch.ray.shard import localize_shard
from weakspot.io.manifest import ShardInfo

# Ray keeps metadata of each block; with one block per shard a large run would have too many.
_MAX_BLOCKS = 10_000


class Run(NamedTuple):
    """What an actor needs to know about a run.

    Attributes:
        folder: Output folder.
        base: Folder that relative image paths start from.
        factory: Loads the model.
    """

    folder: Path
    base: Path
    factory: Callable[[], LocalizeFn]


class ShardLocalizer:
    """A Ray actor that loads its model once and localizes one shard after another."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._localize: LocalizeFn | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Localize a shard. Errors are returned: Ray would retry forever, or print a long traceback."""
        try:
            if self._localize is None:
                _change_folder(self._run.base)
                self._localize = self._run.factory()
            shard = localize_shard(self._run.folder, ShardInfo(**row["shard"]), self._localize, self._run.factory)
        except WeakspotError as error:
            return row | {"code": error.code, "problem": error.problem, "hint": error.hint}
        except Exception as error:  # a bug: its traceback goes to the log of the worker
            traceback.print_exc()
            problem = f"Cannot localize {row['shard']['file']}: {type(error).__name__}: {error}"
            return row | {
                "code": "worker-failed",
                "problem": " ".join(problem.split()),
                "hint": "Please report this with Ray's log of the worker.",
            }
        return {"shard": asdict(shard), "code": "", "problem": "", "hint": ""}


def _change_folder(base: Path) -> None:
    try:
        os.chdir(base)
    except OSError as error:
        problem = f"Working folder {base} is not available on {os.uname().nodename}: {error.strerror}."
        raise InputError("folder-not-shared", problem, "Share it with all machines under the same path.") from error


def localize_shards(shards: Sequence[ShardInfo], run: Run, *, actors: int, gpu: bool) -> Iterator[ShardInfo]:
    """Localize shards with at most ``actors`` actors, and yield them as they finish, in any order.

    An actor that crashes is restarted, and its shard is repeated. Only file names and counts pass through Ray: the
    actor that localizes a shard reads its images and writes its rows. Raises InputError if a worker cannot continue,
    for example because the disk is full; finished shards remain.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    items = [{"shard": asdict(shard)} for shard in shards]
    rows = ray.data.from_items(items, override_num_blocks=min(len(items), _MAX_BLOCKS)).map(
        ShardLocalizer,  # type: ignore[arg-type]
        fn_constructor_args=(run,),
        compute=ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
        num_cpus=1,
        num_gpus=1 if gpu else 0,
    )
    # Close the iterator before Ray shuts down: Ray may otherwise terminate this process without a message.
    with closing(iter(rows.iter_rows())) as results:  # type: ignore[type-var]
        for row in results:
            if row["code"]:
                raise InputError(row["code"], row["problem"], row["hint"])
            yield ShardInfo(**row["shard"])
