"""``weakspot evaluate`` and ``compare`` in-process, on pictures whose maps are known."""

import csv
import json
import os
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from squares import (
    FRAME,
    HEADER,
    TEST,
    TIMM_NAME,
    Scene,
    command_files,
    localizer,
    one_thread,  # noqa: F401 - a fixture
    path_of,
    plain_iou,
    write,
    write_csv,
)

from weakspot import evaluation
from weakspot.cli.app import main
from weakspot.cli.evaluate import _count_taught
from weakspot.data import read_dataset
from weakspot.evaluation.samples import find_samples
from weakspot.evaluation.tables import LEGEND
from weakspot.inference.quality import QUALITIES
from weakspot.ops import box_from_heatmap
from weakspot.report import read_report_data
from weakspot.report.thumbnails import make_thumbnails
from weakspot.training.taught_samples import write_taught

RED = Scene("red/a", (("red", (20, 10, 80, 60)),))
GREEN = Scene("green/b", (("green", (50, 30, 110, 75)),))
BLUE = Scene("blue/val", (("blue", (10, 10, 70, 50)),), "val")
FEW = (RED._replace(masked=True), GREEN, BLUE)
WRITTEN = {"metrics.json", "images.jsonl", "table.md", "evaluate.toml", "box-accuracy.svg", "overlaps.svg"}


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return command_files(tmp_path_factory.mktemp("model"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words, command="evaluate", samples=0):
    return main([command, *map(str, words), "--output", "out", "--samples", str(samples)])


def run_model(options, *words, method="cam", **others):
    return run(TIMM_NAME, *words, *options, "--method", method, **others)


def rows(path="out/images.jsonl"):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def strict_json(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=refuse)


def figures(path="out/metrics.json", row=None):
    found = strict_json(path)["rows"]
    return found[row or next(iter(found))]["figures"]


# What is written.


@pytest.fixture(scope="module")
def done(options, tmp_path_factory):
    """An evaluation of all scenes: exit code, output on the terminal, folder, data, rows and the same by Python."""
    folder = tmp_path_factory.mktemp("done")
    data = write(folder / "data")
    words = ["evaluate", TIMM_NAME, str(data), *options, "--method", "cam", "--output", str(folder / "out")]
    code = main([*words, "--samples", "40", "--seed", "3"])
    found = evaluation.evaluate(localizer(), data, samples=40, seed=3)
    return code, folder / "out", data, found


@pytest.mark.parametrize("taught", [0, 1])
def test_images_that_have_taught_the_run_are_counted(taught, tmp_path):
    write(tmp_path / "data", FEW)
    (tmp_path / "run").mkdir()
    tested = find_samples(read_dataset(tmp_path / "data"), "test")
    write_taught(tmp_path / "run", [sample.image for sample in tested[:taught]])
    assert _count_taught(tmp_path / "run", tested) == taught
    assert _count_taught(tmp_path / "run" / "model.safetensors", tested) == taught


def test_all_files_are_written_and_nothing_else(done):
    code, output, _, _ = done
    assert code == 0
    assert {path.name for path in output.iterdir()} == WRITTEN | {"precision-recall.svg"}


def test_metrics_json_holds_the_figures_of_the_evaluation(done):
    _, output, _, found = done
    written = strict_json(output / "metrics.json")
    version = written.pop("weakspot")
    assert version.count(".") == 2
    assert written == json.loads(json.dumps(found.to_dict()))
    assert written["rows"]["cam"]["figures"]["GT-known Loc"]["images"] == len(TEST)
    assert written["groups"]["red"]["images"] == sum(one.objects[0][0] == "red" for one in TEST)


def test_convention_each_row_has_the_box_that_localizing_gives(done):
    _, output, data, found = done
    written = rows(output / "images.jsonl")
    assert [row["image"] for row in written] == [one.name for one in TEST]
    (threshold,) = found.first.metrics["GT-known Loc"].fixed_thresholds
    for row, scene in zip(written, TEST, strict=True):
        label, _ = scene.objects[0]
        box = localizer(threshold=threshold)(path_of(data, scene), classes=[label]).box
        iou = max(plain_iou(box, true) for _, true in scene.objects)
        assert row["box"] == box.round(2).tolist()
        assert row["iou"] == pytest.approx(iou, abs=1e-4)
        assert row["right"] == (iou >= 0.5)
        assert row["class"] == label
        assert row["problem"] is None
        assert (row["mask_iou"] is not None) == scene.masked
    share = np.mean([row["right"] for row in written])
    assert found.first.metrics["GT-known Loc"].fixed == pytest.approx(100 * share)
    by_name = {row["image"]: row for row in written}
    assert [by_name[name]["rank"] for name in ("red/exact", "blue/distracted", "red/crowded")] == [1, 5, 7]
    assert by_name["blue/distracted"]["predicted"] == FRAME["class_names"].index("red")
    assert by_name["white/small"]["size"] == "small"


def test_the_table_says_oracle_fixed_and_intervals(done):
    _, output, _, found = done
    page = (output / "table.md").read_text(encoding="utf-8")
    assert found.to_markdown() in page
    assert found.details_to_markdown() in page
    assert LEGEND in page
    for name in ("cam", "centred Gaussian", "full-image box"):
        assert f"| {name} " in page


def test_charts_are_well_formed_and_name_what_they_show(done):
    _, output, _, _ = done
    for path in output.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        said = "".join(root.itertext())
        assert "test" in said
        assert "cam" in said


def test_settings_are_kept(done):
    _, output, data, _ = done
    kept = tomllib.loads((output / "evaluate.toml").read_text(encoding="utf-8"))
    assert (kept["model"], kept["data"], kept["method"]) == (TIMM_NAME, str(data), "cam")
    assert (kept["test_split"], kept["samples"], kept["seed"], kept["batch_size"]) == ("test", 40, 3, 16)
    assert "threshold" not in kept


def test_the_same_command_gives_the_same_bytes(here, options, capsys):
    write("data", FEW)
    for name in ("first", "second"):
        assert run_model(options, "data", samples=20) == 0
        Path("out").rename(name)
    for path in Path("first").iterdir():
        assert path.read_bytes() == (Path("second") / path.name).read_bytes(), path.name
    assert {path.name for path in Path("first").iterdir()} == {path.name for path in Path("second").iterdir()}


def test_the_terminal_shows_the_details_the_thresholds_and_the_folder(here, options, capsys):
    write("data", FEW)
    assert run_model(options, "data") == 0
    shown = capsys.readouterr().out
    assert "| GT-known Loc | 2 " in shown
    assert "(fixed: best on the validation split, val)." in shown
    assert shown.splitlines()[-1] == "out"


def test_without_validation_the_terminal_names_the_default(here, options, capsys):
    write("data", (RED, GREEN))
    assert run_model(options, "data", method="gradcam") == 0
    shown = capsys.readouterr().out
    assert "(fixed: the default, 0.15)." in shown
    assert "has no split 'val' with boxes" in shown


def test_a_given_threshold_is_not_said_to_be_fixed_on_the_validation_split(here, options, capsys):
    write("data", FEW)
    assert run_model(options, "data", "--threshold", "0.3") == 0
    shown = capsys.readouterr().out
    assert "set to 0.3" in shown
    assert "(fixed on val)" not in shown


def test_images_without_an_object_are_shown_and_written(here, options, capsys):
    write("data", (*FEW, Scene("background/dark", (), drawn=())))
    assert run_model(options, "data") == 0
    shown = capsys.readouterr().out
    table, page = strict_json("out/metrics.json"), Path("out/table.md").read_text(encoding="utf-8")
    assert [row["image"] for row in rows()] == [RED.name, GREEN.name]
    for name in table["rows"]["cam"]["detection"]:
        assert f"| {name} " in shown
        assert f"| {name} " in page
    assert table["image_score"] in shown
    assert any("1 images of the split hold no object" in note for note in table["notes"])


def test_without_output_each_run_has_a_folder_of_its_own(here, options):
    write("data", (RED,))
    for _ in range(2):
        assert main(["evaluate", TIMM_NAME, "data", *options, "--samples", "0"]) == 0
    assert strict_json("evaluated/metrics.json") == strict_json("evaluated-2/metrics.json")


def test_a_data_set_with_masks_only(here, options):
    write("data", (RED._replace(masked=True), BLUE._replace(masked=True)))
    Path("data/annotations.csv").write_text("image_id,xmin,ymin,xmax,ymax\nred/a,,,,\nblue/val,,,,\n")
    assert run_model(options, "data") == 0
    assert set(figures()) == {"mask IoU", "PxAP"}
    assert figures()["PxAP"]["fixed"] > 95
    assert {path.name for path in Path("out").iterdir()} == {
        *("metrics.json", "images.jsonl", "table.md", "evaluate.toml", "precision-recall.svg")
    }
    (row,) = rows()
    assert (row["box"], row["iou"], row["right"]) == (None, None, None)
    assert row["mask_iou"] > 0.9


def test_a_multi_label_image_has_a_row_for_each_class(here, options):
    write("data", (Scene("mixed/ä b", (("yellow", (5, 5, 50, 40)), ("blue", (60, 20, 115, 75)))),), splits=False)
    assert run_model(options, "data") == 0
    assert [(row["image"], row["class"], row["right"]) for row in rows()] == [
        ("mixed/ä b", "yellow", True),
        ("mixed/ä b", "blue", True),
    ]
    assert "mixed/ä b" in Path("out/images.jsonl").read_text(encoding="utf-8")


def test_heatmaps_are_kept_when_asked_for_and_their_cut_is_what_was_scored(here, options):
    two = Scene("mixed/ä b", (("yellow", (5, 5, 50, 40)), ("blue", (60, 20, 115, 75))))
    write("data", (*FEW, two))
    path_of("data", GREEN).write_bytes(b"no image")
    assert run_model(options, "data", "--save-heatmaps") == 1
    files = ["heatmaps/mixed/ä b.1.png", "heatmaps/mixed/ä b.png", "heatmaps/red/a.png"]
    assert sorted(str(path.relative_to("out")) for path in Path("out/heatmaps").rglob("*.png")) == files
    by_file = {row.get("heatmap"): row for row in rows()}
    assert sorted(filter(None, by_file)) == files
    (threshold,) = figures()["GT-known Loc"]["fixed_thresholds"]
    for file in files:
        stored = np.asarray(Image.open(Path("out", file)))
        assert (stored.shape, stored.dtype) == ((FRAME["input_size"],) * 2, np.uint8)
        row = by_file[file]
        height, width = np.asarray(Image.open(next(Path("data/images").glob(f"{row['image']}.*")))).shape[:2]
        box = box_from_heatmap(stored / 255, threshold) * (width, height, width, height) / FRAME["input_size"]
        assert box == pytest.approx(row["box"], abs=2)


def test_boxes_of_a_file_have_no_heatmaps(here, capsys):
    write("data", FEW)
    assert run("data", "--predicted-boxes", "found.csv", "--save-heatmaps") == 2
    assert "--save-heatmaps" in capsys.readouterr().err


def test_a_report_of_it_shows_heatmaps_and_masks(here, options):
    write("data", FEW)
    assert run_model(options, "data", "--save-heatmaps") == 0
    content = read_report_data(Path("out"))
    assert all(make_thumbnails(item, 64).overlay and make_thumbnails(item, 64).mask for item in content.items)
    assert [item.iou for item in content.items] == [row["iou"] for row in rows()]


def test_an_unreadable_image_is_wrong_noted_and_makes_exit_1(here, options, capsys):
    write("data", FEW)
    path_of("data", RED).write_bytes(b"no image")
    assert run_model(options, "data", "--threshold", "0.2") == 1
    assert "note: 1 images could not be read and count as wrong." in capsys.readouterr().out
    lost, found = rows()
    assert (lost["image"], lost["right"], lost["iou"], lost["box"], lost["rank"]) == ("red/a", False, 0, None, None)
    assert lost["problem"]
    assert found["right"] is True
    assert figures()["GT-known Loc"]["fixed"] == 50
    assert figures()["GT-known Loc"]["images"] == figures()["Top-1 Loc"]["images"] == 2
    assert figures()["Top-1 Loc"]["fixed"] == 50


def test_other_input_sizes_and_strides_are_passed_on(here, options):
    write("data", (RED,))
    assert run_model(options, "data", "--input-size", "96", "--output-stride", "16") == 0
    (row,) = rows()
    model = localizer(evaluation_model(16), input_size=96)
    assert row["box"] == model(path_of("data", RED), classes=["red"]).box.round(2).tolist()


def evaluation_model(cell):
    from squares import Colours

    return Colours(cell=cell)


@pytest.mark.parametrize("folder", [b"caf\xe9", "данные 数据".encode(), b"a $ b"])
def test_the_data_set_may_be_called_anything(folder, here, options):
    write(os.fsdecode(folder), (RED,))
    assert run_model(options, os.fsdecode(folder)) == 0
    assert figures()["GT-known Loc"]["fixed"] == 100


def test_a_class_folder_may_be_called_anything(here, options):
    write("data", (RED,))
    odd = Path("data/images", os.fsdecode(b"caf\xe9"))
    odd.mkdir()
    Image.new("RGB", (9, 9)).save(odd / "x.png")
    maps_of("maps", "data", (RED,))
    assert run("data", "--score-maps", "maps", "--test-split", "all") == 0


# Compare.


def test_compare_puts_methods_strides_and_models_side_by_side(here, options, capsys):
    write("data", FEW)
    words = [TIMM_NAME, "data", "--methods", "eigencam, cam", "--output-strides", "32,8"]
    assert run(*words, *options, command="compare") == 0
    found = strict_json("out/metrics.json")["rows"]
    ours = {f"{method}, stride {stride}" for method in ("cam", "eigencam") for stride in (8, 32)}
    assert set(found) == ours | {"centred Gaussian", "full-image box"}
    assert list(found)[4:] == ["centred Gaussian", "full-image box"]
    shown = capsys.readouterr().out
    assert all(name in shown for name in ours)
    assert {path.name for path in Path("out").iterdir()} == (WRITTEN | {"precision-recall.svg"}) - {"images.jsonl"}
    kept = tomllib.loads(Path("out/evaluate.toml").read_text())
    assert (kept["models"], kept["data"], kept["methods"]) == ([TIMM_NAME], "data", "eigencam, cam")


def test_compare_of_all_qualities_has_a_row_for_each(here, options):
    write("data", FEW)
    words = [*options[: options.index("--quality")], "--quality", "all"]
    assert run(TIMM_NAME, "data", "--methods", "cam", *words, command="compare") == 0
    rows = set(strict_json("out/metrics.json")["rows"])
    assert {f"cam, {quality}" for quality in QUALITIES} <= rows


def test_a_quality_of_another_name_is_refused_in_two_lines(here, options, capsys):
    words = [*options[: options.index("--quality")], "--quality", "plain,finest"]
    assert run(TIMM_NAME, "data", *words, command="compare") == 2
    assert "finest" in capsys.readouterr().err


def test_compare_takes_the_same_figures_as_evaluate(here, options):
    write("data", FEW)
    assert run(TIMM_NAME, "data", "--methods", "cam", *options, command="compare") == 0
    compared = figures()
    Path("out").rename("compared")
    assert run_model(options, "data") == 0
    assert figures() == compared
    assert not list(here.glob("compared-*"))


# Files of others.


def maps_of(folder, data, scenes):
    for scene in scenes:
        path = Path(folder, f"{scene.name}.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, localizer()(path_of(data, scene), classes=[scene.objects[0][0]]).heatmap)
    return Path(folder)


def test_convention_maps_of_files_have_the_figures_of_the_model(here, options):
    write("data", FEW)
    maps_of("my maps", "data", FEW)
    assert run("data", "--score-maps", "my maps") == 0
    of_files, boxes = figures(row="my maps"), [row["box"] for row in rows()]
    Path("out").rename("of files")
    assert run_model(options, "data") == 0
    assert of_files == {name: one for name, one in figures().items() if not name.startswith("Top")}
    assert boxes == [row["box"] for row in rows()]


LOCALIZE = ["--method", "cam", "--input-size", "224"]


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_convention_the_boxes_of_localize_have_the_figure_of_the_model(threshold, here, options):
    """Where each image's class is asked for; and those that localize writes for all of a folder."""
    scenes = [one for one in TEST[:7] if one.name not in ("blue/distracted", "red/crowded")]  # another class is first
    write("data", scenes)
    words = ["data/images", "--model", TIMM_NAME, *options, *LOCALIZE, "--threshold", threshold, "--output", "found"]
    assert main(["localize", *map(str, words)]) == 0
    assert run("data", "--predicted-boxes", "found/boxes.jsonl") == 0
    of_boxes = figures(row="boxes.jsonl")["GT-known Loc"]
    ious = [row["iou"] for row in rows()]
    Path("out").rename("of boxes")
    assert run_model(options, "data", "--threshold", threshold) == 0
    assert of_boxes["fixed"] == of_boxes["oracle"] == figures()["GT-known Loc"]["fixed"]
    assert of_boxes["images"] == len(scenes)
    np.testing.assert_allclose(ious, [row["iou"] for row in rows()], atol=1e-3)


def test_the_boxes_of_localize_for_a_class_that_was_asked_for(here, options):
    """Its map is scored, though another class is more probable."""
    distracted = next(one for one in TEST if one.name == "blue/distracted")
    write("data", (distracted, BLUE._replace(split="test")))
    words = ["data/images", "--model", TIMM_NAME, *options, *LOCALIZE, "--output", "found"]
    assert main(["localize", *words, "--classes", "blue"]) == 0
    assert run("data", "--predicted-boxes", "found/boxes.jsonl") == 0
    of_boxes = figures()["GT-known Loc"]["fixed"]
    Path("out").rename("of boxes")
    assert run_model(options, "data") == 0
    assert of_boxes == figures()["GT-known Loc"]["fixed"] == 100
    assert figures()["Top-1 Loc"]["fixed"] == 50


def coco(folder, scenes):
    """The same scenes as COCO, with ids of its own."""
    images = [
        {"id": 40 + i, "file_name": f"images/{one.name}.png", "width": one.size[0], "height": one.size[1]}
        for i, one in enumerate(scenes)
    ]
    annotations = [
        {"id": 10 * i + j, "image_id": 40 + i, "category_id": 90 + len(label), "bbox": corners_to_coco(box)}
        for i, one in enumerate(scenes)
        for j, (label, box) in enumerate(one.objects)
    ]
    names = sorted({label for one in scenes for label, _ in one.objects})
    categories = [{"id": 90 + len(name), "name": name} for name in names]
    for name in ("annotations.csv", "splits.csv"):
        Path(folder, name).unlink(missing_ok=True)
    content = {"images": images, "annotations": annotations, "categories": categories}
    Path(folder, "annotations.json").write_text(json.dumps(content))


def corners_to_coco(box):
    x1, y1, x2, y2 = map(float, box)
    return [x1, y1, x2 - x1, y2 - y1]


def test_coco_results_refer_to_whole_numbers(here):
    write("data", (RED, GREEN))
    coco("data", (RED, GREEN))
    good = {"image_id": 40, "category_id": 93, "bbox": corners_to_coco(RED.objects[0][1]), "score": 0.9}
    results = [
        good,
        good | {"bbox": [0, 0, 5, 5], "score": 0.2},
        {"image_id": 41, "category_id": 93, "bbox": corners_to_coco(GREEN.objects[0][1]), "score": 0.9},  # is no red
    ]
    Path("results.json").write_text(json.dumps(results))
    assert run("data", "--predicted-boxes", "results.json") == 0
    assert [(row["image"], row["right"]) for row in rows()] == [
        ("images/red/a.png", True),
        ("images/green/b.png", False),
    ]
    assert figures()["GT-known Loc"]["fixed"] == 50
    assert figures()["MaxBoxAccV2"]["images"] == 2


def test_boxes_of_a_csv_file(here, capsys):
    write("data", FEW)
    write_csv(Path("found.csv"), HEADER, [(RED.name, *RED.objects[0][1], "red")])
    assert run("data", "--predicted-boxes", "found.csv") == 0
    assert "note: 1 images have no predicted box" in capsys.readouterr().out
    assert figures()["GT-known Loc"]["fixed"] == 50


# Refusals: exit code 2, at most two lines, and no files left.


def refused(capsys, *words, problem, command="evaluate", samples=0):
    before = sorted(Path().rglob("*"))
    capsys.readouterr()
    assert run(*words, command=command, samples=samples) == 2
    said = capsys.readouterr()
    assert problem in said.err
    assert len(said.err.splitlines()) <= 2
    assert "Traceback" not in said.err
    assert said.out == ""
    assert sorted(Path().rglob("*")) == before


@pytest.fixture
def small(here):
    write("data", FEW)
    maps_of("maps", "data", FEW)
    write_csv(Path("found.csv"), HEADER, [(one.name, *one.objects[0][1], "") for one in FEW])
    Path("file").write_text("a file")
    return here


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param(["data"], "got data", id="no model"),
        pytest.param([], "got nothing", id="nothing"),
        pytest.param([TIMM_NAME, "data", "data"], "data data", id="three names"),
        pytest.param([TIMM_NAME, "data", "--score-maps", "maps"], TIMM_NAME, id="model and maps"),
        pytest.param(
            [TIMM_NAME, "data", "--predicted-boxes", "a.csv"],
            "--ground-truth",
            id="model and boxes",
        ),
        pytest.param(
            ["data", "--score-maps", "maps", "--predicted-boxes", "found.csv"],
            "--score-maps",
            id="both",
        ),
        pytest.param(["resnet5", "data"], "resnet5", id="model"),
        pytest.param(["data", "--score-maps", "maps", "--test-split", "tset"], "tset", id="split"),
        pytest.param(["gone", "--score-maps", "maps"], "gone", id="data"),
        pytest.param(["file", "--score-maps", "maps"], "file", id="data is a file"),
        pytest.param(["data", "--score-maps", "gone"], "gone", id="maps"),
        pytest.param(["data", "--score-maps", "file"], "file", id="maps are a file"),
        pytest.param(["data", "--predicted-boxes", "gone.csv"], "gone.csv", id="boxes"),
        pytest.param(["data", "--predicted-boxes", "file"], "file", id="boxes of no kind"),
        pytest.param(["data", "--score-maps", "maps", "--ground-truth", "gone.csv"], "gone.csv", id="truth"),
        pytest.param(["data", "--score-maps", "maps", "--threshold", "0"], "0", id="threshold"),
        pytest.param(["data", "--score-maps", "maps", "--threshold", "much"], "much", id="no number"),
        pytest.param([TIMM_NAME, "data", "--output-stride", "x"], "x", id="stride"),
        pytest.param(["data", "--score-mapz", "maps"], "--score-mapz", id="option"),
        pytest.param([TIMM_NAME, "data", "--weights", "gone.pth"], "gone.pth", id="weights"),
        pytest.param([TIMM_NAME, "data", "--class-names", "gone"], "gone", id="class names"),
        pytest.param(["data", "--predicted-boxes", "x" * 300 + ".csv"], "x.csv", id="boxes of a long name"),
        pytest.param(["data", "--score-maps", "x" * 300], "xxx", id="maps of a long name"),
    ],
)
def test_a_mistake_ends_in_two_lines_and_leaves_nothing(words, problem, small, capsys):
    refused(capsys, *words, problem=problem)


@pytest.mark.parametrize(("seed", "samples"), [(-1, 5), (0, -5)])
def test_numbers_below_0_are_refused(seed, samples, small, capsys):
    refused(capsys, "data", "--score-maps", "maps", "--seed", seed, problem=str(min(seed, samples)), samples=samples)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param(["--method", "gradcm"], "gradcm", id="method"),
        pytest.param(["--layer", "feature"], "feature", id="layer"),
        pytest.param(["--output-stride", "5"], "5", id="stride"),
        pytest.param(["--batch-size", "0"], "0", id="no batch"),
        pytest.param(["--batch-size", "-2"], "-2", id="batch below 0"),
        pytest.param(["--input-size", "0"], "0", id="no input size"),
        pytest.param(["--device", "cuda:99"], "cuda", id="device"),
    ],
)
def test_a_mistake_with_a_model_does_so_too(words, problem, small, options, capsys):
    refused(capsys, TIMM_NAME, "data", *options, *words, problem=problem)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param(["data"], "got data", id="no model"),
        pytest.param([TIMM_NAME, "data", "--output-strides", "8,x"], "'x'", id="stride"),
        pytest.param([TIMM_NAME, "data", "--output-strides", "-8"], "-8", id="stride below 0"),
        pytest.param([TIMM_NAME, "data", "--methods", "cam,gradcm"], "gradcm", id="method"),
        pytest.param([TIMM_NAME, "data", "--methods", ","], "method", id="no method"),
    ],
)
def test_a_mistake_in_comparing_ends_in_two_lines(words, problem, small, options, capsys):
    refused(capsys, *words, *options, problem=problem, command="compare")


def annotated(*lines, header=HEADER):
    write_csv(Path("data/annotations.csv"), header, [line.split(",") for line in lines])


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        pytest.param(["red/a,,,,,red", "green/b,,,,,green"], "data", id="no boxes"),
        pytest.param(["green/b,5,5,5,9,green"], "green/b", id="no width"),
        pytest.param(["green/b,nan,5,15,9,green"], "green/b", id="nan"),
        pytest.param(["green/b,5,5,15,9,violet"], "violet", id="class"),
        pytest.param(["green/zz,5,5,15,9,green"], "data/images/green/zz.jpg", id="file"),
        pytest.param([f"{'x' * 300},5,5,15,9,green"], "xxx", id="long name"),
        pytest.param(["green/b,5,5,word,9,green"], "word", id="word"),
        pytest.param(["../b,5,5,15,9,green"], "../b", id="outside"),
    ],
)
def test_bad_truth_is_refused(lines, problem, here, options, capsys):
    write("data", (RED, GREEN), splits=False)
    annotated(*lines)
    refused(capsys, TIMM_NAME, "data", *options, problem=problem)


def test_an_index_that_the_model_has_not_is_refused(here, options, capsys):
    write("data", (RED,), splits=False)
    annotated("red/a,20,10,80,60,red,7", header=(*HEADER, "class_index"))
    refused(capsys, TIMM_NAME, "data", *options, problem="red")


def test_a_leak_between_validation_and_test_is_refused(here, options, capsys):
    write("data", FEW)
    write_csv(
        Path("data/splits.csv"),
        ("image_id", "split"),
        [("red/a", "test"), ("red/a", "val"), ("green/b", "test"), ("blue/val", "val")],
    )
    refused(capsys, TIMM_NAME, "data", *options, problem="red/a")


def empty_mask(name="red/a"):
    Image.new("L", (120, 80)).save(f"data/masks/{name}.png")


def test_masks_without_foreground_are_refused_and_leave_nothing(here, options, capsys):
    write("data", FEW)
    empty_mask()
    refused(capsys, TIMM_NAME, "data", *options, problem="red/a")


@pytest.mark.parametrize("there", [True, False], ids=["damaged", "missing"])
def test_a_mask_that_cannot_be_read_leaves_nothing_however_late_it_comes(there, here, options, capsys):
    late = GREEN._replace(masked=True, name="yellow/late", objects=(("yellow", (50, 30, 110, 75)),))
    write("data", (RED, GREEN, late), splits=False)
    with Path("data/annotations.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    masked = [[*line, "1" if line[0] == late.name else "0"] for line in lines]
    write_csv(Path("data/annotations.csv"), [*header, "has_mask"], masked)
    mask = Path("data/masks/yellow/late.png")
    mask.write_bytes(b"no image") if there else mask.unlink()
    refused(capsys, TIMM_NAME, "data", *options, "--batch-size", "1", problem="yellow/late.png")


MAPS = {
    "of the wrong size": (np.zeros((56, 56)), "(56, 56)"),
    "with nan": (np.full((224, 224), np.nan), "red/a.npy"),
    "above 1": (np.full((224, 224), 3.0), "red/a.npy"),
    "of whole numbers": (np.ones((224, 224), int), "int64"),
    "pickled": (np.array([{"a": 1}], dtype=object), "object"),
    "missing": (None, "red/a"),
}


@pytest.mark.parametrize("kind", MAPS)
def test_maps_that_cannot_be_scored_are_refused(kind, small, capsys):
    values, problem = MAPS[kind]
    Path("maps/red/a.npy").unlink()
    if values is not None:
        np.save("maps/red/a.npy", values, allow_pickle=True)
    refused(capsys, "data", "--score-maps", "maps", problem=problem)


def test_a_broken_archive_among_the_maps_is_refused(small, capsys):
    Path("maps/red/a.npy").write_bytes(b"PK\x03\x04 and no more")
    refused(capsys, "data", "--score-maps", "maps", problem="red/a.npy")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("r.json", "{", "r.json"),
        ("r.json", "{}", "r.json"),
        ("r.json", '[{"image_id": "red/a", "bbox": [1, 2, -3, 4]}]', "r.json"),
        ("r.json", '[{"image_id": 17, "bbox": [1, 2, 3, 4]}]', "17"),
        ("r.json", "[]", "r.json"),
        ("r.csv", "image_id,xmin\nred/a,1\n", "ymin"),
        ("r.csv", 'image_id,xmin,ymin,xmax,ymax\n"red/a,1,2,3,4\n', "r.csv"),
        ("r.csv", "image_id,xmin,ymin,xmax,ymax\nred/a,4,2,3,4\n", "line 2"),
        (
            "r.csv",
            "image_id,xmin,ymin,xmax,ymax\nred/q,1,2,3,4\nred/z,1,2,3,4\n",
            "red/q, red/z",
        ),
        ("r.csv", "image_id,xmin,ymin,xmax,ymax\nblue/val,1,2,3,4\n", "r.csv"),
        ("r.jsonl", "{}\n", "r.jsonl, line 1"),
    ],
)
def test_found_boxes_that_cannot_be_scored_are_refused(name, content, problem, small, capsys):
    Path(name).write_text(content)
    refused(capsys, "data", "--predicted-boxes", name, problem=problem)


def test_another_evaluation_is_never_overwritten(small, capsys):
    assert run("data", "--score-maps", "maps") == 0
    written = {path: path.read_bytes() for path in Path("out").iterdir()}
    refused(capsys, "data", "--score-maps", "maps", problem="out")
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == written


@pytest.mark.parametrize("output", ["file", "file/out", "x" * 300])
def test_an_output_that_cannot_be_is_refused_before_anything_is_computed(output, small, capsys, monkeypatch):
    monkeypatch.setattr(evaluation, "evaluate_maps", lambda *_, **__: pytest.fail("It was computed."))
    assert main(["evaluate", "data", "--score-maps", "maps", "--output", output]) == 2
    assert len(capsys.readouterr().err.splitlines()) <= 2
    assert Path("file").read_text() == "a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_refused(small, capsys):
    Path("closed").mkdir(mode=0o500)
    assert main(["evaluate", "data", "--score-maps", "maps", "--output", "closed/out"]) == 2
    assert "closed" in capsys.readouterr().err


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_what_is_interrupted_leaves_no_figures_and_no_rows(error, here, options, monkeypatch):
    from weakspot.inference.localizer import Localizer

    write("data", (RED, GREEN, RED._replace(name="red/c")))
    read, times = Localizer.class_maps_of, []

    def interrupted(self, *arguments):
        times.append(1)
        if len(times) == 3:
            raise error
        return read(self, *arguments)

    monkeypatch.setattr(Localizer, "class_maps_of", interrupted)
    words = [TIMM_NAME, "data", *options, "--batch-size", "1", "--workers", "1"]
    if isinstance(error, KeyboardInterrupt):
        assert run(*words) == 130
    else:
        with pytest.raises(RuntimeError, match="broken"):
            run(*words)
    assert not [path for path in Path().rglob("*") if path.name in WRITTEN or path.name.startswith(".weakspot")]
    monkeypatch.undo()
    os.chdir(here)
    assert run_model(options, "data") == 0  # the folder is not in the way
    assert len(rows()) == 3


def test_a_disk_that_is_full_at_the_end_leaves_no_figures(small, monkeypatch, capsys):
    from weakspot.cli import evaluate

    write = evaluate.atomic_write

    def full(path):
        if path.name == "table.md":
            raise OSError(28, "No space left on device", str(path))
        return write(path)

    monkeypatch.setattr(evaluate, "atomic_write", full)
    with pytest.raises(OSError, match="No space"):
        run("data", "--score-maps", "maps")
    assert not Path("out/metrics.json").exists()


def test_ground_truth_that_is_predictions_is_left_out_unless_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = write(tmp_path / "data")
    header, *lines = (data / "annotations.csv").read_text().splitlines()
    found = "image_id,xmin,ymin,xmax,ymax\n" + "\n".join(line.rpartition(",")[0] for line in lines)
    (tmp_path / "found.csv").write_text(found)
    words = ["evaluate", "data", "--predicted-boxes", "found.csv", "--test-split", "all", "--samples", "0"]
    scored = [f"{line},{'0.5' * (i < 2)}" for i, line in enumerate(lines)]
    (data / "annotations.csv").write_text("\n".join([f"{header},score", *scored]))
    assert main([*words, "--output", "left-out"]) == 0
    assert "2 x prediction of a model, which no person has confirmed: left out" in capsys.readouterr().out
    assert main([*words, "--use-predictions", "--output", "used"]) == 0
    assert "2 x prediction of a model, used" in capsys.readouterr().out
    rows_of = [Path(name, "images.jsonl").read_text().splitlines() for name in ("left-out", "used")]
    assert len(rows_of[1]) == len(rows_of[0]) + 2
    (data / "annotations.csv").write_text("\n".join([f"{header},score", *(f"{line},0.5" for line in lines)]))
    assert main([*words, "--output", "refused"]) == 2
    assert "--use-predictions" in capsys.readouterr().err
    assert main(["report", "used"]) == 0
