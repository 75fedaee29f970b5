"""Messages of the command line: names of options in errors, renamed options, log messages and warnings."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from weakspot.config import RENAMED_OPTIONS, RENAMED_VALUES
from weakspot.terminal import LineFormatter, printable


def with_option_name(message: str, words: Sequence[str]) -> str:
    """Name the option instead of the argument of a function, if the command line has that option.

    Example:
        >>> with_option_name("min_score must be between 0 and 1, got 3.", ["localize", "--min-score", "3"])
        '--min-score must be between 0 and 1, got 3.'
    """
    name, _, rest = message.partition(" ")
    option = f"--{name.replace('_', '-')}"
    return f"{option} {rest}" if option in (word.partition("=")[0] for word in words) else message


def renamed_option(words: Sequence[str], command: str) -> str | None:
    """Return what an option of 0.1.0 among the arguments is called now, if there is one.

    Example:
        >>> renamed_option(["localize", "cat.jpg", "--doubt"], "localize")
        '`--doubt` is now `--uncertainty`.'
    """
    names = RENAMED_OPTIONS.get(command, {})
    pairs = [part for word in words for part in word.split("=", 1)]
    for option, value in zip(pairs, [*pairs[1:], ""], strict=True):
        name = option.removeprefix("--").replace("-", "_") if option.startswith("--") else ""
        if name in names:
            return f"`{option}` is now `--{names[name].replace('_', '-')}`."
        if command == "train" and name in ("width", "save_every", "strategy"):
            return f"`{option}` is set in config.toml (--config) or with weakspot.train({name}=...)."
        if command == "report" and name == "side":
            return f"`{option}` was removed: thumbnails have 192 pixels."
        if (name, value) in RENAMED_VALUES:
            return f"`{option} {value}` is now `{option} {RENAMED_VALUES[name, value]}`."
    return None


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Print log messages of the library, for example that a model is being exported, and warnings of others."""
    logger, handler = logging.getLogger("weakspot"), logging.StreamHandler()
    handler.setFormatter(LineFormatter("note: %(message)s"))
    logger.addHandler(handler)
    level, format_warning = logger.level, warnings.formatwarning
    logger.setLevel(logging.INFO)
    warnings.formatwarning = lambda message, *where: format_warning(printable(message), *where)
    try:
        yield
    finally:
        warnings.formatwarning = format_warning
        logger.setLevel(level)
        logger.removeHandler(handler)
