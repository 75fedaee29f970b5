"""A run teaches another where things are."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import COLOURS, assert_same, disc, iou, rows, small, weights, write_discs

import weakspot as ws
from weakspot.cams import find_method
from weakspot.cli.app import main
from weakspot.data import Annotation, Sample
from weakspot.errors import InputError, ModelError
from weakspot.models.checkpoint import read_metadata
from weakspot.training import train
from weakspot.training.checkpointing import IntervalCheckpoint
from weakspot.training.dataset import ReadableImages
from weakspot.training.labels import Labels
from weakspot.training.pseudo_boxes import Teacher, find_pseudo_boxes, labels_from_teacher, load_teacher
from weakspot.training.run_folder import read_config
from weakspot.training.setup import TrainingData, _with_targets

LEARNING = {"epochs": 5, "batch_size": 8, "lr": 1e-3, "backbone": "test_resnet"}
PSOL = {**LEARNING, "method": "psol", "freeze": "backbone", "epochs": 15}
LABELS = Labels(("blue", "red"), False, None, "background")


@pytest.fixture(scope="module")
def teacher(discs, tmp_path_factory):
    return small(discs, tmp_path_factory.mktemp("teacher") / "cam", **LEARNING)


@pytest.fixture(scope="module")
def run(discs, teacher, tmp_path_factory):
    """A run of psol whose teacher is gone."""
    gone = shutil.copytree(teacher, tmp_path_factory.mktemp("gone") / "cam")
    folder = small(discs, tmp_path_factory.mktemp("psol") / "psol", teacher=gone, **PSOL)
    shutil.rmtree(gone)
    return folder


def some(count=12):
    return [(colour, *disc(colour, 1000 + i)) for i, colour in enumerate(list(COLOURS) * (count // 2))]


def test_the_loss_falls(run):
    found = rows(run)
    assert found[-1]["train_loss"] < 0.6 * found[0]["train_loss"]
    assert found[-1]["val_iou"] > 0.6


def test_it_finds_the_boxes_of_its_teacher_and_stands_alone(run, teacher):
    student, old = ws.Localizer(run), ws.Localizer(teacher)
    pairs = [(student(image, classes=[colour]), old(image, classes=[colour])) for colour, image, _ in some()]
    assert np.mean([iou(new.box, known.box) for new, known in pairs]) > 0.6
    assert np.mean([iou(new.box, disc_box) > 0.1 for (new, _), (*_, disc_box) in zip(pairs, some(), strict=True)]) == 1


def test_classes_and_scores_are_the_teachers(run, teacher):
    student, old = ws.Localizer(run), ws.Localizer(teacher)
    for _, image, _ in some(4):
        found, known = student(image), old(image)
        assert found.label == known.label
        assert found.score == pytest.approx(known.score, abs=1e-4)


def test_the_box_is_the_same_in_every_quality_and_for_every_class(run):
    _, image, _ = some()[0]
    found = [ws.Localizer(run, quality=quality)(image, classes=list(COLOURS)) for quality in ("plain", "fast", "best")]
    boxes = [one.box.tolist() for result in found for one in result]
    assert boxes == [boxes[0]] * 6
    assert ws.Localizer(run, quality="best").quality == "plain"


def test_without_boxes_to_choose_by_the_threshold_is_that_of_the_drawing(run):
    assert ws.Localizer(run).threshold == find_method("psol").threshold


def test_drawn_boxes_are_in_no_doubt(run):
    _, image, _ = some()[0]
    assert ws.Localizer(run, uncertainty=True)(image).uncertainty is None


def test_other_maps_are_refused(run):
    with pytest.raises(InputError, match=r"This run draws boxes, and has no other maps\.\nGive the run that taught it"):
        ws.Localizer(run, method="gradcam")


def test_another_backbone_that_learns_itself_is_beside_the_teachers(discs, teacher, tmp_path):
    changes = {**PSOL, "backbone": "test_efficientnet", "freeze": "none", "epochs": 1}
    run = small(discs, tmp_path / "other", teacher=teacher, **changes)
    old, new = weights(teacher), weights(run)
    assert all(np.array_equal(old[name], new[f"classifier.{name}"]) for name in old if not name.startswith("foreg"))
    _, image, _ = some()[0]
    assert ws.Localizer(run)(image).label == ws.Localizer(teacher)(image).label


def test_the_same_seed_gives_the_same_run(discs, teacher, tmp_path):
    one, other = (small(discs, tmp_path / name, teacher=teacher, **{**PSOL, "epochs": 2}) for name in "ab")
    assert_same(one, other)


def test_an_interrupted_run_goes_on_to_the_same_weights(discs, teacher, tmp_path, monkeypatch):
    """From wherever it stopped, and from another working folder, though ``latest`` is another run by then."""
    link = tmp_path / "runs/latest"
    link.parent.mkdir()
    link.symlink_to(teacher)
    copies = []

    def save(saving, trainer, original=IntervalCheckpoint._save):
        original(saving, trainer)
        copies.append(shutil.copytree(saving._path.parent, tmp_path / f"state-{len(copies)}"))

    monkeypatch.setattr(IntervalCheckpoint, "_save", save)
    monkeypatch.chdir(tmp_path)
    changes = {**PSOL, "epochs": 2, "batch_size": 32, "save_every": 0}
    run = small(discs, tmp_path / "runs/psol", teacher="runs/latest", **changes)
    monkeypatch.undo()
    assert len(copies) == 4, "one for each step"
    assert link.resolve() == run.resolve()
    for copy in copies:
        assert_same(train(resume=copy, teacher=teacher), run)


def test_a_run_whose_teacher_is_gone_does_not_go_on(discs, teacher, tmp_path):
    gone = shutil.copytree(teacher, tmp_path / "cam")
    run = small(discs, tmp_path / "run", teacher=gone, **{**PSOL, "epochs": 1})
    (run / "model.safetensors").unlink()
    shutil.rmtree(gone)
    with pytest.raises(ModelError, match=r"holds no trained model\.\nGive the folder"):
        train(resume=run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"method": "psol"}, r"psol learns the boxes of another run\.\nName its folder", id="no teacher"),
        pytest.param({"method": "acol", "teacher": "x"}, r"acol learns none\.\nAdd --method psol", id="no psol"),
        pytest.param({"method": "psol+has", "teacher": "x"}, r"nothing goes with it\.\nTrain the run", id="with HaS"),
    ],
)
def test_what_does_not_go_together_is_refused(discs, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        small(discs, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_the_command_line_says_from_and_refuses_in_two_lines(discs, tmp_path, capsys):
    words = ["train", str(discs), f"--output={tmp_path / 'run'}"]
    assert main([*words, "--method=psol"]) == 2
    assert main([*words, f"--teacher={tmp_path}"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "psol learns the boxes of another run.",
        "Name its folder: --method psol --teacher runs/birds.",
        "--teacher names a run that teaches boxes, and cam learns none.",
        "Add --method psol.",
    ]


def test_a_run_says_who_taught_it_and_can_be_done_again(run):
    _, options = read_config(run / "config.toml")
    assert (options.method, options.teacher.name) == ("psol", "cam")


def test_a_teacher_that_is_none_is_refused(discs, run, tmp_path):
    with pytest.raises(ModelError, match=r"holds no trained model\.\nGive the folder of a finished run"):
        small(discs, tmp_path / "run", teacher=tmp_path, **PSOL)
    with pytest.raises(InputError, match=r"is itself a run of psol.*\nGive that run with --teacher"):
        small(discs, tmp_path / "run", teacher=run, **PSOL)


def test_classes_that_the_teacher_does_not_know_are_refused(teacher, tmp_path):
    data = write_discs(tmp_path / "data", {"train": 8, "val": 4})
    (data / "train" / "red").rename(data / "train" / "green")
    with pytest.raises(InputError, match=r"does not know the class 'green' of the data\.\nIt knows blue, red"):
        small(data, tmp_path / "run", teacher=teacher, **PSOL)


def test_a_teacher_that_finds_nothing_is_refused(teacher, tmp_path):
    looked = _looked(write_discs(tmp_path / "data", {"": 4}))
    blind = Teacher(read_metadata(teacher), _Blind(ws.Localizer(teacher)))
    kept, boxes = find_pseudo_boxes(blind, looked, LABELS)
    assert (kept.readable, boxes.shape) == ((), (0, 4))
    with pytest.raises(InputError, match=r"finds no box in the training images\.\nGive one"):
        _with_targets(TrainingData(None, LABELS, looked, looked, None), blind, print)


def test_images_of_several_classes_and_of_none_have_no_pseudo_box(teacher, tmp_path):
    data = write_discs(tmp_path / "data", {"": 4})
    looked = _looked(data)
    both = replace(looked.readable[0], annotations=(Annotation("red"), Annotation("blue")))
    none = replace(looked.readable[1], annotations=(Annotation("background"),))
    mixed = replace(looked, readable=(both, none, *looked.readable[2:]))
    kept, boxes = find_pseudo_boxes(
        load_teacher(teacher, torch.device("cpu")), mixed, replace(LABELS, multi_label=True)
    )
    assert kept.readable == looked.readable[2:]
    assert boxes.shape == (2, 4)
    assert bool((boxes[:, :2] < boxes[:, 2:]).all())


def test_labels_are_in_the_teachers_order(teacher):
    trained = read_metadata(teacher)
    labels = labels_from_teacher(trained, [Sample("a", teacher, annotations=(Annotation("red"),))], teacher)
    assert labels.class_names == trained.info.class_names == ("blue", "red")


def _looked(data):
    paths = sorted(data.rglob("*.png"))
    return ReadableImages(
        tuple(Sample(str(path), path, annotations=(Annotation(path.parent.name),)) for path in paths), None, ()
    )


class _Blind:
    """A localizer whose maps are flat."""

    def __init__(self, localizer):
        self._localizer = localizer

    def __getattr__(self, name):
        return getattr(self._localizer, name)

    def class_maps_of(self, *asked):
        return [replace(one, maps=0 * one.maps) for one in self._localizer.class_maps_of(*asked)]
