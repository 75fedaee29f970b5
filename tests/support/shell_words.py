"""Command lines as a shell takes them, as far as the pages need it."""

import os
import shlex
from typing import NamedTuple

ENDS = ("&&", ";", "&")


class Step(NamedTuple):
    """A command of a line: its words, the commands before it in a pipe, and those behind it."""

    words: list[str]
    before: list[list[str]]
    behind: list[list[str]]


def steps_of(line: str) -> list[Step]:
    """Cut a line into its commands; variables are put in, and comments are left out."""
    parts = shlex.shlex(os.path.expandvars(line), posix=True, punctuation_chars=";&|<>")
    parts.whitespace_split, parts.commenters = True, "#"
    commands: list[list[str]] = _cut(list(parts), ENDS)
    return [_step(_cut(words, ("|",))) for words in commands if words]


def _step(pipe: list[list[str]]) -> Step:
    """The command of weakspot in a pipe, else its first one."""
    at = next((i for i, words in enumerate(pipe) if words[0] == "weakspot"), 0)
    return Step(pipe[at], pipe[:at], pipe[at + 1 :])


def _cut(words: list[str], at: tuple[str, ...]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for word in words:
        if word in at:
            found.append([])
        else:
            found[-1].append(word)
    return found
