"""Rows that two runs wrote at once: every reader refuses them, and counts no object twice."""

import json
from pathlib import Path

import pytest
from results_made import row, write_data, write_evaluated, write_localized, write_rows

from weakspot.cli.app import main

READERS = (
    "report found",
    "label found --output out",
    "label found/boxes.jsonl --output out",
    "label found photos --output out",
    "evaluate data --predicted-boxes found/boxes.jsonl --output out",
)


def refused(words, capsys, *values):
    assert main(words.split()) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 2
    assert [value for value in values if str(value) not in told.splitlines()[0]] == []
    assert not Path("out").exists()
    assert not Path("found/report.html").exists()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "data")
    return tmp_path


@pytest.mark.parametrize("words", READERS)
def test_image_with_two_rows_is_refused(words, here, capsys):
    write_localized(here / "found")
    lines = Path("found/boxes.jsonl").read_text().splitlines(keepends=True)
    Path("found/boxes.jsonl").write_text("".join([*lines, lines[1]]))
    refused(words, capsys, "found/boxes.jsonl, line 4", "b.jpg", "line 2")


@pytest.mark.parametrize("words", READERS[:2])
def test_image_with_rows_in_two_shards_is_refused(words, here, capsys):
    write_localized(here / "found", lambda images: [])
    Path("found/boxes.jsonl").unlink()
    for number in (1, 2):
        write_rows(Path(f"found/boxes-0000{number}-of-00002.jsonl"), [row("photos/a.jpg", "cat")])
    refused(words, capsys, "00002-of-00002.jsonl, line 1", "00001-of-00002.jsonl, line 1", "photos/a.jpg")


@pytest.mark.parametrize("words", READERS[:2])
def test_image_with_two_rows_of_a_parquet_file_is_refused(words, here, capsys):
    from weakspot.io.parquet import write_parquet

    write_localized(here / "found", lambda images: [])
    Path("found/boxes.jsonl").unlink()
    write_parquet([row("photos/a.jpg"), row("photos/b.jpg"), row("photos/a.jpg")], Path("found/boxes-000000.parquet"))
    refused(words, capsys, "boxes-000000.parquet, line 3", "photos/a.jpg", "line 1")


def test_evaluation_with_two_rows_of_an_image_and_class_is_refused(here, capsys):
    folder = write_evaluated(here / "evaluated", here / "data")
    assert main(["report", str(folder)]) == 0
    file = folder / "images.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines, lines[0]]))
    capsys.readouterr()
    refused(f"report {folder}", capsys, file, json.loads(lines[0])["image"], "line 1")


def test_run_with_two_rows_of_an_image_is_not_resumed(here, capsys):
    write_localized(here / "found")
    lines = Path("found/boxes.jsonl").read_text().splitlines(keepends=True)
    Path("found/boxes.jsonl").write_text("".join([*lines, lines[1]]))
    refused("localize photos --output found --resume", capsys, "found/boxes.jsonl, line 4", "b.jpg", "line 2")
    assert len(Path("found/boxes.jsonl").read_text().splitlines()) == 4
