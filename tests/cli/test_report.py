import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from results_made import (
    row,
    write_data,
    write_evaluated,
    write_images,
    write_localized,
    write_rows,
    write_trained,
)

from weakspot import __version__
from weakspot.cli.app import main
from weakspot.report import write_page
from weakspot.training import train


def test_a_report_is_written_into_the_folder_or_where_it_is_asked_for(tmp_path, capsys):
    folder = write_localized(tmp_path / "found")
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert main(["report", str(folder), "-o", str(tmp_path / "new/r.html")]) == 0
    assert (tmp_path / "new/r.html").read_text() == (folder / "report.html").read_text()


def test_a_missing_image_is_told_and_ends_in_1(tmp_path, capsys):
    folder = write_localized(tmp_path / "found")
    (tmp_path / "photos/a.jpg").unlink()
    assert main(["report", str(folder)]) == 1
    assert "1 images could not be read" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["none"], ["."], ["found", "--max-items", "0"]])
def test_wrong_arguments_are_refused(tmp_path, monkeypatch, capsys, wrong):
    monkeypatch.chdir(tmp_path)
    write_localized(tmp_path / "found")
    assert main(["report", *wrong]) == 2
    assert 1 <= len(capsys.readouterr().err.splitlines()) <= 2
    assert not (tmp_path / "found/report.html").exists()


@pytest.fixture
def localized(tmp_path):
    """Rows of the images of a data set with true boxes."""
    images = write_data(tmp_path / "data") / "images"
    write_rows(tmp_path / "found/boxes.jsonl", [row(images / "cat/a.jpg", "cat"), row(images / "dog/b.jpg", "dog")])
    return tmp_path / "found"


def test_torch_is_not_needed(localized, tmp_path):
    evaluated = write_evaluated(tmp_path / "evaluated", tmp_path / "data")
    asked = [["report", str(localized)], ["report", str(localized), "--data", str(tmp_path / "data")]]
    asked.append(["report", str(evaluated)])
    told = f"import sys\nfrom weakspot.cli.app import main\nassert [main(words) for words in {asked}] == [0, 0, 0]\n"
    told += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", told], check=True, env=os.environ, capture_output=True)


def small_run(tmp_path, method="cam", **options):
    """A run of random weights on two classes, whose data set has true boxes but no splits."""
    images = tmp_path / "data/images"
    rows = ["image_id,xmin,ymin,xmax,ymax"]
    for i, label in enumerate(["cat", "dog"] * 5):
        (images / label).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / label / f"{i}.png")
        rows.append(f"{label}/{i},8,8,56,56")
    (tmp_path / "data/annotations.csv").write_text("\n".join(rows) + "\n")
    small = {"backbone": "test_efficientnet", "weights": "none", "input_size": 64, "workers": 0, "epochs": 1}
    return train(tmp_path / "data", output=tmp_path / "runs" / method, method=method, **small, **options)


@pytest.fixture
def written(monkeypatch):
    """What was to be shown of each report that is written."""
    contents = []

    def keep(content, *others, **options):
        contents.append(content)
        return write_page(content, *others, **options)

    monkeypatch.setattr("weakspot.cli.report.write_page", keep)
    return contents


@pytest.mark.exhaustive
@pytest.mark.usefixtures("one_thread")
def test_a_report_of_a_run_shows_what_it_finds_in_images(tmp_path, written, capsys):
    run = small_run(tmp_path)
    assert main(["report", str(run)]) == 0
    assert main(["report", str(run), "--images", str(tmp_path / "data/images/cat"), "--max-items", "2"]) == 0
    own, named = written
    assert (len(own.items), len(named.items)) == (2, 2)
    assert all(item.iou is not None and item.heatmap for item in own.items), "the data set has boxes"
    assert all(item.iou is None and item.uncertainty is not None for item in named.items)
    assert own.version == __version__
    assert own.notes[-1] == "The gallery shows 2 of the 2 validation images of the run."
    assert named.notes[-1].startswith("The gallery shows 2 of the 5 images in ")
    assert {Path(item.name).parent.name for item in named.items} == {"cat"}
    assert (own.refit, named.refit) == (f"weakspot threshold {run} {tmp_path / 'data'}", "")
    page = (run / "report.html").read_text()
    assert 'data-layer="heat" aria-pressed="false">' in page
    assert 'data-layer="mask" aria-pressed="false">' in page

    student = small_run(tmp_path, "psol", teacher=run, freeze="none")
    assert main(["report", str(student)]) == 0
    assert all(item.uncertainty is None and item.boxes for item in written[-1].items), (
        "predicted boxes have no uncertainty"
    )
    assert "validation IoU with pseudo boxes" in written[-1].facts

    for name in "ab":
        (tmp_path / f"bad/{name}.png").parent.mkdir(exist_ok=True)
        (tmp_path / f"bad/{name}.png").write_bytes(b"no picture")
    capsys.readouterr()
    assert main(["report", str(run), "--images", str(tmp_path / "bad")]) == 2
    assert str(tmp_path / "bad") in capsys.readouterr().err.splitlines()[-2]

    (tmp_path / "data").rename(tmp_path / "moved")
    assert main(["report", str(run)]) == 0
    assert written[-1].items == ()
    assert "--images" in written[-1].notes[-1]


def test_a_run_that_is_not_finished_has_no_images(tmp_path, written, capsys):
    run = write_trained(tmp_path / "run")
    assert main(["report", str(run)]) == 0
    assert "--images" in written[0].notes[-1]
    write_images(tmp_path / "photos")
    assert main(["report", str(run), "--images", str(tmp_path / "photos")]) == 2
    assert str(run) in capsys.readouterr().err


def test_localize_keeps_heatmaps_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "photos")
    words = ["--save-heatmaps", "--quality", "plain", "--input-size", "64", "--output", "found"]
    assert main(["localize", "photos", *words]) == 0
    heatmap = np.asarray(Image.open("found/heatmaps/photos/a.jpg.png"))
    assert (heatmap.shape, heatmap.dtype, heatmap.min(), heatmap.max()) == ((64, 64), np.uint8, 0, 255)
    assert main(["report", "found"]) == 0
    page = Path("found/report.html").read_text()
    assert 'data-layer="heat" aria-pressed="false">' in page, "the heatmap can be switched on"
