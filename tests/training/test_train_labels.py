"""What is trained on: classes, targets and splits of data sets of any kind."""

import numpy as np
import pytest
from PIL import Image
from refusals import refused
from small_runs import COLORS, disc, rows, small
from trees import plant

from weakspot.data import read_dataset
from weakspot.errors import InputError
from weakspot.models.checkpoint import read_metadata
from weakspot.training.labels import good_note, infer_labels, split_samples, without_test_images


def split(root, *, share=0.25, seed=0):
    return split_samples(read_dataset(root), val_fraction=share, seed=seed, workers=1)


def labels(root, *, multi_label=False, background="background"):
    dataset = read_dataset(root)
    return infer_labels(dataset, dataset.samples, multi_label=multi_label, background=background)


def write(root, counts, start=0):
    """Noise, so that no image is like another, in folders."""
    random = np.random.default_rng(start)
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            image, _ = disc(list(COLORS)[i % 2], int(random.integers(1_000_000)))
            image.save(root / folder / f"{i}.png")
    return root


def names(samples):
    return {sample.image_id for sample in samples}


def table(root, text, images="abcdefgh"):
    return plant(root, {"labels.csv": text, **{f"images/{name}.png": (16, 16) for name in images}})


def test_each_class_gives_the_same_share_to_validation(tmp_path):
    parts = split(write(tmp_path, {"cat": 16, "dog": 8}))
    validating = [sample.annotations[0].label for sample in parts.validation]
    assert (validating.count("cat"), validating.count("dog")) == (4, 2)
    assert not names(parts.training) & names(parts.validation)
    assert len(parts.training) == 18
    assert parts.notes == ("6 of 24 training images are held out for validation.",)


def test_the_same_seed_holds_out_the_same_images(tmp_path):
    root = write(tmp_path, {"cat": 16, "dog": 8})
    assert names(split(root, seed=1).validation) == names(split(root, seed=1).validation)
    assert names(split(root, seed=1).validation) != names(split(root, seed=2).validation)


def test_near_duplicates_stay_together(tmp_path):
    root = write(tmp_path, {"cat": 8, "dog": 8})
    for name in range(6):
        (root / "cat" / f"copy{name}.png").write_bytes((root / "cat" / f"{name}.png").read_bytes())
    for seed in range(4):
        parts = split(root, share=0.5, seed=seed)
        held = names(parts.validation)
        assert all((f"cat/{name}" in held) == (f"cat/copy{name}" in held) for name in range(6))
        assert "6 near-duplicates stay together" in parts.notes[0]


def test_images_of_an_item_stay_together(tmp_path):
    folders = {f"kos{i:02}": 4 for i in range(8)}
    for folder in write(tmp_path, folders).iterdir():
        for i in range(4):
            image = Image.new("L", (16, 16), 0)
            image.paste(255 if i == 2 else 0, (4, 4, 8, 8))
            image.save(folder / f"{i}_label.bmp")
    for seed in range(4):
        parts = split(tmp_path, seed=seed)
        trained, held = ({sample.group for sample in part} for part in (parts.training, parts.validation))
        assert (len(trained), len(held), trained & held) == (6, 2, set())
        assert "8 items" in parts.notes[0]


def test_a_validation_split_is_used_and_a_test_split_is_not(tmp_path):
    root = write(tmp_path, {f"{part}/{name}": 2 for part in ("train", "val", "test") for name in ("cat", "dog")})
    parts = split(root)
    assert {sample.split for sample in parts.training} == {"train"}
    assert {sample.split for sample in parts.validation} == {"val"}
    assert (len(parts.training), len(parts.validation), parts.notes) == (4, 4, ())


def test_validation_images_are_held_out_if_there_is_only_a_test_split(tmp_path):
    root = write(tmp_path, {f"{part}/{name}": 8 for part in ("train", "test") for name in ("cat", "dog")})
    parts = split(root)
    assert {sample.split for sample in (*parts.training, *parts.validation)} == {"train"}
    assert (len(parts.training), len(parts.validation)) == (12, 4)


def test_a_test_split_alone_is_refused(tmp_path):
    with refused("missing-training-images", "test"):
        split(write(tmp_path, {"test/cat": 2, "test/dog": 2}))


def test_a_class_with_one_image_is_trained_on_and_reported(tmp_path):
    parts = split(write(tmp_path, {"cat": 8, "dog": 8, "owl": 1}), share=0.5)
    assert "Class owl has only one training image, so it cannot be validated." in parts.notes
    assert "owl/0" in names(parts.training)


def test_a_class_is_alone_only_if_no_other_image_has_it(tmp_path):
    root = table(tmp_path, "image,label\na,x;y\nb,x;y\nc,x\nd,y\ne,z\n", "abcde")
    assert [note for note in split(root).notes if "only one" in note] == [
        "Class z has only one training image, so it cannot be validated."
    ]


def test_an_empty_class_is_skipped_and_reported(tmp_path):
    root = write(tmp_path, {"cat": 4, "dog": 4, "owl": 0})
    assert "Class owl has no training images and is skipped." in split(root).notes
    assert labels(root).class_names == ("cat", "dog")


def test_a_single_class_is_refused(tmp_path):
    with refused("too-few-classes", "cat"):
        labels(write(tmp_path, {"cat": 4}))


def test_labels_of_a_csv_are_one_hot(tmp_path):
    root = table(tmp_path, "image,label,split\na,cat,train\nb,dog,train\nc,cat,val\n", "abc")
    inferred, dataset = labels(root), read_dataset(root)
    assert (inferred.class_names, inferred.multi_label, inferred.background_index) == (("cat", "dog"), False, None)
    assert inferred.targets(dataset.samples).tolist() == [[1, 0], [0, 1], [1, 0]]
    assert names(split(root).validation) == {"c"}


def test_several_labels_are_multi_hot(tmp_path):
    root = table(tmp_path, "image,label\na,cat;dog\nb,dog\nc,\n", "abc")
    inferred = labels(root)
    assert (inferred.class_names, inferred.multi_label, inferred.background_index) == (("cat", "dog"), True, None)
    assert inferred.targets(read_dataset(root).samples).tolist() == [[1, 1], [0, 1], [0, 0]]


def test_images_without_a_label_are_of_the_background(tmp_path):
    root = table(tmp_path, "image,label\na,cat\nb,\nc,cat\n", "abc")
    inferred = labels(root)
    assert (inferred.class_names, inferred.background_index) == (("cat", "background"), 1)
    assert inferred.targets(read_dataset(root).samples).tolist() == [[1, 0], [0, 1], [1, 0]]


def test_a_class_of_that_name_is_the_background_however_it_is_spelled(tmp_path):
    root = write(tmp_path, {"Nothing": 2, "cat": 2})
    assert labels(root).background_index is None
    inferred = labels(root, background="nothing")
    assert inferred.class_names[inferred.background_index] == "Nothing"
    several = labels(root, background="nothing", multi_label=True)
    assert (several.class_names, several.background_index) == (("cat",), None)
    assert sorted(several.targets(read_dataset(root).samples)[:, 0].tolist()) == [0, 0, 1, 1]


def test_a_single_independent_class_needs_images_without_it(tmp_path):
    with refused("too-few-classes", "cat"):
        labels(write(tmp_path, {"cat": 4}), multi_label=True)


def test_a_missing_file_is_named(tmp_path):
    with refused("image-not-found", "gone.png"):
        split(table(tmp_path, "image,label\na,cat\ngone.png,dog\n", "a"))


@pytest.mark.parametrize("share", [0, 1, -0.5, 2])
def test_a_share_outside_0_to_1_is_refused(share, tmp_path):
    with pytest.raises(InputError, match=str(share)):
        split(write(tmp_path, {"cat": 4, "dog": 4}), share=share)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Images with no disc, a red one, a blue one or both."""
    root = tmp_path_factory.mktemp("several")
    (root / "images").mkdir()
    lines = ["image,label"]
    for i in range(24):
        present = [name for bit, name in enumerate(COLORS) if i >> bit & 1]
        pixels = np.array(disc("red", i)[0]) // 2 + 40
        if present:
            pixels = np.concatenate([np.array(disc(name, i)[0]) for name in present], axis=1)
        from PIL import Image

        Image.fromarray(pixels.astype(np.uint8)).save(root / "images" / f"{i}.png")
        lines.append(f"{i}.png,{';'.join(present)}")
    (root / "labels.csv").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize("method", ["cam", "acol", "cutmix"])
def test_a_run_on_several_labels_scores_f1_and_gives_a_map_for_each_class(method, several, tmp_path):
    from weakspot import Localizer

    run = small(several, tmp_path / "run", method=method, backbone="test_resnet", width=8, lr=1e-3, epochs=3)
    assert read_metadata(run).config.multi_label
    history = rows(run)
    assert set(history[0]) == {"epoch", "step", "train_loss", "val_loss", "val_f1", "lr"}
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    localizer = Localizer(run)
    localizations = localizer(several / "images" / "3.png", classes=["red", "blue"])
    assert [localization.label for localization in localizations] == ["red", "blue"]


def test_a_run_records_its_background_class(tmp_path):
    root = table(tmp_path / "data", "image,label\n" + "".join(f"{n},{'cat' if n < 'e' else ''}\n" for n in "abcdefgh"))
    run = small(root, tmp_path / "run", epochs=1)
    trained = read_metadata(run)
    assert trained.info.class_names[trained.info.background_index] == "background"


def test_validation_images_of_unknown_classes_are_skipped(tmp_path, capsys):
    root = write(tmp_path / "data", {"train/a": 6, "train/b": 6, "val/a": 2, "val/b": 2, "val/zebra": 3})
    run = small(root, tmp_path / "run", epochs=1)
    assert "3 validation images of unknown classes are skipped." in capsys.readouterr().err
    assert read_metadata(run).info.class_names == ("a", "b")
    assert "12 training and 4 validation images" in (run / "train.log").read_text()


@pytest.mark.parametrize(
    ("text", "known"),
    [
        pytest.param("image,label\na,cat\nb,dog\nc,cow\n", {"a", "b"}, id="one label"),
        pytest.param("image,label\na,cat\nb,dog\nc,\n", {"a", "b"}, id="no label where all have one"),
        pytest.param("image,label\na,cat;dog\nb,cat;cow\nc,\nd,background\n", {"a", "c", "d"}, id="several labels"),
    ],
)
def test_labels_cover_the_images_that_they_were_inferred_from(text, known, tmp_path):
    """Trained on cats and dogs: a cow is neither, and with several labels an image may hold nothing."""
    dataset = read_dataset(table(tmp_path, text, images="abcd"[: text.count("\n") - 1]))
    training = [
        sample for sample in dataset.samples if sample.image_id in "ab" and "cow" not in str(sample.annotations)
    ]
    several = ";" in text
    inferred = infer_labels(
        dataset, training if not several else dataset.samples[:1], multi_label=several, background="background"
    )
    assert {sample.image_id for sample in dataset.samples if inferred.cover(sample)} == known


def test_the_good_images_of_mvtec_are_the_background(tmp_path):
    files = {f"{name}.png": (16, 16) for name in ("train/good/a", "train/crack/b", "test/crack/c")}
    plant(tmp_path, files | {"ground_truth/crack/c_mask.png": (16, 16)})
    found = labels(tmp_path)
    assert found.class_names == ("good", "crack")
    assert (found.background_index, found.background_label) == (0, "good")


def test_classes_that_are_only_in_the_test_split_are_named(tmp_path):
    files = {f"{name}.png": (16, 16) for name in ("train/good/a", "train/good/b", "test/crack/c")}
    dataset = read_dataset(plant(tmp_path, files | {"ground_truth/crack/c_mask.png": (16, 16)}))
    training = [sample for sample in dataset.samples if sample.split == "train"]
    with refused("too-few-classes", "good", "crack"):
        infer_labels(dataset, training, multi_label=False, background="background")


def test_images_without_a_label_and_predictions_are_counted(tmp_path, capsys):
    """A person has deleted the only box of three images, and two labels are those of a model."""
    write(tmp_path / "images", {"cat": 8, "dog": 8})
    names_of = [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(8)]
    label_of = {name: name[:3] for name in names_of} | dict.fromkeys(names_of[:3], "")
    score_of = dict.fromkeys(names_of[-2:], "0.5")
    rows_of = (f"{name},{label_of[name]},{score_of.get(name, '')}" for name in names_of)
    (tmp_path / "labels.csv").write_text("\n".join(["image,label,score", *rows_of]))
    for changes, total in (({}, 14), ({"use_predictions": True}, 16)):
        small(tmp_path, tmp_path / "run", epochs=1, quality="plain", **changes)
        told = capsys.readouterr().err
        assert f"of {total} training images are held out" in told
        assert "2 labels are predictions" in told
        assert ("left out" in told) == (total == 14)
        assert "3 images have no label and train as background." in told


def test_images_outside_training_and_validation_are_left_out(tmp_path):
    dataset = read_dataset(write(tmp_path / "three", {"train/cat": 2, "val/cat": 1, "test/cat": 4}))
    kept, count = without_test_images(dataset)
    assert ({sample.split for sample in kept.samples}, len(kept.samples), count) == ({"train", "val"}, 3, 4)
    for number, names in enumerate(({"cat": 2, "dog": 1}, {"test/cat": 2})):
        dataset = read_dataset(write(tmp_path / str(number), names))
        assert without_test_images(dataset) == (dataset, 0)


def test_other_splits_are_not_used_and_that_is_said(tmp_path):
    parts = split(write(tmp_path, {"seg_train/cat": 4, "seg_train/dog": 4, "seg_test/cat": 2, "seg_pred": 3}))
    assert len(parts.training) + len(parts.validation) == 8
    assert parts.notes[-1].startswith("3 images of the split pred")
    assert not any("split test" in note for note in parts.notes)


def test_a_class_without_objects_is_told(tmp_path):
    dataset = read_dataset(write(tmp_path, {"ok": 2, "ng": 2}))
    found = infer_labels(dataset, dataset.samples, multi_label=False, background="background")
    assert (found.class_names, found.background_index) == (("ng", "ok"), 1)
    assert "ok" in good_note(dataset, found)
    other = infer_labels(dataset, dataset.samples, multi_label=False, background="NG")
    assert (other.background_label, good_note(dataset, other)) == ("ng", "")
    dataset = read_dataset(write(tmp_path, {"peace": 2}))
    found = infer_labels(dataset, dataset.samples, multi_label=False, background="background")
    assert (found.background_index, good_note(dataset, found)) == (None, "")
