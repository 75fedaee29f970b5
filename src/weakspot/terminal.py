"""Print lines that contain names from files: control characters in them are escaped."""

import re
import sys
from logging import Formatter, LogRecord

# Control characters, line and paragraph separators, overrides of the writing direction, and bytes that are not UTF-8.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: object) -> str:
    r"""Convert to text on one line, in which characters that control a terminal are escaped; other letters remain.

    Example:
        >>> print(printable("caf\u00e9 \x1b[31mred\n"))
        café \x1b[31mred\n
    """
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def echo(*lines: object, to_stderr: bool = False, flush: bool = False) -> None:
    """Print each argument as one line, with what the stream cannot encode and control characters escaped."""
    stream = sys.stderr if to_stderr else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    for line in lines:
        text = printable(line).encode(encoding, "backslashreplace").decode(encoding)
        print(text, file=stream, flush=flush)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1; the last word of the noun is inflected.

    Example:
        >>> [counted(1, "class"), counted(2, "class"), counted(0, "box"), counted(3, "training image")]
        ['1 class', '2 classes', '0 boxes', '3 training images']
    """
    ending = "es" if noun.endswith(("x", "s")) else "s"
    return f"{count} {noun}{'' if count == 1 else ending}"


class LineFormatter(Formatter):
    """Formatter of log messages on one line each, in which control characters are escaped."""

    def formatMessage(self, record: LogRecord) -> str:  # noqa: N802 - the name of the base class
        """Format the message of a record, apart from a traceback."""
        record.message = printable(record.message)
        return super().formatMessage(record)
