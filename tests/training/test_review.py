import shutil
from dataclasses import replace

import pytest

from weakspot.data.review_rows import ReviewRow
from weakspot.training.review import learn_from_review
from weakspot.training.taught_samples import read_taught


@pytest.mark.usefixtures("few_steps")
def test_a_decision_that_is_withdrawn_teaches_nothing_any_more(discs_run, boxed, tmp_path):
    run = shutil.copytree(discs_run, tmp_path / "run")
    folder = boxed.samples[0].path.parent.parent
    names = [sample.path.relative_to(folder).as_posix() for sample in boxed.samples[:6]]
    rows = {
        name: ReviewRow(name, "confirmed", sample.objects, (64, 64))
        for name, sample in zip(names, boxed.samples, strict=False)
    }
    learn_from_review(run, folder, rows)
    assert {sample.image_id for sample in read_taught(run)} == set(names)
    withdrawn = replace(rows[names[0]], status="untouched", objects=(), revision=1)
    learn_from_review(run, folder, {**rows, names[0]: withdrawn})
    assert {sample.image_id for sample in read_taught(run)} == set(names[1:])
