import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from results_made import row, write_data, write_evaluated, write_localized, write_photos, write_rows

from weakspot.cli import main


def test_a_report_is_written_into_the_folder_or_where_it_is_asked_for(tmp_path, capsys):
    folder = write_localized(tmp_path / "found")
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert main(["report", str(folder), "-o", str(tmp_path / "new/r.html")]) == 0
    assert (tmp_path / "new/r.html").read_text() == (folder / "report.html").read_text()


def test_a_missing_photo_is_told_and_ends_in_1(tmp_path, capsys):
    folder = write_localized(tmp_path / "found")
    (tmp_path / "photos/a.jpg").unlink()
    assert main(["report", str(folder)]) == 1
    assert "1 photos could not be read" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["none"], ["."], ["found", "--most", "0"], ["found", "--side", "3"]])
def test_a_mistake_is_two_lines(tmp_path, monkeypatch, capsys, wrong):
    monkeypatch.chdir(tmp_path)
    write_localized(tmp_path / "found")
    assert main(["report", *wrong]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert not (tmp_path / "found/report.html").exists()


@pytest.fixture
def localized(tmp_path):
    """Rows of the photos of a data set with true boxes."""
    images = write_data(tmp_path / "data") / "images"
    write_rows(tmp_path / "found/boxes.jsonl", [row(images / "cat/a.jpg", "cat"), row(images / "dog/b.jpg", "dog")])
    return tmp_path / "found"


def test_torch_is_not_needed(localized, tmp_path):
    evaluated = write_evaluated(tmp_path / "evaluated", tmp_path / "data")
    asked = [["report", str(localized)], ["report", str(localized), "--data", str(tmp_path / "data")]]
    asked.append(["report", str(evaluated)])
    told = f"import sys\nfrom weakspot.cli import main\nassert [main(words) for words in {asked}] == [0, 0, 0]\n"
    told += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", told], check=True, env=os.environ, capture_output=True)


def test_localize_keeps_heatmaps_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos")
    words = ["--save-heatmaps", "--quality", "plain", "--input-size", "64", "--output", "found"]
    assert main(["localize", "photos", *words]) == 0
    heatmap = np.asarray(Image.open("found/heatmaps/photos/a.jpg.png"))
    assert (heatmap.shape, heatmap.dtype, heatmap.min(), heatmap.max()) == ((64, 64), np.uint8, 0, 255)
    assert main(["report", "found"]) == 0
    page = Path("found/report.html").read_text()
    assert 'data-layer="heat" aria-pressed="false">' in page, "the heatmap can be switched on"
