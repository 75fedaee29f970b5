import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from refusals import refused

from weakspot.data import Annotation, Dataset, ObjectAnnotation, Sample, read_dataset
from weakspot.errors import InputError
from weakspot.evaluation.external_boxes import predictions_of_boxes, read_boxes, score_boxes
from weakspot.evaluation.samples import find_samples
from weakspot.evaluation.targets import make_target
from weakspot.metrics import box_iou, reference_boxes

BOX = (5.0, 5.0, 50.0, 45.0)


def dataset(root, *names, labels=("cat",)):
    """Images of 100 x 80 pixels, each of the same classes."""
    examples = []
    for name in names:
        path = root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 80)).save(path)
        examples.append(Sample(name, path, "test", tuple(ObjectAnnotation(label, BOX) for label in labels)))
    return Dataset(root, "made up", labels, tuple(examples))


def boxes_of(found, data, label=None):
    return {sample.image.image_id: found.of(sample, label).tolist() for sample in find_samples(data, "all")}


def csv_file(path, *lines, header="image_id,xmin,ymin,xmax,ymax,class,score"):
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    return path


def test_a_csv_file_gives_boxes_by_image_the_best_first(tmp_path):
    data = dataset(tmp_path, "a", "b", "c")
    file = csv_file(tmp_path / "f.csv", "a,1,2,3,4,cat,0.5", "b,5,6,7,8.5,,", "a,2,3,4,5,dog,0.75", "a,3,4,5,6,,0.1")
    found = read_boxes(file, data)
    assert boxes_of(found, data) == {"a": [[2, 3, 4, 5], [1, 2, 3, 4], [3, 4, 5, 6]], "b": [[5, 6, 7, 8.5]], "c": []}
    assert boxes_of(found, data, "cat")["a"] == [[1, 2, 3, 4], [3, 4, 5, 6]]
    assert found.of(find_samples(data, "all")[2]).shape == (0, 4)


@pytest.mark.parametrize("column", ["image_id", "image", "path", "file"])
def test_the_column_of_images_has_several_names_and_others_may_be_missing(column, tmp_path):
    data = dataset(tmp_path, "a")
    file = csv_file(tmp_path / "f.csv", "1,2,3,4,a", header=f"XMIN,ymin,xmax,ymax,{column}")
    assert boxes_of(read_boxes(file, data), data) == {"a": [[1, 2, 3, 4]]}


def test_images_may_be_named_by_id_path_or_with_their_suffix(tmp_path, monkeypatch):
    data = dataset(tmp_path, "cats/ä b", "cats/c.v2")
    monkeypatch.chdir(tmp_path)
    for name in ("cats/ä b", "cats/ä b.png", str(tmp_path / "cats/ä b.png"), "./cats/ä b.png"):
        file = csv_file(tmp_path / "f.csv", f"{name},1,2,3,4,,")
        assert boxes_of(read_boxes(file, data), data)["cats/ä b"] == [[1, 2, 3, 4]], name
    file = csv_file(tmp_path / "f.csv", "cats/c.v2,1,2,3,4,,", "cats/c.v2.png,2,3,4,5,,")
    assert len(boxes_of(read_boxes(file, data), data)["cats/c.v2"]) == 2


@pytest.mark.parametrize("names", [("a", "a.v2"), ("a.v2", "a"), ("a.1", "a.2")])
def test_ids_with_dots_are_not_mixed_up(names, tmp_path):
    data = dataset(tmp_path, *names)
    file = csv_file(tmp_path / "f.csv", f"{names[0]},1,2,3,4,,", f"{names[1]},2,3,4,5,,")
    assert boxes_of(read_boxes(file, data), data) == {names[0]: [[1, 2, 3, 4]], names[1]: [[2, 3, 4, 5]]}


@pytest.mark.parametrize("name", ["a.v3", "a.1", "b"])
def test_a_name_that_is_only_near_is_refused(name, tmp_path):
    data = dataset(tmp_path, "a", "a.v2")
    with refused("unknown-image", "1 images", name):
        read_boxes(csv_file(tmp_path / "f.csv", f"{name},1,2,3,4,,"), data)


def test_the_first_names_that_do_not_match_are_told(tmp_path):
    data = dataset(tmp_path, "a")
    file = csv_file(tmp_path / "f.csv", *(f"stranger {i // 2},1,2,3,4,," for i in range(12)), "a,1,2,3,4,,")
    with refused("unknown-image", f"6 images of {file}", tmp_path, "stranger 0, stranger 1, stranger 2"):
        read_boxes(file, data)


def coco_data(root, splits=("",), first_id=7):
    """COCO of two images in each split, with arbitrary ids for images and categories."""
    for split in splits:
        images = [{"id": first_id + i, "file_name": f"{split}{i}.png", "width": 100, "height": 80} for i in range(2)]
        annotations = [
            {"id": i, "image_id": first_id + i, "category_id": 30 + i, "bbox": [5, 5, 45, 40]} for i in (0, 1)
        ]
        folder = root / split
        folder.mkdir(parents=True, exist_ok=True)
        for image in images:
            Image.new("RGB", (100, 80)).save(folder / image["file_name"])
        categories = [{"id": 31, "name": "dog"}, {"id": 30, "name": "cat"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "_annotations.coco.json").write_text(json.dumps(content))
    return read_dataset(root)


def results(path, *records):
    path.write_text(json.dumps(records))
    return path


def test_coco_results_refer_to_the_ids_of_images_and_categories(tmp_path):
    data = coco_data(tmp_path)
    found = read_boxes(
        results(
            tmp_path / "r.json",
            {"image_id": 7, "bbox": [1, 2, 10, 20], "category_id": 31, "score": 0.2},
            {"image_id": 7, "bbox": [2, 3, 10, 20], "category_id": 30, "score": 0.9},
            {"image_id": 8, "bbox": [3, 4, 10, 20.5]},
        ),
        data,
    )
    assert boxes_of(found, data) == {"0.png": [[2, 3, 12, 23], [1, 2, 11, 22]], "1.png": [[3, 4, 13, 24.5]]}
    assert boxes_of(found, data, "dog") == {"0.png": [[1, 2, 11, 22]], "1.png": [[3, 4, 13, 24.5]]}


def test_ids_that_each_split_counts_anew_are_not_mixed_up(tmp_path):
    """Roboflow exports a file for each split, and each begins at 0."""
    data = coco_data(tmp_path, ("test", "train", "valid"), first_id=0)
    file = results(tmp_path / "r.json", {"image_id": 0, "bbox": [1, 2, 10, 20]})
    with suppress(InputError):  # it may be refused
        assert boxes_of(read_boxes(file, data), data)["test/test0.png"] == [[1, 2, 11, 22]]


def test_coco_results_may_name_the_images_of_any_data_set(tmp_path):
    data = dataset(tmp_path, "a")
    file = results(tmp_path / "r.json", {"image_id": "a", "bbox": [1, 2, 10, 20], "category_id": 3})
    assert boxes_of(read_boxes(file, data), data) == {"a": [[1, 2, 11, 22]]}


@pytest.mark.parametrize("image_id", [7, 8, 0, "0", None])
def test_the_file_name_of_a_result_names_its_image_whatever_its_id_is(image_id, tmp_path):
    data = coco_data(tmp_path)
    record = {"image_id": image_id, "file_name": "0.png", "bbox": [1, 2, 10, 20]}
    found = read_boxes(results(tmp_path / "r.json", record), data)
    assert boxes_of(found, data) == {"0.png": [[1, 2, 11, 22]], "1.png": []}
    assert len(found.notes) == (image_id == 8)


@pytest.mark.parametrize("name", ["7.png", "folder/0.png"])
def test_a_file_name_that_is_unknown_is_refused_even_if_its_id_is_known(name, tmp_path):
    data = coco_data(tmp_path)
    with refused("unknown-image", name):
        read_boxes(results(tmp_path / "r.json", {"image_id": 7, "file_name": name, "bbox": [1, 2, 10, 20]}), data)


def test_a_name_without_a_folder_is_that_of_the_only_image_with_it(tmp_path):
    data = dataset(tmp_path, "cat/a", "cat/b", "dog/b")
    file = results(tmp_path / "r.json", {"image_id": 1, "file_name": "a.png", "bbox": [1, 2, 10, 20]})
    assert boxes_of(read_boxes(file, data), data)["cat/a"] == [[1, 2, 11, 22]]
    for name in ("b.png", "dog/a.png"):
        with refused("unknown-image", name):
            read_boxes(csv_file(tmp_path / "f.csv", f"{name},1,2,3,4,,"), data)


def test_a_category_that_the_data_set_has_not_is_no_wildcard(tmp_path):
    data = coco_data(tmp_path)
    file = results(tmp_path / "r.json", {"image_id": 7, "bbox": [1, 2, 10, 20], "category_id": 99})
    with suppress(InputError):  # it may be refused
        assert boxes_of(read_boxes(file, data), data, "cat")["0.png"] == []


def json_lines(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_rows_of_localize_give_all_boxes_of_all_classes_the_first_class_first(tmp_path):
    data = dataset(tmp_path, "a", "b")
    row = {
        "image": str(tmp_path / "a.png"),
        "label": "cat",
        "score": 0.6,
        "boxes": [[1, 2, 30, 40], [50, 2, 60, 20]],
        "others": [{"label": "dog", "score": 0.3, "boxes": [[7, 8, 9, 10]]}],
    }
    file = json_lines(tmp_path / "boxes.jsonl", row, row | {"image": "b", "others": []})
    found = boxes_of(read_boxes(file, data), data)
    assert found == {"a": [[1, 2, 30, 40], [50, 2, 60, 20], [7, 8, 9, 10]], "b": [[1, 2, 30, 40], [50, 2, 60, 20]]}


@pytest.mark.parametrize("name", ["a\u2028b", "a\u0085b", "a\x0cb"])
def test_a_row_ends_at_a_newline_only(name, tmp_path):
    data = dataset(tmp_path, name)
    file = json_lines(tmp_path / "boxes.jsonl", {"image": name, "label": "cat", "score": 1, "boxes": [[1, 2, 3, 4]]})
    assert boxes_of(read_boxes(file, data), data) == {name: [[1, 2, 3, 4]]}


HUGE = 10**400
BAD = {
    "text.json": "hello",
    "object.json": "{}",
    "number.json": "[1]",
    "no box.json": '[{"image_id": "a"}]',
    "no image.json": '[{"bbox": [1, 2, 3, 4]}]',
    "three sides.json": '[{"image_id": "a", "bbox": [1, 2, 3]}]',
    "words.json": '[{"image_id": "a", "bbox": ["x", 2, 3, 4]}]',
    "no width.json": '[{"image_id": "a", "bbox": [1, 2, 0, 4]}]',
    "negative.json": '[{"image_id": "a", "bbox": [1, 2, -3, 4]}]',
    "infinite.json": '[{"image_id": "a", "bbox": [1, 2, Infinity, 4]}]',
    "nan.json": '[{"image_id": "a", "bbox": [NaN, 2, 3, 4]}]',
    "huge.json": f'[{{"image_id": "a", "bbox": [1, 2, {HUGE}, 4]}}]',
    "deep.json": "[" * 100_000,
    "no columns.csv": "a,b\n1,2\n",
    "no image.csv": "xmin,ymin,xmax,ymax\n1,2,3,4\n",
    "words.csv": "image_id,xmin,ymin,xmax,ymax\na,1,x,3,4\n",
    "swapped.csv": "image_id,xmin,ymin,xmax,ymax\na,3,2,1,4\n",
    "flat.csv": "image_id,xmin,ymin,xmax,ymax\na,1,2,1,4\n",
    "nan.csv": "image_id,xmin,ymin,xmax,ymax\na,1,2,nan,4\n",
    "score.csv": "image_id,xmin,ymin,xmax,ymax,score\na,1,2,3,4,much\n",
    "nan score.csv": "image_id,xmin,ymin,xmax,ymax,score\na,1,2,3,4,nan\n",
    "short.csv": "image_id,xmin,ymin,xmax,ymax\na,1,2,3\n",
    "latin.csv": "image_id,xmin,ymin,xmax,ymax\nö,1,2,3,4\n".encode("latin-1"),
    "empty.csv": "",
    "text.jsonl": "hello\n",
    "list.jsonl": "[]\n",
    "no label.jsonl": '{"image": "a", "score": 1, "boxes": [[1, 2, 3, 4]]}\n',
    "three sides.jsonl": '{"image": "a", "label": "cat", "score": 1, "boxes": [[1, 2, 3]]}\n',
    "flat.jsonl": '{"image": "a", "label": "cat", "score": 1, "boxes": [[1, 2, 1, 4]]}\n',
    "huge.jsonl": f'{{"image": "a", "label": "cat", "score": 1, "boxes": [[1, 2, {HUGE}, 4]]}}\n',
    "deep.jsonl": "[" * 100_000,
    "boxes.txt": "a 1 2 3 4\n",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_file_of_boxes_is_refused_in_two_lines(name, tmp_path):
    content = BAD[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_boxes(tmp_path / name, dataset(tmp_path, "a"))
    assert name in caught.value.problem
    assert len(str(caught.value).splitlines()) <= 2
    assert len(caught.value.problem) < 400


@pytest.mark.parametrize("name", ["gone.csv", "folder.csv", "x" * 300 + ".csv"])
def test_a_file_that_is_not_there_is_refused(name, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with refused("boxes-not-found", name):
        read_boxes(tmp_path / name, dataset(tmp_path, "a"))


def test_the_line_of_a_bad_box_is_named(tmp_path):
    file = csv_file(tmp_path / "f.csv", "a,1,2,3,4,,", "a,9,2,3,4,,")
    with refused("box-invalid", "f.csv, line 3", "[9"):
        read_boxes(file, dataset(tmp_path, "a"))


def truth(*boxes, height=80, width=100):
    return make_target(Annotation("cat", boxes=np.array(boxes, np.float64)), height=height, width=width)


def test_the_first_box_is_scored_as_localizing_and_the_best_one_for_v2():
    true = [10, 10, 50, 40], [60, 50, 100, 80]
    found = np.array([[12, 10, 50, 45], [60, 50, 100, 80]], np.float64)
    scores = score_boxes(found, truth(*true), height=80, width=100)
    shared, union = 38 * 30, 40 * 30 + 38 * 35 - 38 * 30
    assert scores.native == pytest.approx(shared / union, abs=1e-12)
    in_frame = np.minimum(reference_boxes(found, height=80, width=100), 223)
    expected = box_iou(in_frame, reference_boxes(np.array(true), height=80, width=100), inclusive=True)
    assert scores.largest == pytest.approx(expected[0].max())
    assert scores.every == pytest.approx(expected.max())
    assert scores.every[0] > scores.largest[0]
    assert scores.mask is scores.pixels is None
    assert len(np.unique(scores.native)) == 1


def test_a_box_that_is_the_truth_overlaps_wholly():
    scores = score_boxes(np.array([[13.3, 7.9, 61.2, 44.4]]), truth([13.3, 7.9, 61.2, 44.4]), height=80, width=100)
    assert scores.native == pytest.approx(1)
    assert scores.largest == pytest.approx(1)


def test_no_box_is_worth_nothing():
    scores = score_boxes(np.zeros((0, 4)), truth([1, 2, 30, 40]), height=80, width=100)
    assert not scores.native.any()
    assert not scores.every.any()


def test_each_class_is_scored_with_its_boxes_and_those_that_name_none(tmp_path):
    data = dataset(tmp_path, "a", "b", labels=("cat", "dog"))
    lines = ["a,5,5,50,45,cat,1", "a,60,60,70,70,dog,1", "b,5,5,50,45,,1"]
    found = read_boxes(csv_file(tmp_path / "f.csv", *lines), data)
    outcomes = list(predictions_of_boxes(found, find_samples(data, "all"), "found", {}))
    scored = {
        (one.sample.image.image_id, one.sample.annotations[one.target_index].label): one.scores["found"].native[0]
        for one in outcomes
    }
    assert scored == {("a", "cat"): 1, ("a", "dog"): 0, ("b", "cat"): 1, ("b", "dog"): 1}
    assert all(one.rank is None and one.size == (80, 100) for one in outcomes)


def test_labels_are_compared_as_class_names_are(tmp_path):
    """A classifier's class is found in any case, and so is the class of a box."""
    data = dataset(tmp_path, "a")
    found = read_boxes(csv_file(tmp_path / "f.csv", "a,5,5,50,45,Cat,1"), data)
    assert len(found.of(find_samples(data, "all")[0], "cat")) == 1


def test_paths_are_those_of_the_data_set_wherever_one_stands(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    data = dataset(Path("../photos"), "a")
    for name in ("../photos/a.png", str(tmp_path / "elsewhere/../photos/a.png")):
        assert boxes_of(read_boxes(csv_file(tmp_path / "f.csv", f"{name},1,2,3,4,,"), data), data)["a"]
