import json

import pytest
from refusals import refused
from results_made import figure, write_data, write_evaluated, write_rows, write_trained

from weakspot.errors import InputError
from weakspot.report import read_report_data


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "found").mkdir()
    return write_evaluated(tmp_path / "found", write_data(tmp_path / "data"))


def test_rows_are_joined_with_the_data_set(folder, tmp_path):
    content = read_report_data(folder)
    right, wrong = content.items
    assert content.kind == "Evaluation"
    assert (right.image, right.true_boxes, right.iou) == (tmp_path / "data/images/cat/a.jpg", ((10, 20, 30, 40),), 1.0)
    assert right.facts == {"size": "small", "rank of the class": "1", "mask IoU": "0.75"}
    assert (wrong.true_boxes, wrong.iou) == (((0, 0, 10, 10),), 0.0)
    assert content.skipped == (("dog/z", "dog/z.jpg is empty (0 bytes)."),)
    assert content.facts["fixed threshold"] == "0.5, val, 2 images"
    assert (content.version, content.facts["split"], content.notes) == ("0.1.0", "test", ("A note.",))
    assert content.metrics is not None
    assert content.metrics.metrics == ("GT-known Loc",)
    assert [chart.title for chart in content.charts] == ["Images with a correct box at every threshold"]


def test_heatmaps_that_were_kept_are_found_and_cut_at_the_fixed_threshold(folder):
    (folder / "heatmaps/cat").mkdir(parents=True)
    (folder / "heatmaps/cat/a.png").write_bytes(b"")
    rows = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    rows[0]["heatmap"], rows[1]["heatmap"] = "heatmaps/cat/a.png", "../elsewhere.png"
    write_rows(folder / "images.jsonl", rows)
    (folder.parent / "elsewhere.png").write_bytes(b"")
    kept, elsewhere = read_report_data(folder).items
    assert (kept.heatmap, kept.threshold) == (folder / "heatmaps/cat/a.png", (0.5, 1.0, False, 0.0))
    assert elsewhere.heatmap is None, "nothing outside of the folder is read"


@pytest.mark.parametrize(
    ("figures", "cut"),
    [
        pytest.param({"mask IoU": figure(50.0, 60.0)}, (0.5, 0.0, False, 0.0), id="masks alone: all regions"),
        pytest.param({"GT-known Loc": figure(5.0, 6.0, fixed_thresholds=[])}, None, id="none was fixed"),
        pytest.param({"PxAP": figure(5.0, 5.0, fixed_thresholds=[])}, None, id="nothing has a threshold"),
    ],
)
def test_masks_are_cut_as_the_figures_say(folder, figures, cut):
    values = json.loads((folder / "metrics.json").read_text())
    values["rows"]["cam"]["figures"] = figures
    (folder / "metrics.json").write_text(json.dumps(values))
    assert read_report_data(folder).items[0].threshold == cut


def test_without_the_data_set_figures_remain_and_a_note_says_so(folder, tmp_path):
    (tmp_path / "data").rename(tmp_path / "moved")
    content = read_report_data(folder)
    assert content.items[0].true_boxes == ()
    assert "are omitted (--data)" in content.notes[0]
    assert read_report_data(folder, data=tmp_path / "moved").items[0].true_boxes == ((10, 20, 30, 40),)
    with pytest.raises(InputError, match="none"):
        read_report_data(folder, data=tmp_path / "none")


def test_a_comparison_has_figures_alone(folder):
    (folder / "images.jsonl").unlink()
    content = read_report_data(folder)
    assert (content.kind, content.items) == ("Comparison", ())
    assert content.facts["fixed threshold"] == "val, 2 images", "each map has its own"


@pytest.mark.parametrize("text", ["[", "[1]", "{}", '{"rows": {"cam": 3}, "split": "test"}'])
def test_figures_of_something_else_are_refused(folder, text):
    (folder / "metrics.json").write_text(text)
    with refused("metrics-invalid", "metrics.json"):
        read_report_data(folder)


@pytest.mark.parametrize("row", [{"image": "a"}, {"problem": None, "image": "a", "class": "c", "box": 3}])
def test_a_row_of_something_else_is_refused(folder, row):
    (folder / "images.jsonl").write_text(json.dumps(row) + "\n")
    with refused("row-invalid", "images.jsonl, line 1"):
        read_report_data(folder)


def test_a_training_run_says_how_it_was_trained_and_how_well(tmp_path):
    content = read_report_data(write_trained(tmp_path))
    assert content.kind == "Training run"
    assert content.settings["method"] == "acol"
    assert content.facts == {
        "epochs": "2",
        "training time": "1 min 10 s",
        "best epoch": "1",
        "validation accuracy": "90.0 %",
    }
    assert content.notes == ("epoch 1 is kept, threshold 0.3",)
    assert [chart.title for chart in content.charts] == ["Learning curves"]


def test_rows_of_a_run_without_epochs_are_refused(tmp_path):
    write_trained(tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    with refused("row-invalid", "metrics.jsonl, line 1"):
        read_report_data(tmp_path)
