"""Hand the parts of a run out to actors of Ray Data, each with a model of its own."""

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
from weakspot.inference.batch.ray.shard import localize_part
from weakspot.io.manifest import ShardInfo

# Ray holds a note of each block, and there are clusters with thousands of parts for each actor.
_MOST_BLOCKS = 10_000


class Run(NamedTuple):
    """What an actor needs to know of a run.

    Attributes:
        folder: Where it is written to.
        base: The folder that names of images are from.
        make: Opens the model.
    """

    folder: Path
    base: Path
    make: Callable[[], LocalizeFn]


class PartLocalizer:
    """An actor: it opens its model once, and localizes part after part."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._find: LocalizeFn | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Localize a part. What weakspot refuses is told, not raised: Ray would try for ever, or show a trace."""
        try:
            if self._find is None:
                _go_to(self._run.base)
                self._find = self._run.make()
            done = localize_part(self._run.folder, ShardInfo(**row["part"]), self._find, self._run.make)
        except WeakspotError as error:
            return row | {"problem": error.problem, "hint": error.hint}
        except Exception as error:  # Ray would show it with a hundred lines of its own
            traceback.print_exc()
            problem = f"{row['part']['file']} cannot be localized: {type(error).__name__}: {error}"
            return row | {
                "problem": " ".join(problem.split()),
                "hint": "Report it; Ray's log of the worker says where.",
            }
        return {"part": asdict(done), "problem": "", "hint": ""}


def _go_to(base: Path) -> None:
    try:
        os.chdir(base)
    except OSError as error:
        problem = f"The working folder {base} is not there on {os.uname().nodename}: {error.strerror}."
        raise InputError(problem, "All machines must share it, under the same path.") from error


def localize_parts(parts: Sequence[ShardInfo], run: Run, *, actors: int, gpu: bool) -> Iterator[ShardInfo]:
    """Localize parts, each by one of so many actors.

    An actor that dies is started again, and its part is done again. Images and rows do not pass through here: a part's
    images are read where it is localized, a batch at a time, and what comes back is how many there were.

    Args:
        parts: What to do.
        run: What each actor needs to know.
        actors: How many there are at most.
        gpu: Whether each has a GPU to itself.

    Yields:
        The parts as they are done, in any order.

    Raises:
        InputError: If a worker refuses something, such as a full disk; what was done stays.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    items = [{"part": asdict(part)} for part in parts]
    rows = ray.data.from_items(items, override_num_blocks=min(len(items), _MOST_BLOCKS)).map(
        PartLocalizer,  # type: ignore[arg-type]
        fn_constructor_args=(run,),
        compute=ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
        num_cpus=1,
        num_gpus=1 if gpu else 0,
    )
    # Closed at once, not whenever the error is forgotten: Ray, shut down while it works, may end this process untold.
    with closing(iter(rows.iter_rows())) as done:  # type: ignore[type-var]
        for row in done:
            if row["problem"]:
                raise InputError(row["problem"], row["hint"])
            yield ShardInfo(**row["part"])
