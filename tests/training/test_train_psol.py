"""A teacher run provides the boxes that a PSOL run learns."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from refusals import refused
from small_runs import COLORS, LEARNING, assert_same, disc, iou, rows, small, weights, write_discs

import weakspot as ws
from weakspot.cams import find_method
from weakspot.cli.app import main
from weakspot.data import ObjectAnnotation, Sample
from weakspot.errors import InputError, ModelError
from weakspot.models.checkpoint import read_metadata
from weakspot.training import train
from weakspot.training.checkpointing import IntervalCheckpoint
from weakspot.training.dataset import ReadableImages
from weakspot.training.labels import Labels
from weakspot.training.pseudo_boxes import Teacher, find_pseudo_boxes, labels_from_teacher, load_teacher
from weakspot.training.run_folder import read_config
from weakspot.training.setup import TrainingData, _with_targets

PSOL = {**LEARNING, "method": "psol", "freeze": "backbone", "epochs": 12}
LABELS = Labels(("blue", "red"), False, None, "background")


@pytest.fixture(scope="module")
def teacher(discs_run):
    return discs_run


@pytest.fixture(scope="module")
def run(discs, teacher, tmp_path_factory):
    """A PSOL run whose teacher has been deleted."""
    deleted = shutil.copytree(teacher, tmp_path_factory.mktemp("deleted") / "cam")
    folder = small(discs, tmp_path_factory.mktemp("psol") / "psol", teacher=deleted, **PSOL)
    shutil.rmtree(deleted)
    return folder


def make_discs(count=12):
    return [(color, *disc(color, 1000 + i)) for i, color in enumerate(list(COLORS) * (count // 2))]


def test_the_loss_decreases(run):
    history = rows(run)
    assert history[-1]["train_loss"] < 0.6 * history[0]["train_loss"]
    assert history[-1]["val_iou"] > 0.6


def test_a_run_finds_the_boxes_classes_and_scores_of_its_teacher_without_it(run, teacher):
    student_localizer, teacher_localizer = ws.Localizer(run), ws.Localizer(teacher)
    overlaps, disc_overlaps = [], []
    for color, image, box in make_discs():
        student, expected = (model(image, classes=[color]) for model in (student_localizer, teacher_localizer))
        overlaps.append(iou(student.box, expected.box))
        disc_overlaps.append(iou(student.box, box))
    assert np.mean(overlaps) > 0.6
    assert min(disc_overlaps) > 0.1
    for _, image, _ in make_discs(4):
        student, expected = student_localizer(image), teacher_localizer(image)
        assert student.label == expected.label
        assert student.score == pytest.approx(expected.score, abs=1e-4)


def test_the_box_is_the_same_for_every_quality_and_class(run):
    _, image, _ = make_discs()[0]
    localizers = [ws.Localizer(run, quality=quality) for quality in ("plain", "fast", "best")]
    boxes = [
        localization.box.tolist() for localizer in localizers for localization in localizer(image, classes=list(COLORS))
    ]
    assert boxes == [boxes[0]] * 6
    assert localizers[-1].quality == "plain"
    assert localizers[0].threshold == find_method("psol").threshold


def test_regressed_boxes_have_no_uncertainty(run):
    _, image, _ = make_discs()[0]
    assert ws.Localizer(run, uncertainty=True)(image).uncertainty is None


def test_other_methods_are_refused(run):
    with pytest.raises(InputError, match="maps"):
        ws.Localizer(run, method="gradcam")


def test_a_trainable_backbone_is_separate_from_that_of_the_teacher(discs, teacher, tmp_path):
    options = {**PSOL, "backbone": "test_efficientnet", "freeze": "none", "epochs": 1}
    run = small(discs, tmp_path / "run", teacher=teacher, **options)
    expected, trained = weights(teacher), weights(run)
    names = [name for name in expected if not name.startswith("foreground.")]
    assert all(np.array_equal(expected[name], trained[f"classifier.{name}"]) for name in names)
    _, image, _ = make_discs()[0]
    assert ws.Localizer(run)(image).label == ws.Localizer(teacher)(image).label


def test_an_interrupted_run_resumes_to_the_same_weights(discs, teacher, tmp_path, monkeypatch):
    """From any state, and from another working folder, when ``latest`` links to another run."""
    link = tmp_path / "runs/latest"
    link.parent.mkdir()
    link.symlink_to(teacher)
    copies = []

    def save(checkpoint, trainer, original=IntervalCheckpoint._save):
        original(checkpoint, trainer)
        copies.append(shutil.copytree(checkpoint._path.parent, tmp_path / f"state-{len(copies)}"))

    monkeypatch.setattr(IntervalCheckpoint, "_save", save)
    monkeypatch.chdir(tmp_path)
    options = {**PSOL, "epochs": 1, "batch_size": 32, "save_every": 0}
    run = small(discs, tmp_path / "runs/psol", teacher="runs/latest", **options)
    monkeypatch.undo()
    assert len(copies) == 2, "one for each step"
    assert link.resolve() == run.resolve()
    for copy in copies:
        assert_same(train(resume=copy, teacher=teacher), run)


def test_a_run_without_its_teacher_cannot_be_resumed(discs, teacher, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    deleted = shutil.copytree(teacher, tmp_path / "cam")
    with monkeypatch.context() as patch:
        patch.setattr("weakspot.training.fit._criterion", interrupt)
        with pytest.raises(KeyboardInterrupt):
            small(discs, tmp_path / "run", teacher=deleted, **PSOL)
    shutil.rmtree(deleted)
    with pytest.raises(ModelError, match=str(deleted)):
        train(resume=tmp_path / "run")


def test_an_augmentation_is_refused(discs, tmp_path):
    with pytest.raises(InputError, match="psol"):
        small(discs, tmp_path / "run", method="psol+has", teacher="x")
    assert not (tmp_path / "run").exists()


def test_the_command_line_requires_a_teacher_for_psol_only(discs, tmp_path, capsys):
    words = ["train", str(discs), f"--output={tmp_path / 'run'}"]
    assert main([*words, "--method=psol"]) == 2
    assert main([*words, f"--teacher={tmp_path}"]) == 2
    assert capsys.readouterr().err.count("--teacher") >= 2


def test_a_run_records_its_teacher_and_can_be_repeated(run):
    _, options = read_config(run / "config.toml")
    assert (options.method, options.teacher.name) == ("psol", "cam")


def test_an_invalid_teacher_is_refused(discs, run, tmp_path):
    with pytest.raises(ModelError, match=str(tmp_path)):
        small(discs, tmp_path / "run", teacher=tmp_path, **PSOL)
    with refused("teacher-invalid", run):
        small(discs, tmp_path / "run", teacher=run, **PSOL)


def test_classes_that_the_teacher_does_not_have_are_refused(teacher, tmp_path):
    data = write_discs(tmp_path / "data", {"train": 8, "val": 4})
    (data / "train" / "red").rename(data / "train" / "green")
    with refused("unknown-class", teacher, "'green'", "blue, red"):
        small(data, tmp_path / "run", teacher=teacher, **PSOL)


def test_a_teacher_that_finds_no_box_is_refused(teacher, tmp_path):
    images = readable_images(write_discs(tmp_path / "data", {"": 4}))
    blind = Teacher(read_metadata(teacher), _Blind(ws.Localizer(teacher)))
    with_boxes, boxes = find_pseudo_boxes(blind, images, LABELS)
    assert (with_boxes.samples, boxes.shape) == ((), (0, 4))
    with refused("pseudo-boxes-empty"):
        _with_targets(TrainingData(None, LABELS, images, images, None), blind, use_boxes=True)


def test_images_of_several_classes_or_none_have_no_pseudo_box(teacher, tmp_path):
    images = readable_images(write_discs(tmp_path / "data", {"": 4}))
    several = replace(images.samples[0], objects=(ObjectAnnotation("red"), ObjectAnnotation("blue")))
    none = replace(images.samples[1], objects=(ObjectAnnotation("background"),))
    mixed = replace(images, samples=(several, none, *images.samples[2:]))
    labels = replace(LABELS, multi_label=True)
    with_boxes, boxes = find_pseudo_boxes(load_teacher(teacher, torch.device("cpu")), mixed, labels)
    assert with_boxes.samples == images.samples[2:]
    assert boxes.shape == (2, 4)
    assert bool((boxes[:, :2] < boxes[:, 2:]).all())


def test_true_boxes_replace_pseudo_boxes_and_count_several_times(discs, teacher):
    samples = [sample for sample in ws.data.read_dataset(discs).samples if sample.split == "train"][:4]
    true = ObjectAnnotation(samples[1].objects[0].label, (16.0, 0.0, 64.0, 32.0))
    samples[1] = replace(samples[1], objects=(true,), size=(64, 64))
    images = ReadableImages(tuple(samples), None, ())
    loaded = load_teacher(teacher, torch.device("cpu"))
    alone, pseudo = find_pseudo_boxes(loaded, images, LABELS)
    found, boxes = find_pseudo_boxes(loaded, images, LABELS, copies=3)
    assert alone.samples == images.samples
    assert [sample.path for sample in found.samples] == [samples[i].path for i in (0, 1, 1, 1, 2, 3)]
    assert boxes[1:4].tolist() == [[0.25, 0, 1, 0.5]] * 3
    assert np.array_equal(boxes[[0, 4, 5]], pseudo[[0, 2, 3]])


def test_labels_are_in_the_order_of_the_teacher(teacher):
    metadata = read_metadata(teacher)
    labels = labels_from_teacher(metadata, [Sample("a", teacher, objects=(ObjectAnnotation("red"),))], teacher)
    assert labels.class_names == metadata.info.class_names == ("blue", "red")


def readable_images(data):
    paths = sorted(data.rglob("*.png"))
    samples = tuple(Sample(str(path), path, objects=(ObjectAnnotation(path.parent.name),)) for path in paths)
    return ReadableImages(samples, None, ())


class _Blind:
    """A localizer whose class maps are zero."""

    def __init__(self, localizer):
        self._localizer = localizer

    def __getattr__(self, name):
        return getattr(self._localizer, name)

    def class_maps_of(self, *arguments):
        return [replace(output, maps=0 * output.maps) for output in self._localizer.class_maps_of(*arguments)]
