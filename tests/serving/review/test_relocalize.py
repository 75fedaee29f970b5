import pytest
from reviews import raise_threshold, write_localized_run

from weakspot.io.rows import read_rows
from weakspot.serving.review.adoption import adopt
from weakspot.serving.review.relocalize import localize_again
from weakspot.serving.review.source import open_source

pytestmark = pytest.mark.usefixtures("one_thread")


def rows_of(source):
    return {row["image"]: row for _, row in read_rows(source.folder / "boxes.jsonl")}


@pytest.mark.parametrize("count", [1, 3])
def test_images_that_cannot_be_read_keep_their_rows(tmp_path, count):
    source = open_source(write_localized_run(tmp_path))
    again = [item.path for item in source.items[:count]]
    before = rows_of(source)
    again[0].write_bytes(b"text")
    raise_threshold(source.run, source.images, {})
    [problem] = localize_again(source, again)
    assert str(again[0]) in problem
    adopt(source)
    after = rows_of(source)
    assert {name for name in before if after[name] != before[name]} == set(map(str, again[1:]))
