from weakspot.io import progress
from weakspot.io.progress import Progress


def test_off_a_terminal_a_line_comes_now_and_then(monkeypatch, capsys):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with Progress(10, done=2) as shown:
        for _ in range(6):
            shown.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["5 of 10 images, 0.2 a second, 20 s left", "8 of 10 images, 0.2 a second, 8 s left"]


def test_the_first_image_which_waits_for_the_model_foretells_nothing(monkeypatch, capsys):
    clock = iter((0.0, 100.0, 110.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Progress(21) as shown:
        shown.advance()
        shown.advance(10)
    assert capsys.readouterr().err.splitlines() == ["1 of 21 images", "11 of 21 images, 1.0 a second, 10 s left"]


def test_without_a_total_there_is_no_time_left(monkeypatch, capsys):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with Progress(None) as shown:
        shown.advance()
        shown.advance(2)
    assert capsys.readouterr().err.splitlines() == ["1 images", "3 images, 0.1 a second"]
