import shutil
from dataclasses import replace

import pytest

from weakspot.data.review_rows import ReviewRow, Sampling
from weakspot.io.folders import CONFIG
from weakspot.training.review import learn_from_review
from weakspot.training.run_folder import read_config, write_config
from weakspot.training.taught_samples import read_taught, write_taught


@pytest.mark.usefixtures("few_steps")
def test_a_decision_that_is_withdrawn_teaches_nothing_any_more(discs_run, boxed, tmp_path):
    run = shutil.copytree(discs_run, tmp_path / "run")
    folder = boxed.samples[0].path.parent.parent
    names = [sample.path.relative_to(folder).as_posix() for sample in boxed.samples[:6]]
    rows = {
        name: ReviewRow(name, "confirmed", sample.objects, (64, 64))
        for name, sample in zip(names, boxed.samples, strict=False)
    }
    rows[names[1]] = replace(rows[names[1]], sampling=Sampling("90ab", 1, "uncertain", right=True))
    learn_from_review(run, folder, rows)
    assert {sample.image_id: sample.by_uncertainty for sample in read_taught(run)} == {
        name: name == names[1] for name in names
    }
    withdrawn = replace(rows[names[0]], status="untouched", objects=(), revision=1)
    learn_from_review(run, folder, {**rows, names[0]: withdrawn})
    assert {sample.image_id for sample in read_taught(run)} == set(names[1:])


@pytest.mark.usefixtures("few_steps")
def test_images_of_the_test_split_teach_nothing(discs_run, boxed, tmp_path):
    run, folder = shutil.copytree(discs_run, tmp_path / "run"), tmp_path / "data"
    rows = {}
    for i, sample in enumerate(boxed.samples[:6]):
        name = f"{'test' if i < 2 else 'train'}/{sample.objects[0].label}/{i}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample.path, folder / name)
        rows[name] = ReviewRow(name, "confirmed", sample.objects, (64, 64))
    _, options = read_config(run / CONFIG)
    write_taught(run, [replace(boxed.samples[0], path=folder / next(iter(rows)))])  # by a version that did not check
    write_config(run, folder, options)
    problems, learnt = learn_from_review(run, folder, rows)
    assert problems == ()
    assert "2 of the test split" in learnt
    assert {sample.image_id for sample in read_taught(run)} == {name for name in rows if name.startswith("train/")}
