from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from trees import plant

from weakspot.data import check_dataset, read_dataset
from weakspot.data.dataset_checks import GROUP_LEAK
from weakspot.data.formats.csv_labels import DUPLICATE, NO_ROW, SEVERAL_GROUPS

HEADER = "image_id,label,split\n"
A = {"images/a.jpg": (9, 9)}


def labelled(tmp_path, text, files=None):
    return read_dataset(plant(tmp_path, {"labels.csv": text} | (A if files is None else files)))


def told(dataset):
    """File, split and labels of each image."""
    root = dataset.root
    return [
        (example.path.relative_to(root).as_posix(), example.split, [truth.label for truth in example.annotations])
        for example in dataset.samples
    ]


def places(dataset):
    return {problem.kind: problem.where for problem in dataset.issues}


def test_labels_and_splits_are_read_in_the_order_of_the_file(tmp_path):
    files = {"images/a.jpg": (9, 9), "images/b.png": (8, 9), "images/x/c.JPEG": (7, 9)}
    dataset = labelled(tmp_path, f"{HEADER}x/c,dog,Val\nb.png,cat,train\na,dog,train\n", files)
    assert told(dataset) == [
        ("images/x/c.JPEG", "val", ["dog"]),
        ("images/b.png", "train", ["cat"]),
        ("images/a.jpg", "train", ["dog"]),
    ]
    assert [example.image_id for example in dataset.samples] == ["x/c", "b", "a"]
    assert (dataset.layout, dataset.class_names) == ("CSV of labels", ("cat", "dog"))
    assert all(truth.boxes.shape == (0, 4) for example in dataset.samples for truth in example.annotations)
    assert check_dataset(dataset) == []


@pytest.mark.parametrize("image", ["image_id", "image", "path", "file", " Image "])
@pytest.mark.parametrize("label", ["label", "class", " LABEL"])
@pytest.mark.parametrize("name", ["a", "a.jpg", "./a.jpg"])
def test_columns_have_several_names_and_images_a_suffix_or_none(tmp_path, image, label, name):
    assert told(labelled(tmp_path, f"{label},{image}\ncat,{name}\n")) == [("images/a.jpg", "", ["cat"])]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_cells_may_be_separated_by_semicolons_or_tabs(tmp_path, delimiter):
    rows = [("image", "label", "split"), ("a.jpg", "cat|dog", "train"), ('"a.jpg"', '"bird;cow"', "train")]
    text = "".join(f"{delimiter.join(row)}\n" for row in rows)
    assert told(labelled(tmp_path, text)) == [("images/a.jpg", "train", ["cat", "dog", "bird", "cow"])]


def test_a_semicolon_separates_labels_if_commas_separate_cells(tmp_path):
    assert told(labelled(tmp_path, "image,label\na,cat;dog\n")) == [("images/a.jpg", "", ["cat", "dog"])]


@pytest.mark.parametrize("base", ["images", "photos", "."])
@pytest.mark.parametrize("link", [False, True])
def test_absolute_paths_into_the_data_set_are_relative(tmp_path, base, link):
    folder = plant(tmp_path / "data", {f"{base}/x/a.jpg": (9, 9)})
    if link:
        (tmp_path / "link").symlink_to(folder)
    (folder / "labels.csv").write_text(f"image,label\n{folder.resolve() / base / 'x/a.jpg'},cat\n")
    dataset = read_dataset(tmp_path / "link" if link else folder)
    assert [sample.path.is_file() for sample in dataset.samples] == [True]
    assert dataset.samples[0].image_id == ("photos/x/a" if base == "photos" else "x/a")


@pytest.mark.parametrize("name", ["{root}/../other/a.jpg", "/a.jpg", "{root}"])
def test_other_absolute_paths_are_refused(tmp_path, name):
    with refused("path-outside", "labels.csv, line 2"):
        labelled(tmp_path, f"image,label\n{name.format(root=tmp_path)},cat\n")


def test_label_wins_over_class(tmp_path):
    assert told(labelled(tmp_path, "image,class,label\na,7,cat\n")) == [("images/a.jpg", "", ["cat"])]


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        pytest.param("a,dog\na,cat\n", ["dog", "cat"], id="a row each"),
        pytest.param("a,dog;cat\n", ["dog", "cat"], id="semicolons"),
        pytest.param("a, dog | cat \n", ["dog", "cat"], id="bars"),
        pytest.param("a,dog;;cat|\na,cow\n", ["dog", "cat", "cow"], id="nothing between separators"),
        pytest.param('a,"hot dog, big"\n', ["hot dog, big"], id="a comma in quotes"),
        pytest.param("a,\n", [], id="no object"),
        pytest.param("a,;\na,\n", [], id="no object, twice"),
        pytest.param("a,\na,cat\n", ["cat"], id="an empty cell beside a label"),
    ],
)
def test_image_has_all_labels_of_its_rows(tmp_path, rows, labels):
    dataset = labelled(tmp_path, f"image_id,label\n{rows}")
    assert told(dataset) == [("images/a.jpg", "", labels)]
    assert dataset.issues == ()


def test_image_without_a_label_is_reported_as_such(tmp_path):
    dataset = labelled(tmp_path, "image_id,label\na,cat\nb,\n", A | {"images/b.jpg": (9, 9)})
    assert {problem.kind: problem.where for problem in check_dataset(dataset)} == {"image without a label": ("b",)}


def test_image_without_a_row_is_left_out_and_noticed(tmp_path):
    more = {"images/b.jpg": (9, 9), "images/x/a.jpg": (9, 9), "images/notes.txt": ""}
    dataset = labelled(tmp_path, "image_id,label\na,cat\n", A | more)
    assert [example.image_id for example in dataset.samples] == ["a"]
    assert places(dataset) == {NO_ROW: ("b.jpg", "x/a.jpg")}
    assert dataset.issues[0] in check_dataset(dataset)


def test_folder_of_masks_beside_the_images_holds_none(tmp_path):
    dataset = labelled(tmp_path, "image_id,label\na,cat\n", {"a.jpg": (9, 9), "masks/a.png": (9, 9)})
    assert (told(dataset), dataset.issues) == ([("a.jpg", "", ["cat"])], ())


def test_image_that_is_missing_keeps_a_path_and_is_reported(tmp_path):
    dataset = labelled(tmp_path, "image_id,label\na,cat\ngone,cat\nx/lost.png,dog\n")
    assert [path for path, *_ in told(dataset)] == ["images/a.jpg", "images/gone.jpg", "images/x/lost.png"]
    (missing,) = check_dataset(dataset)
    assert (missing.kind, len(missing.where)) == ("missing image file", 2)


def test_data_set_without_any_image_is_read(tmp_path):
    assert told(labelled(tmp_path, f"{HEADER}a,cat,train\n", {})) == [("a.jpg", "train", ["cat"])]


def test_file_without_rows_is_a_data_set_without_images(tmp_path):
    dataset = labelled(tmp_path, HEADER)
    assert (dataset.samples, dataset.class_names, places(dataset)) == ((), (), {NO_ROW: ("a.jpg",)})


@pytest.mark.parametrize("rows", ["a,cat\na.jpg,cat\n", "a,dog\na,cat;cat\n"])
def test_label_given_twice_counts_once_and_is_noticed(tmp_path, rows):
    dataset = labelled(tmp_path, f"image_id,label\n{rows}")
    assert told(dataset)[0][2].count("cat") == 1
    ((kind, where),) = places(dataset).items()
    assert (kind, len(where)) == (DUPLICATE, 1)
    assert where[0].startswith(f"{tmp_path}/labels.csv, line 3: a")


def test_image_in_two_splits_is_two_examples_and_a_leak(tmp_path):
    dataset = labelled(tmp_path, f"{HEADER}a,cat,train\na,cat,test\n")
    assert told(dataset) == [("images/a.jpg", "train", ["cat"]), ("images/a.jpg", "test", ["cat"])]
    assert [problem.kind for problem in check_dataset(dataset)] == ["image in two splits"]


def test_split_need_stand_in_one_row_of_an_image_only(tmp_path):
    assert told(labelled(tmp_path, f"{HEADER}a,cat,\na,dog,val\n")) == [("images/a.jpg", "val", ["cat", "dog"])]


def test_row_without_a_split_is_in_none(tmp_path):
    dataset = labelled(tmp_path, f"{HEADER}a,cat,train\nb,cat,\n", A | {"images/b.jpg": (9, 9)})
    assert [problem.kind for problem in check_dataset(dataset)] == ["image without a split"]


def test_folders_of_splits_count_where_there_is_no_such_column(tmp_path):
    files = {"train/a.jpg": (9, 9), "test/b.jpg": (9, 9)}
    rows = "train/a,cat,{0}\ntest/b,dog,{0}\n"
    by_folder = labelled(tmp_path, "image_id,label,source\n" + rows.format("web"), files)
    assert told(by_folder) == [("train/a.jpg", "train", ["cat"]), ("test/b.jpg", "test", ["dog"])]
    by_column = labelled(tmp_path, HEADER + rows.format("dev"), files)
    assert by_column.splits == {"dev": 2}


def test_class_folders_say_nothing_beside_the_file(tmp_path):
    dataset = labelled(
        tmp_path, "image_id,label\ncat/a,tabby\n", {"images/cat/a.jpg": (9, 9), "images/dog/b.jpg": (9, 9)}
    )
    assert told(dataset) == [("images/cat/a.jpg", "", ["tabby"])]
    assert dataset.class_names == ("tabby",)


def test_two_files_of_one_name_have_labels_of_their_own(tmp_path):
    files = A | {"images/a.png": (9, 9)}
    assert told(labelled(tmp_path, "file,label\na.jpg,cat\na.png,dog\n", files)) == [
        ("images/a.jpg", "", ["cat"]),
        ("images/a.png", "", ["dog"]),
    ]
    assert told(labelled(tmp_path, "file,label\na,cat\n", files)) == [
        ("images/a.jpg", "", ["cat"]),
        ("images/a.png", "", ["cat"]),
    ]


def test_other_suffix_than_the_file_has_is_forgiven(tmp_path):
    assert told(labelled(tmp_path, "file,label\na.png,cat\n")) == [("images/a.jpg", "", ["cat"])]


def test_name_may_end_like_an_image_and_have_a_suffix_besides(tmp_path):
    dataset = labelled(tmp_path, "file,label\na.jpg,cat\n", {"a.jpg.png": (9, 9)})
    assert told(dataset) == [("a.jpg.png", "", ["cat"])]


def test_file_of_boxes_wins(tmp_path):
    boxes = {"annotations.csv": "image_id,class,xmin,ymin,xmax,ymax\na,dog,1,2,3,4\n"}
    assert labelled(tmp_path, "image_id,label\na,cat\n", A | boxes).class_names == ("dog",)


def test_file_and_images_may_be_elsewhere(tmp_path):
    plant(tmp_path, {"photos/a.jpg": (9, 9), "lists/some.csv": "image,class\na,cat\n", "root/labels.csv": ""})
    given = {"ground_truth": tmp_path / "lists/some.csv", "images": tmp_path / "photos"}
    assert read_dataset(tmp_path / "root", **given).samples[0].path == tmp_path / "photos/a.jpg"


@pytest.mark.parametrize(
    ("text", "code", "value"),
    [
        ("", "missing-column", "line 1"),
        ("name,label\na,cat\n", "missing-column", "line 1"),
        ("image_id,name\n", "missing-column", "line 1"),
        ("image_id,label\na,cat,dog\n", "csv-invalid", "line 2"),
        ('image_id,"la"bel\n', "csv-invalid", "line 1"),
        ('image_id,label\n"a,cat\n', "csv-invalid", "line 2"),
        ("image_id,label\na,cat\n../b,cat\n", "path-outside", "line 3"),
        ("image_id,label\n/etc/a.jpg,cat\n", "path-outside", "'/etc/a.jpg'"),
        ("image_id,label\nx\\..\\..\\a,cat\n", "path-outside", ""),
        ("image_id,label\n,cat\n", "path-outside", "line 2"),
        (b"image_id,label\na,\xe9\n", "encoding-invalid", "line 2"),
    ],
)
def test_invalid_file_is_refused(tmp_path, text, code, value):
    with refused(code, "labels.csv", value):
        labelled(tmp_path, text)


def test_file_may_have_a_byte_order_mark_and_windows_line_ends(tmp_path):
    dataset = labelled(tmp_path, "\ufeffimage_id,label\r\na,cat\r\n\r\n")
    assert told(dataset) == [("images/a.jpg", "", ["cat"])]


WORDS = st.text("abcé ü-_.,\"'0", min_size=1, max_size=6).map(str.strip).filter(lambda word: word.strip("."))


@given(st.dictionaries(WORDS, st.lists(WORDS, max_size=4, unique=True), max_size=4), st.sampled_from([None, ";", "|"]))
@settings(max_examples=60)
def test_what_is_written_is_read(images, separator):
    """As a cell of all labels, or where there is no separator as a row for each."""
    cells = [
        (f"x/{name}.jpg", cell)
        for name, labels in images.items()
        for cell in ([separator.join(labels)] if separator else labels or [""])
    ]
    quoted = [",".join('"{}"'.format(cell.replace('"', '""')) for cell in row) for row in cells]
    with TemporaryDirectory() as root:
        dataset = read_dataset(plant(root, {"labels.csv": "\n".join(["image_id,label", *quoted])}))
    written = [(f"x/{name}.jpg", "", labels) for name, labels in images.items()]
    assert told(dataset) == written
    assert dataset.class_names == tuple(sorted({label for labels in images.values() for label in labels}))
    assert dataset.issues == ()


def test_groups_are_read_and_an_image_of_several_is_reported(tmp_path):
    files = {f"images/{name}.jpg": (9, 9) for name in "abc"}
    text = "image,label,split,Group\na,cat,train,p1\nb,cat,val,p1\nc,cat,train,\na,dog,train,p2\n"
    dataset = labelled(tmp_path, text, files)
    assert {sample.image_id: sample.group for sample in dataset.samples} == {"a": "p1", "b": "p1", "c": ""}
    assert places(dataset) == {SEVERAL_GROUPS: ("a: p1, p2",)}
    found = {issue.kind: issue.where for issue in check_dataset(dataset, files=False)}
    assert found[GROUP_LEAK] == ("p1 (train, val)",)


def test_a_file_without_groups_has_none(tmp_path):
    assert [sample.group for sample in labelled(tmp_path, f"{HEADER}a,cat,train\n").samples] == [""]
