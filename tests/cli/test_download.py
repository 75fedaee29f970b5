import re
from types import SimpleNamespace

import pytest

from weakspot.cli import download as command
from weakspot.cli.download import download
from weakspot.errors import InputError

STEPS = [("fetching a.tgz", 1e6), ("fetching a.tgz", 4e6), ("fetching a.tgz", 8e6), ("unpacking a.tgz", 8e6)]


@pytest.fixture
def fetched(monkeypatch, tmp_path):
    """Replace the network: what was asked for, while 8 MB come in, 3 s from step to step."""
    asked, clock = [], iter(range(0, 300, 3))

    def fetch(name, folder, *, progress):
        asked.append((name, folder))
        for step, done in STEPS:
            progress(step, int(done), 8_000_000)
        return folder / "A"

    monkeypatch.setattr(command, "fetch", fetch)
    monkeypatch.setattr(command, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    return asked


def test_data_set_is_fetched_to_the_folder(fetched, tmp_path):
    assert download("a", tmp_path) == tmp_path / "A"
    assert fetched == [("a", tmp_path)]


def test_a_line_now_and_then_says_how_far_it_is(fetched, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "_SECONDS_BETWEEN_LINES", 1.0)
    download("a", tmp_path)
    assert capsys.readouterr() == (
        "",
        "fetching a.tgz: 1 of 8 MB, 0.0 MB a second\n"
        "fetching a.tgz: 4 of 8 MB, 1.0 MB a second, 4 s left\n"
        "fetching a.tgz: 8 of 8 MB, 1.2 MB a second, 0 s left\n"
        "unpacking a.tgz: 8 of 8 MB, 0.0 MB a second\n",
    )


def test_ten_seconds_are_between_lines(fetched, tmp_path, capsys):
    download("a", tmp_path)
    assert capsys.readouterr().err == "unpacking a.tgz: 8 of 8 MB, 0.0 MB a second\n"


def test_fresh_start_has_no_negative_speed(fetched, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "_SECONDS_BETWEEN_LINES", 1.0)
    monkeypatch.setattr(f"{__name__}.STEPS", [("fetching a.tgz", 4e6), ("fetching a.tgz", 1e6)])
    download("a", tmp_path)
    assert capsys.readouterr().err.splitlines()[1] == "fetching a.tgz: 1 of 8 MB, 0.0 MB a second"


def test_terminal_has_a_bar_for_the_step(tmp_path, capsys, monkeypatch):
    def fetch(name, folder, *, progress):
        progress("unpacking a.tgz", 4_000_000, 8_000_000)
        return folder

    monkeypatch.setattr(command, "fetch", fetch)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    download("a", tmp_path)
    plain = re.sub(r"\x1b\[[\d;?]*\w", "", capsys.readouterr().err)
    assert "unpacking a.tgz ━" in plain
    assert "4.0/8.0 MB" in plain


def test_ctrl_c_says_how_to_go_on(monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "fetch", interrupted)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        download("cub", tmp_path)
    assert interrupt.value.args == ("What was fetched is kept; go on with the same command.",)


def test_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^weakspot knows no data set 'cup'\.\nDid you mean cub\?$"):
        download("cup", tmp_path)
