import csv
import re
from pathlib import Path

import pytest
from squares import HEADER, SCENES, Scene, path_of, write, write_csv

from weakspot.cli.app import main
from weakspot.cli.check import check_data, installed_version, packages_of

RED = Scene("red/a", (("red", (20, 10, 80, 60)),), masked=True)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write("data")


def check(capsys, *words):
    code = main(["check", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err.splitlines()


def test_a_good_data_set_is_summed_up_in_two_lines(data, capsys):
    code, said, problems = check(capsys, "data")
    assert (code, problems) == (0, [])
    boxes = sum(len(one.objects) for one in SCENES)
    masks = sum(one.masked for one in SCENES)
    assert said == [
        f"data: CSV of boxes, {len(SCENES)} images (test 10, val 4)",
        f"7 classes (red 5, green 3, blue 2, cyan 1, yellow 1, ...), {boxes} boxes, {masks} masks",
        "No issues found.",
    ]


def spoil(data):
    """Break the data set in several ways."""
    path_of(data, SCENES[0]).unlink()
    path_of(data, SCENES[1]).write_bytes(b"no image")
    with (data / "annotations.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    rows += [["white/small", "9", "9", "5", "5", "white"], ["white/small", "500", "9", "600", "50", "white"]]
    rows += [["white/small", "5", "5", "5", "9", "white"]]
    write_csv(data / "annotations.csv", header, rows)


def test_all_that_is_wrong_is_told_with_its_places_and_exit_1(data, capsys):
    spoil(data)
    code, said, errors = check(capsys, "data")
    assert (code, errors) == (1, [])
    assert said[2:] == [
        "1 x missing image file",
        "  data/images/red/exact.jpg",
        "1 x file that is not an image, or is damaged",
        "  data/images/red/val.png is not a JPEG, PNG, WebP, TIFF, BMP or GIF image.",
        "1 x box with swapped sides",
        "  white/small: white 9, 9, 5, 5 in 100 x 150",
        "1 x box outside the image",
        "  white/small: white 500, 9, 600, 50 in 100 x 150",
        "1 x box without area",
        "  white/small: white 5, 5, 5, 9 in 100 x 150",
        "5 kinds of issues.",
    ]


def test_what_an_evaluation_refuses_is_what_the_check_tells(data, capsys):
    spoil(data)
    assert main(["evaluate", "data", "--score-maps", "data"]) == 2
    assert "data/images/red/exact.jpg" in capsys.readouterr().err
    assert not Path("evaluated").exists()


def test_ten_places_of_a_kind_are_named_and_the_others_counted(tmp_path, capsys):
    write_csv(write(tmp_path, (RED,)) / "annotations.csv", HEADER, [(f"red/{i}", 1, 2, 3, 4, "red") for i in range(25)])
    code, said, _ = check(capsys, tmp_path)
    assert code == 1
    first = said.index("25 x missing image file")
    assert said[first + 10] == f"  {tmp_path}/images/red/9.jpg"
    assert said[first + 11] == "  and 15 more"


def test_a_data_set_without_splits_says_so(tmp_path, capsys):
    write(tmp_path, (RED,), splits=False)
    code, said, _ = check(capsys, tmp_path)
    assert code == 0
    assert said[0] == f"{tmp_path}: CSV of boxes, 1 image (no split 1)"
    assert said[1] == "1 class (red 1), 1 box, 1 mask"


def test_images_by_label_alone_are_counted_and_are_no_issue(tmp_path, capsys):
    others = [Scene(f"red/{i}", (("red", (20, 10, 80, 60)),), size=(120, 81 + i)) for i in range(2)]
    write(tmp_path, (RED, *others), splits=False)
    for rows, told in (
        (others[:1], "1 label without a box or mask, red/1: red"),
        ((), "2 labels without a box or mask, such as red/0: red"),
    ):
        write_csv(tmp_path / "annotations.csv", HEADER, [(s.name, 20, 10, 80, 60, "red") for s in (RED, *rows)])
        code, said, _ = check(capsys, tmp_path)
        assert (code, said[3:]) == (0, [told, "No issues found."])


def test_boxes_and_images_may_lie_elsewhere(tmp_path, capsys):
    write(tmp_path / "whole", (RED,), splits=False)
    (tmp_path / "whole/annotations.csv").rename(tmp_path / "boxes.csv")
    (tmp_path / "whole/images").rename(tmp_path / "photos")
    words = ["--ground-truth", tmp_path / "boxes.csv", "--images", tmp_path / "photos"]
    code, said, _ = check(capsys, tmp_path / "whole", *words)
    assert code == 0
    assert "1 box, 1 mask" in said[1]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(lambda root: None, "data", id="no folder"),
        pytest.param(lambda root: root.write_text("x"), "data", id="a file"),
        pytest.param(lambda root: root.mkdir(), "data", id="an empty folder"),
        pytest.param(
            lambda root: write(root, (RED,)) and (root / "annotations.csv").write_text("a,b\n"), "line 1", id="columns"
        ),
    ],
)
def test_what_is_no_data_set_ends_in_two_lines_and_exit_2(make, problem, tmp_path, capsys):
    make(tmp_path / "data")
    code, said, errors = check(capsys, tmp_path / "data")
    assert (code, said) == (2, [])
    assert len(errors) <= 2
    assert problem in errors[0]


def test_the_function_gives_the_same_as_the_command_prints(data):
    summary, problems = check_data(data)
    assert len(summary) == 2
    assert problems == []
    spoil(data)
    kinds = {problem.kind: len(problem.where) for problem in check_data(data)[1]}
    assert kinds["missing image file"] == kinds["box with swapped sides"] == 1
    assert len(kinds) == 5


def test_nothing_is_written(data, capsys):
    before = sorted(Path().rglob("*"))
    check(capsys, "data")
    assert sorted(Path().rglob("*")) == before


def test_the_machine_is_checked_one_line_each(capsys):
    assert main(["check"]) == 0
    output = capsys.readouterr().out
    assert "torch  " in output
    values = dict(re.split(r" {2,}", line, maxsplit=1) for line in output.splitlines())
    assert values["weakspot"] == installed_version("weakspot")
    assert values["weights of tf_efficientnet_lite0"] == "installed"
    assert values["speed"].split()[1] == "images/s"
    assert all(
        value == "complete" or value.startswith("missing: ") for name, value in values.items() if "extra" in name
    )


def test_missing_packages_have_no_version():
    assert installed_version("no-such-package-as-this") is None
    assert set(packages_of("onnx")) == {"onnx", "onnxruntime", "onnxscript"}
    assert packages_of("none") == []


def test_predictions_are_counted_apart(data, capsys):
    with (data / "annotations.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    scored = [[*row, "0.5" if i < 2 else ""] for i, row in enumerate(rows)]
    write_csv(data / "annotations.csv", [*header, "score"], scored)
    code, said, _ = check(capsys, "data")
    assert code == 1
    assert said[2] == "13 boxes of 7 classes, 2 images by label alone"
    assert said[3].startswith("2 labels without a box or mask")
    assert said[4].startswith("2 x prediction of a model")
    assert "left out" in said[4]
    code, said, _ = check(capsys, "data", "--use-predictions")
    assert code == 1
    assert "left out" not in said[2]
