import pytest
from refusals import refused

from weakspot.data import ObjectAnnotation, Sample
from weakspot.training.validation_images import VALIDATION, read_validation, write_validation

CAT = ObjectAnnotation("cat", (1.0, 2.0, 3.0, 4.0))


@pytest.fixture
def samples(tmp_path):
    """Images with a box, with two classes and without an object; the last one does not exist."""
    objects = [(CAT,), (CAT, ObjectAnnotation("dog"), CAT), (), (CAT,)]
    found = [Sample(f"{i}", tmp_path / f"ä {i}.png", "val", of_image) for i, of_image in enumerate(objects)]
    for sample in found[:3]:
        sample.path.touch()
    return found


def test_images_that_exist_are_read_back_with_their_labels_and_without_boxes(tmp_path, samples):
    write_validation(tmp_path, samples)
    found = read_validation(tmp_path)
    assert [sample.path for sample in found] == [sample.path for sample in samples[:3]]
    assert [sample.objects for sample in found] == [
        (ObjectAnnotation("cat"),),
        (ObjectAnnotation("cat"), ObjectAnnotation("dog")),
        (),
    ]


def test_images_are_left_out_however_their_path_is_written(tmp_path, samples, monkeypatch):
    write_validation(tmp_path, samples)
    monkeypatch.chdir(tmp_path)
    relative = samples[0].path.relative_to(tmp_path)
    assert [sample.path for sample in read_validation(tmp_path, without=[relative])] == [
        samples[1].path,
        samples[2].path,
    ]


def test_a_run_of_a_version_that_did_not_list_them_has_none(tmp_path):
    assert read_validation(tmp_path) == []


@pytest.mark.parametrize("row", ['{"labels": []}', '{"image": "a.png"}', '{"image": "a.png", "labels": 3}'])
def test_a_row_that_something_else_has_changed_is_refused_with_its_line(tmp_path, row):
    (tmp_path / VALIDATION).write_text(f"{row}\n")
    with refused("row-invalid", "line 1"):
        read_validation(tmp_path)
