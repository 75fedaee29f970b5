import io
import logging
import sys
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.terminal import LineFormatter, echo, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("café 日本 🐦 \u200d\u00a0", "café 日本 🐦 \u200d\u00a0"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x00\t\n\r\x7f\x9b", r"\x00\t\n\r\x7f\x9b"),
        ("\u2028\u2029\u202a\u202e\u2066\u2069", r"\u2028\u2029\u202a\u202e\u2066\u2069"),
        ("\udcff", r"\udcff"),
        (r"C:\new", r"C:\new"),
    ],
)
def test_control_characters_are_escaped_and_nothing_else(text, expected):
    assert printable(text) == expected


@given(st.text())
def test_nothing_that_controls_a_terminal_is_left(text):
    told = printable(text)
    assert not any(category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in told)
    assert not any(letter in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" for letter in told)
    assert printable(told) == told
    told.encode()


def test_each_argument_is_a_line(capsys):
    echo("first\nstill the first", 2, "")
    echo("wrong", to_stderr=True)
    assert capsys.readouterr() == ("first\\nstill the first\n2\n\n", "wrong\n")


def test_what_the_stream_cannot_encode_is_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    echo("café \x1b 日本")
    stream.flush()
    assert stream.buffer.getvalue() == b"caf\\xe9 \\x1b \\u65e5\\u672c\n"


def test_log_messages_are_one_line_with_their_traceback_below(caplog):
    record = logging.LogRecord("weakspot", logging.INFO, "a.py", 1, "class %s", ("\x1b[31m\n",), None)
    assert LineFormatter("note: %(message)s").format(record) == "note: class \\x1b[31m\\n"
