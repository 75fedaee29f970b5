import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
import timm
import tomli_w
from PIL import Image
from safetensors.torch import save_file
from small_graphs import run_folder

from weakspot import __version__
from weakspot.cli.app import main
from weakspot.inference.localization import BELOW_MIN_SCORE
from weakspot.io.folder_lock import folder_lock
from weakspot.io.shards import ShardSpec

FAST = ["--input-size", "64", "--batch-size", "4"]


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A folder of eleven images below the working folder, one of them deeper."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for i in range(11):
        place = tmp_path / "photos" / ("more" if i == 10 else "") / f"{i:02}.jpg"
        pixels = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((80 + i, 60), Image.Resampling.BICUBIC).save(place)
    return Path("photos")


def rows(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def run(*words):
    return main(["localize", *map(str, words), *FAST])


def test_every_image_has_a_row_in_order(images, capsys):
    assert run(images, "--output", "out") == 0
    found = rows("out/boxes.jsonl")
    assert [row["image"] for row in found] == [f"photos/{i:02}.jpg" for i in range(10)] + ["photos/more/10.jpg"]
    assert [row["width"] for row in found] == list(range(80, 91))
    for row in found:
        x1, y1, x2, y2 = row["box"]
        assert 0 <= x1 < x2 <= row["width"]
        assert 0 <= y1 < y2 <= row["height"]
        assert row["boxes"][0] == row["box"]
    assert not Path("out/skipped.jsonl").exists()
    assert tomllib.loads(Path("out/localize.toml").read_text())["method"] == "gradcam"
    assert "11 localized: out/boxes.jsonl" in capsys.readouterr().out


def test_files_that_are_passed_over_are_named(images, capsys):
    (images / "clip.mp4").touch()
    assert run(images, "--output", "out") == 0
    assert "1 .mp4" in capsys.readouterr().out


def test_an_image_that_cannot_be_read_is_skipped_and_listed(images, capsys):
    (images / "03.jpg").write_bytes((images / "03.jpg").read_bytes()[:200])
    (images / "05.jpg").write_bytes(b"")
    assert run(images, "--output", "out") == 1
    assert len(rows("out/boxes.jsonl")) == 9
    skipped = rows("out/skipped.jsonl")
    assert [row["image"] for row in skipped] == ["photos/03.jpg", "photos/05.jpg"]
    assert all(row["problem"] for row in skipped)
    assert "2 skipped: out/skipped.jsonl" in capsys.readouterr().out


def test_a_resumed_run_does_what_is_missing_and_nothing_twice(images, capsys):
    assert run(images, "--output", "whole") == 0
    assert run(images, "--output", "out") == 0
    lines = Path("out/boxes.jsonl").read_bytes().splitlines(keepends=True)
    Path("out/boxes.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:25])  # cut off in the middle of a row
    capsys.readouterr()
    assert run(images, "--output", "out", "--resume") == 0
    assert "7 localized" in capsys.readouterr().out
    assert [row["image"] for row in rows("out/boxes.jsonl")] == [row["image"] for row in rows("whole/boxes.jsonl")]
    assert run(images, "--output", "out", "--resume") == 0
    assert len(rows("out/boxes.jsonl")) == 11


@pytest.mark.exhaustive
def test_a_run_that_is_killed_keeps_its_rows_and_goes_on(images):
    for i in range(11, 60):
        os.link("photos/00.jpg", f"photos/{i}.jpg")
    command = [
        sys.executable,
        "-m",
        "weakspot",
        "localize",
        "photos",
        "--output",
        "out",
        *FAST[:2],
        "--batch-size",
        "1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (
        Path("out/boxes.jsonl").exists() and len(rows_so_far("out/boxes.jsonl")) >= 5
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = rows_so_far("out/boxes.jsonl")
    assert 5 <= len(kept) < 60
    assert run("photos", "--output", "out", "--resume") == 0
    assert run("photos", "--output", "whole") == 0
    assert rows("out/boxes.jsonl")[: len(kept)] == [json.loads(line) for line in kept]
    assert [row["image"] for row in rows("out/boxes.jsonl")] == [row["image"] for row in rows("whole/boxes.jsonl")]


def rows_so_far(path):
    """The whole rows of a file that may be being written."""
    return [line for line in Path(path).read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def test_uncertainty_is_in_the_rows_also_of_a_resumed_run(images, capsys):
    assert run(images, "--output", "out", "--uncertainty") == 0
    found = rows("out/boxes.jsonl")
    assert all(0 <= row["uncertainty"] <= 1 for row in found)
    assert list(found[0]).index("uncertainty") == list(found[0]).index("threshold") + 1
    assert len({row["uncertainty"] for row in found}) > 5
    lines = Path("out/boxes.jsonl").read_bytes().splitlines(keepends=True)
    Path("out/boxes.jsonl").write_bytes(b"".join(lines[:8]))
    assert run(images, "--output", "out", "--uncertainty", "--resume") == 0
    again = rows("out/boxes.jsonl")
    assert [row["image"] for row in again] == [row["image"] for row in found]
    assert [row["uncertainty"] for row in again] == pytest.approx([row["uncertainty"] for row in found], abs=1e-3)
    capsys.readouterr()
    assert run(images, "--output", "out", "--resume") == 2
    assert "uncertainty" in capsys.readouterr().err
    assert run(images, "--output", "without") == 0
    assert "uncertainty" not in rows("without/boxes.jsonl")[0]


def test_a_run_that_an_earlier_version_began_goes_on(images, capsys):
    """It has kept none of the settings that have come since."""
    assert run(images, "--output", "out", "--quality", "plain") == 0
    kept = tomllib.loads(Path("out/localize.toml").read_text())
    assert kept["weakspot"] == __version__
    since = ("weakspot", "quality", "uncertainty", "refine", "min_score", "save_heatmaps")
    old = {name: value for name, value in kept.items() if name not in since}
    lines = Path("out/boxes.jsonl").read_bytes().splitlines(keepends=True)
    for words, code in ((["plain"], 0), (["fast"], 2), (["plain", "--uncertainty"], 2)):
        Path("out/localize.toml").write_text(tomli_w.dumps(old))
        Path("out/boxes.jsonl").write_bytes(b"".join(lines[:4]))
        assert run(images, "--output", "out", "--resume", "--quality", *words) == code
    told = capsys.readouterr().err
    assert "--quality fast" in told
    assert "uncertainty" in told


def test_skipped_images_are_retried_on_resume(images):
    whole = (images / "03.jpg").read_bytes()
    (images / "03.jpg").write_bytes(whole[:200])
    assert run(images, "--output", "out") == 1
    (images / "03.jpg").write_bytes(whole)
    assert run(images, "--output", "out", "--resume") == 0
    assert len(rows("out/boxes.jsonl")) == 11
    assert not Path("out/skipped.jsonl").exists()


def test_ctrl_c_keeps_the_rows_and_says_how_to_go_on(images, monkeypatch, capsys):
    from weakspot.io.row_writer import JsonlWriter

    write, written = JsonlWriter.write, []

    def interrupted(self, row):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(row)
        write(self, row)

    monkeypatch.setattr(JsonlWriter, "write", interrupted)
    assert run(images, "--output", "out") == 130
    assert "--resume --output out" in capsys.readouterr().err
    assert len(rows("out/boxes.jsonl")) == 3


@contextmanager
def files_no_larger_than(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_whole_rows_are_kept(images, capsys):
    with files_no_larger_than(1000):
        assert run(images, "--output", "out") == 2
    assert len(capsys.readouterr().err.splitlines()) <= 2
    assert run(images, "--output", "out", "--resume") == 0
    assert [row["width"] for row in rows("out/boxes.jsonl")] == list(range(80, 91))


def test_another_runs_rows_are_never_overwritten_or_mixed(images, capsys):
    assert run(images, "--output", "out") == 0
    assert run(images, "--output", "out") == 2
    assert "out" in capsys.readouterr().err
    assert run(images, "--output", "out", "--resume", "--method", "gradcam++") == 2
    assert "gradcam++" in capsys.readouterr().err
    Path("out/boxes.jsonl").write_text("not rows\n")
    assert run(images, "--output", "out", "--resume") == 2
    assert "boxes.jsonl" in capsys.readouterr().err


def test_without_output_each_run_has_a_folder_of_its_own(images):
    assert run(images / "00.jpg") == run(images / "01.jpg") == 0
    assert rows("localized/boxes.jsonl")[0]["image"] == "photos/00.jpg"
    assert rows("localized-2/boxes.jsonl")[0]["image"] == "photos/01.jpg"


def test_plots_and_masks_are_written_where_no_two_images_meet(images):
    (images / "more" / "00.jpg").write_bytes((images / "01.jpg").read_bytes())
    assert (
        run(
            images / "00.jpg",
            images / "more" / "00.jpg",
            "--output",
            "out",
            "--save-plots",
            "--save-masks",
            "--top-k",
            "2",
        )
        == 0
    )
    plots = sorted(str(path) for path in Path("out/plots").rglob("*.png"))
    assert len(plots) == 4
    assert {"out/plots/photos/00.jpg.png", "out/plots/photos/more/00.jpg.png"} <= set(plots)
    with Image.open("out/masks/photos/00.jpg.png") as mask:
        assert (mask.mode, mask.size) == ("1", (80, 60))
    assert len(rows("out/boxes.jsonl")[0]["others"]) == 1


def test_a_run_does_not_take_its_own_pictures_for_images(images):
    for _ in range(2):
        assert run(".", "--save-plots") == 0
    assert len(rows("localized/boxes.jsonl")) == len(rows("localized-2/boxes.jsonl")) == 11


def test_an_image_that_goes_away_before_it_is_drawn_is_skipped(images, monkeypatch):
    from weakspot.inference.localization import Localization

    plot = Localization.plot

    def too_late(self):
        Path("photos/04.jpg").unlink(missing_ok=True)
        return plot(self)

    monkeypatch.setattr(Localization, "plot", too_late)
    assert run(images, "--output", "out", "--save-plots") == 1
    assert [row["image"] for row in rows("out/skipped.jsonl")] == ["photos/04.jpg"]
    assert len(rows("out/boxes.jsonl")) == 10


def test_a_folder_with_one_bad_image_is_a_folder(images, capsys):
    Path("bad").mkdir()
    Path("bad/a.jpg").write_bytes(b"no image")
    assert run("bad", "--output", "out") == 1
    assert len(rows("out/skipped.jsonl")) == 1
    assert "boxes.jsonl" not in capsys.readouterr().out


def test_an_image_outside_the_working_folder_leaves_no_folder_of_the_output(images, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run("../photos/00.jpg", "--output", "out", "--save-plots") == 0
    assert len(list(Path("out/plots").rglob("*.png"))) == 1
    assert not list((tmp_path / "photos").rglob("*.png"))


def test_a_list_comes_from_stdin(images, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("photos/02.jpg\n\nphotos/missing.jpg\nphotos/04.jpg\n"))
    assert run("-", "--output", "out") == 1
    assert [row["image"] for row in rows("out/boxes.jsonl")] == ["photos/02.jpg", "photos/04.jpg"]
    assert rows("out/skipped.jsonl")[0]["problem"]


def test_one_image_prints_what_was_found(images, capsys):
    assert run(images / "00.jpg", "--output", "out", "--classes", "Egyptian cat") == 0
    assert capsys.readouterr().out.startswith("Egyptian cat 0.")


def test_a_classifier_of_ones_own_comes_with_weights_and_class_names(images, capsys):
    names = ["crack", "scratch", "Царапина"]
    save_file(timm.create_model("resnet18", num_classes=3).state_dict(), "mine.safetensors")
    Path("names.txt").write_text("\n".join(names), encoding="utf-8")
    options = ["--model", "resnet18", "--weights", "mine.safetensors", "--class-names", "names.txt"]
    assert run(images, *options, "--output", "out") == 0
    assert {row["label"] for row in rows("out/boxes.jsonl")} <= set(names)
    Path("names.txt").write_text("crack\nscratch")
    assert run(images, *options, "--output", "other") == 2
    assert "2" in capsys.readouterr().err


BAD = {
    "missing.jpg": None,
    "empty.jpg": b"",
    "text.jpg": b"hello",
}


@pytest.mark.parametrize("name", BAD)
def test_a_single_bad_image_is_refused(name, images, capsys):
    if BAD[name] is not None:
        Path(name).write_bytes(BAD[name])
    assert run(name) == 2
    error = capsys.readouterr().err
    assert name in error
    assert len(error.splitlines()) <= 2
    assert not Path("localized").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param([], "image", id="nothing"),
        pytest.param(["empty-folder"], "empty-folder", id="empty folder"),
        pytest.param(["*.gif"], "*.gif", id="pattern"),
        pytest.param(["photos", "--method", "gradcm"], "gradcm", id="method"),
        pytest.param(["photos", "--model", "resnet5"], "resnet5", id="model"),
        pytest.param(["photos", "--threshold", "1.5"], "1.5", id="threshold"),
        pytest.param(["photos", "--classes", "1000"], "1000", id="class"),
        pytest.param(["photos", "--weights", "none.pth"], "none.pth", id="weights"),
        pytest.param(["photos", "--class-names", "none.txt"], "none.txt", id="class names"),
        pytest.param(["photos", "--resume"], "--resume", id="resume what"),
        pytest.param(["photos", "--output", "photos/00.jpg"], "photos/00.jpg", id="output is a file"),
        pytest.param(["photos", "--treshold", "0.5"], "--treshold", id="option"),
        pytest.param(["photos", "--top-k", "many"], "many", id="not a number"),
    ],
)
def test_wrong_arguments_are_refused(words, problem, images, capsys):
    Path("empty-folder").mkdir()
    assert run(*words) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert len(error.splitlines()) <= 2
    assert "Traceback" not in error


def test_an_image_over_the_limit_is_skipped_and_the_limit_can_be_raised(images):
    Image.new("L", (3000, 2000)).save("photos/11.png")
    assert run(images, "--output", "out", "--max-pixels", "5000000") == 1
    assert "5,000,000" in rows("out/skipped.jsonl")[0]["problem"]
    limit = Image.MAX_IMAGE_PIXELS
    try:
        assert run(images, "--output", "out", "--resume", "--max-pixels", "200000000") == 0
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def test_all_objects_have_rows_with_their_scores_and_heatmaps_can_be_refined(images):
    words = ("photos/03.jpg", "--quality", "fast", "--boxes", "instances", "--refine", "grabcut")
    assert run(*words, "--save-masks", "--output", "out") == 0
    (row,) = rows(Path("out/boxes.jsonl"))
    assert len(row["box_scores"]) == len(row["boxes"]) >= 1
    assert all(0 <= score <= row["score"] for score in row["box_scores"])
    assert tomllib.loads(Path("out/localize.toml").read_text())["refine"] == "grabcut"
    assert Path("out/masks/photos/03.jpg.png").exists()


def test_a_minimum_score_that_no_region_has_leaves_no_box(images):
    assert run("photos/03.jpg", "--min-score", "1", "--output", "out") == 0
    (row,) = rows(Path("out/boxes.jsonl"))
    assert (row["box"], row["boxes"]) == (None, [])
    assert row["notes"] == [BELOW_MIN_SCORE]


def shard_files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_shards_are_what_one_run_finds(images, capsys):
    (images / "05.jpg").write_bytes(b"")
    assert run(images, "--output", "whole") == 1
    codes = [run(images, "--output", "out", "--shard", f"{i}/3") for i in (3, 1, 2)]
    assert sorted(codes) == [0, 0, 1]
    named = [f"{i:05}-of-00003" for i in (1, 2, 3)]
    (skipped,) = Path("out").glob("skipped-*")
    expected = [f"boxes-{name}.jsonl" for name in named] + [f"manifest-{name}.json" for name in named]
    assert shard_files("out") == sorted([*expected, "localize.toml", skipped.name])
    found = [row for name in named for row in rows(f"out/boxes-{name}.jsonl")]
    whole = {row["image"]: row for row in rows("whole/boxes.jsonl")}
    assert sorted(row["image"] for row in found) == sorted(whole)
    for row in found:  # its batch holds other images, so the last digits may differ
        assert row["box"] == pytest.approx(whole[row["image"]]["box"], abs=0.02)
        assert row["score"] == pytest.approx(whole[row["image"]]["score"], abs=1e-5)
    told = [json.loads(Path(f"out/manifest-{name}.json").read_text()) for name in named]
    assert sum(one["localized"] for one in told) == 10
    assert sum(one["skipped"] for one in told) == 1
    assert "localized: out/boxes-00003-of-00003.jsonl" in capsys.readouterr().out


def test_a_shard_goes_on_by_itself_and_has_its_name_once_it_is_whole(images, monkeypatch, capsys):
    from weakspot.io.row_writer import JsonlWriter

    words = (images, "--output", "out", "--shard", "2/2")
    write, written = JsonlWriter.write, []

    def interrupted(self, row):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(row)
        write(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(JsonlWriter, "write", interrupted)
        assert run(*words) == 130
    assert shard_files("out") == ["boxes-00002-of-00002.jsonl.part", "localize.toml"]
    capsys.readouterr()
    assert main(["label", "out", "--output", "labels"]) == 2  # there is no whole shard yet
    assert run(*words) == 0
    first = rows("out/boxes-00002-of-00002.jsonl")
    assert first[:2] == written
    new = next(images / f"new-{i}.jpg" for i in range(99) if ShardSpec(2, 2).contains(f"photos/new-{i}.jpg"))
    Image.open(images / "00.jpg").save(new)
    assert run(*words) == 0
    assert rows("out/boxes-00002-of-00002.jsonl") == [*first, *rows("out/boxes-00002-of-00002.jsonl")[-1:]]
    assert rows("out/boxes-00002-of-00002.jsonl")[-1]["image"] == str(new)
    assert main(["label", "out", "--output", "labels", "--image-files", "none"]) == 1
    (problem,) = rows("labels/problems.jsonl")
    assert problem == {
        "image": "boxes-00001-of-00002.jsonl",
        "problem": ANY,
    }


def test_a_share_without_images_is_an_empty_shard(images):
    only = images / "00.jpg"
    number = next(number for number in (1, 2) if not ShardSpec(number, 2).contains(str(only)))
    for shard in (1, 2):
        assert run(only, "--output", "out", "--shard", f"{shard}/2") == 0
    assert Path(f"out/boxes-0000{number}-of-00002.jsonl").read_bytes() == b""
    assert main(["label", "out", "--output", "labels", "--image-files", "none"]) == 0


def test_two_processes_do_not_write_the_same_shard(images, capsys):
    words = ("--output", "out", "--shard", "1/2")
    with folder_lock(Path("out"), "00001-of-00002"):
        assert run(images, *words) == 2
    assert f"process {os.getpid()}" in capsys.readouterr().err
    assert run(images, *words) == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--output", "out", "--shard", "3/2"], "3/2"),
        (["--shard", "1/2"], "1/2"),
        (["--output", "out", "--format", "parquet"], "parquet"),
        (["--output", "out", "--num-actors", "2"], "--num-actors 2"),
        (["--output", "out", "--address", "auto"], "--address auto"),
    ],
)
def test_cluster_options_that_conflict_are_refused(images, capsys, words, problem):
    assert run(images, *words) == 2
    told = capsys.readouterr().err
    assert problem in told
    assert len(told.splitlines()) <= 2
    assert not Path("out").exists()


def test_a_run_has_one_number_of_shards(images, capsys):
    assert run(images, "--output", "out", "--shard", "1/2") == 0
    assert run(images, "--output", "out", "--shard", "1/3") == 2
    assert "*/3" in capsys.readouterr().err
    assert run(images, "--output", "out") == 2
    assert "*/2" in capsys.readouterr().err


def test_what_a_run_has_learnt_of_foreground_stays_when_it_goes_on(images, monkeypatch):
    """Also where the images have changed, from which it would be learnt again."""
    from weakspot.inference.localizer import Localizer

    learnt = []
    adapt = Localizer.adapt
    monkeypatch.setattr(Localizer, "adapt", lambda self, images: learnt.append(images) or adapt(self, images))
    words = (images, "--output", "out", "--quality", "balanced", "--shard", "1/2")
    assert run(*words) == 0
    assert len(learnt) == 1
    assert len(learnt[0]) == 11  # of all shards
    first = rows("out/boxes-00001-of-00002.jsonl")
    Path("out/boxes-00001-of-00002.jsonl").unlink()
    for path in sorted(images.glob("*.jpg"))[:5]:
        if not ShardSpec(1, 2).contains(str(path)):
            path.unlink()
    assert run(*words) == 0
    assert len(learnt) == 1
    assert rows("out/boxes-00001-of-00002.jsonl") == first
    Path("out/boxes-00001-of-00002.jsonl").unlink()
    Path("out/foreground.safetensors").write_bytes(b"no head")
    assert run(*words) == 2


def test_a_worker_process_gives_the_same_results(images):
    """A worker reproduces the rows, the output images and the foreground head, here without Ray."""
    from weakspot.inference.batch.model_identity import ModelIdentity
    from weakspot.inference.batch.options import LocalizeOptions
    from weakspot.inference.batch.worker import WorkerFactory

    words = ("--quality", "balanced", "--save-masks", "--uncertainty")
    (images / "03.jpg").write_bytes(b"")
    assert run(images, "--output", "out", *words) == 1
    told = tomllib.loads(Path("out/localize.toml").read_text())
    options = LocalizeOptions(
        input_size=64, batch_size=4, quality="balanced", method=told["method"], save_masks=True, uncertainty=True
    )
    Path("there").mkdir()
    os.link("out/foreground.safetensors", "there/foreground.safetensors")
    skipped = []
    find = WorkerFactory(options, Path("there"), ModelIdentity.of(options))()
    names = [str(path) for path in [*sorted(images.glob("*.jpg")), images / "more/10.jpg"]]
    found = list(find(names, lambda image, error: skipped.append(str(image))))
    assert found == rows("out/boxes.jsonl")
    assert skipped == ["photos/03.jpg"]
    masks = [{path.name: path.read_bytes() for path in Path(folder).rglob("*.png")} for folder in ("out", "there")]
    assert masks[0] == masks[1]
    assert len(masks[0]) == 10


def test_a_refused_or_idle_rerun_leaves_a_whole_shard_whole(images, capsys):
    words = ("--output", "out", "--shard", "2/2")
    assert run(images, *words) == 0
    file = Path("out/boxes-00002-of-00002.jsonl")
    before, stamp = file.read_bytes(), file.stat().st_mtime_ns
    Path("empty").mkdir()
    assert run("empty", *words) == 2
    assert "empty" in capsys.readouterr().err
    assert run(images, *words) == 0
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (before, stamp)
    assert not file.with_name(file.name + ".part").exists()


def test_an_image_that_is_named_twice_has_one_row(images):
    Path("list.txt").write_text("photos/00.jpg\nphotos/01.jpg\nphotos/00.jpg\n")
    assert run("list.txt", images / "01.jpg", "--output", "out") == 0
    assert [row["image"] for row in rows("out/boxes.jsonl")] == ["photos/00.jpg", "photos/01.jpg"]


def test_rows_are_not_written_among_the_images(images, capsys):
    for words in ((), ("--shard", "1/2"), ("--engine", "ray")):
        assert run(images, "--output", images / ".." / "photos", *words) == 2
        assert "photos" in capsys.readouterr().err
    assert not (images / "localize.toml").exists()


def test_shards_of_one_run_name_images_from_the_same_folder(images, monkeypatch, capsys):
    assert run(images, "--output", "out", "--shard", "1/2") == 0
    out = Path("out").absolute()
    monkeypatch.chdir(images)
    assert run(".", "--output", out, "--shard", "2/2") == 2
    assert "working folder" in capsys.readouterr().err


def test_an_image_whose_name_leaves_no_room_for_a_picture_is_skipped(images):
    (images / "03.jpg").rename(images / f"{'x' * 247}.jpg")
    assert run(images, "--output", "out", "--save-masks") == 1
    assert len(rows("out/boxes.jsonl")) == 10
    assert "xxx" in rows("out/skipped.jsonl")[0]["problem"]
    assert run(images, "--output", "without") == 0


def test_labels_find_the_masks_of_shards_from_another_folder(images, monkeypatch):
    (images / "05.jpg").write_bytes(b"")
    for shard in ("1/2", "2/2"):
        run(images.absolute(), "--output", "out", "--shard", shard, "--save-masks")
    out = Path("out").absolute()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert main(["label", str(out), "--output", "labels", "--image-files", "none"]) == 1
    found = json.loads(next(Path("labels/coco").rglob("*.json")).read_text())
    assert len(found["annotations"]) == 10
    assert all("segmentation" in one for one in found["annotations"])
    assert [Path(row["image"]).name for row in rows("labels/problems.jsonl")] == ["05.jpg"]
    main(["report", str(out)])
    assert "05.jpg" in (out / "report.html").read_text()
    (out / "boxes-00001-of-00002.jsonl").unlink()
    main(["report", str(out)])
    assert "--shard 1/2" in (out / "report.html").read_text()


@pytest.mark.parametrize(("min_score", "noted"), [("0", True), ("1", False)])
def test_boxes_that_cover_the_image_are_noted(images, capsys, min_score, noted):
    (images / "clip.mp4").touch()  # has a note of its own
    assert run(images, "--classes", "281", "--threshold", "0.01", "--min-score", min_score, "--output", "out") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("11 localized")
    assert any(line.startswith("note: 11 of 11 boxes of tabby ") for line in lines) is noted
    assert any("weakspot threshold" in line for line in lines) is noted
    assert any("1 .mp4" in line for line in lines)


def test_a_batch_without_images_is_refused(images, capsys):
    assert main(["localize", str(images), "--batch-size", "0"]) == 2
    assert capsys.readouterr().err.splitlines() == ["--batch-size must be at least 1, got 0."]


def link_to(run):
    Path("latest").unlink(missing_ok=True)
    Path("latest").symlink_to(run)


def test_a_run_is_continued_with_the_model_it_began_with_whatever_leads_to_it(images, capsys):
    """The link to the latest run leads to another one by now."""
    for name in ("first", "second"):
        Path(name).mkdir()
        run_folder(Path(name), threshold=0.3 if name == "first" else 0.6)
    link_to("first")
    assert run(images, "--output", "out", "--model", "latest") == 0
    lines = Path("out/boxes.jsonl").read_bytes().splitlines(keepends=True)
    Path("out/boxes.jsonl").write_bytes(b"".join(lines[:4]))
    link_to("second")
    capsys.readouterr()
    assert run(images, "--output", "out", "--model", "latest", "--resume") == 2
    told = capsys.readouterr().err
    assert f"--model {Path('first').absolute()}" in told
    assert len(told.splitlines()) == 2
    assert run(images, "--output", "out", "--model", "first", "--resume") == 0
    assert Path("out/boxes.jsonl").read_bytes() == b"".join(lines)


def test_a_run_that_does_not_say_its_weights_is_continued_and_that_is_said_once(images, capsys):
    assert run(images, "--output", "out") == 0
    kept = tomllib.loads(Path("out/localize.toml").read_text())
    old = {name: value for name, value in kept.items() if not name.startswith("model_")}
    assert len(old) == len(kept) - 1  # published weights have no path
    Path("out/localize.toml").write_text(tomli_w.dumps(old))
    lines = Path("out/boxes.jsonl").read_bytes().splitlines(keepends=True)
    for count in (4, 5):
        Path("out/boxes.jsonl").write_bytes(b"".join(lines[:count]))
        capsys.readouterr()
        assert run(images, "--output", "out", "--resume") == 0
        assert capsys.readouterr().err.count("which weights") == (count == 4)
    assert tomllib.loads(Path("out/localize.toml").read_text()) == kept | {"resume": True}


def test_predictions_that_differ_from_the_folder_are_counted_and_its_class_can_be_localized(images, capsys):
    """The folders are named after classes; those of the random weights have no part in it."""
    Path("run").mkdir()
    run_folder(Path("run"))
    for number, path in enumerate(sorted(images.rglob("*.jpg"))):
        place = Path("sorted", ("cat", "dog", "sundries")[number % 3], path.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    assert run("sorted", "--model", "run", "--output", "predicted") == 0
    told = capsys.readouterr().out
    labels = {row["image"]: row["label"] for row in rows("predicted/boxes.jsonl")}
    wrong = sum(Path(name).parent.name not in (label, "sundries") for name, label in labels.items())
    assert f"note: {wrong} of 8 predictions differ" in told
    assert run("sorted", "--model", "run", "--output", "by-folder", "--classes", "folder") == 0
    told = capsys.readouterr().out
    assert f"note: {wrong} of 8 predictions differ" in told
    assert "3 images are in folders" in told
    for row in rows("by-folder/boxes.jsonl"):
        folder = Path(row["image"]).parent.name
        assert row["label"] == (labels[row["image"]] if folder == "sundries" else folder)
