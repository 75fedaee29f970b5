from types import SimpleNamespace

import pytest

from weakspot.io import progress
from weakspot.io.progress import Progress


@pytest.fixture
def set_clock(monkeypatch):
    """Set the times that the module reads; no other module's clock is changed."""

    def set_clock(times):
        clock = iter(times)
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))

    return set_clock


def test_without_a_terminal_a_line_is_printed_every_ten_seconds(set_clock, capsys):
    set_clock(range(0, 1000, 4))
    with Progress(10, done=2) as shown:
        for _ in range(6):
            shown.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["5 of 10 images, 0.2 per second, 20 s left", "8 of 10 images, 0.2 per second, 8 s left"]


def test_the_first_image_which_waits_for_the_model_does_not_affect_the_rate(set_clock, capsys):
    set_clock((0.0, 100.0, 110.0))
    with Progress(21) as shown:
        shown.advance()
        shown.advance(10)
    assert capsys.readouterr().err.splitlines() == ["1 of 21 images", "11 of 21 images, 1.0 per second, 10 s left"]


def test_without_a_total_there_is_no_time_left(set_clock, capsys):
    set_clock(range(0, 1000, 20))
    with Progress(None) as shown:
        shown.advance()
        shown.advance(2)
    assert capsys.readouterr().err.splitlines() == ["1 images", "3 images, 0.1 per second"]


def test_bytes_are_counted_in_megabytes(set_clock, capsys):
    set_clock(range(0, 1000, 20))
    shown = Progress(unit="bytes")
    shown.total = 4_000_000
    shown.update(1_000_000)
    shown.update(1_000_000)
    shown.reset()
    shown.close()
    assert capsys.readouterr().err.splitlines() == ["1 of 4 MB", "2 of 4 MB, 0.1 per second, 40 s left"]
