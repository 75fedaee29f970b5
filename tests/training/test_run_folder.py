"""The folder of a run and its configuration."""

import string
import threading
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from weakspot.io.rows import write_rows
from weakspot.training.options import TrainOptions
from weakspot.training.run_config import resolve_request
from weakspot.training.run_folder import check_output, make_run_folder, read_config, write_config


def test_an_existing_name_gets_a_number(tmp_path):
    made = [make_run_folder(tmp_path / "runs" / "birds").name for _ in range(3)]
    assert made == ["birds", "birds-2", "birds-3"]


def test_runs_that_start_at_once_do_not_get_the_same_folder(tmp_path):
    made = []
    ready = threading.Barrier(8)

    def make():
        ready.wait()
        made.append(make_run_folder(tmp_path / "run"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8
    assert {path.name for path in tmp_path.iterdir() if not path.is_symlink()} == {folder.name for folder in made}


def test_latest_points_to_the_last_run_and_moves_with_the_folder(tmp_path):
    make_run_folder(tmp_path / "runs" / "a")
    second = make_run_folder(tmp_path / "runs" / "b")
    assert (tmp_path / "runs" / "latest").resolve() == second
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "latest").resolve() == tmp_path / "moved" / "b"
    assert sorted(path.name for path in (tmp_path / "moved").iterdir()) == ["a", "b", "latest"]


def test_a_broken_link_is_replaced(tmp_path):
    (tmp_path / "latest").symlink_to("gone")
    assert (make_run_folder(tmp_path / "run")) == (tmp_path / "latest").resolve()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_file_or_folder_named_latest_is_kept(kind, tmp_path):
    (tmp_path / "latest").write_text("mine") if kind == "file" else (tmp_path / "latest").mkdir()
    make_run_folder(tmp_path / "run")
    assert not (tmp_path / "latest").is_symlink()
    assert (tmp_path / "latest").is_file() == (kind == "file")


def test_a_file_system_without_links_is_accepted(tmp_path, monkeypatch):
    def symlink_to(*_):
        raise OSError

    monkeypatch.setattr(Path, "symlink_to", symlink_to)
    assert make_run_folder(tmp_path / "run").is_dir()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with refused("not-writable", tmp_path / "file" / "run"):
        make_run_folder(tmp_path / "file" / "run")


def test_a_writable_output_is_not_created_by_the_check(tmp_path):
    check_output(tmp_path / "new" / "run", needed_bytes=1000)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_folder_has_is_refused(tmp_path):
    with refused("not-writable", "x" * 300):
        check_output(tmp_path / ("x" * 300) / "run", needed_bytes=0)


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)
paths = st.text(string.ascii_letters + "é /", min_size=1, max_size=9).map(Path)
numbers = st.integers(0, 2**40)
shares = st.floats(0, 1e6)
VALUES = {
    "labels": paths | st.none(),
    "images": paths | st.none(),
    "output": st.none(),
    "teacher": paths | st.none(),
    "freeze": st.sampled_from(["auto", "backbone", "none"]),
    "learn_from": st.sampled_from(["all", "labels"]),
    "quality": st.sampled_from(["plain", "fast", "balanced", "best"]),
    "class_weights": st.sampled_from(["balanced", "none"]),
    "multi_label": st.booleans(),
    "use_predictions": st.booleans(),
    "boxes": paths | st.none(),
    "logger": st.none() | st.lists(text, min_size=1, max_size=3).map(tuple),
    **dict.fromkeys(("method", "backbone", "weights", "background_class", "device", "strategy", "precision"), text),
    **dict.fromkeys(("output_stride", "input_size", "width", "epochs", "patience"), numbers | st.none()),
    **dict.fromkeys(("batch_size", "seed", "devices", "nodes", "workers", "accumulate_grad_batches"), numbers),
    **dict.fromkeys(("val_fraction", "delta", "weight_decay", "max_unreadable", "save_every"), shares),
    "lr": shares | st.none(),
}


def test_all_options_have_values_below():
    assert VALUES.keys() == {field.name for field in fields(TrainOptions)}


@given(options=st.builds(TrainOptions, **VALUES), data=paths)
def test_a_configuration_that_is_written_is_read_back(options, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    write_config(folder, data, options)
    assert read_config(folder / "config.toml") == (data.absolute(), options)


def test_the_output_is_not_part_of_a_configuration(tmp_path):
    write_config(tmp_path, Path("data"), TrainOptions(output=tmp_path))
    assert read_config(tmp_path / "config.toml")[1] == TrainOptions()


@pytest.mark.parametrize(
    ("lines", "code", "values"),
    [
        ("epochs = 3", "missing-data", ()),
        ('data = "d"\nepoch = 3', "unknown-option", ("'epoch'",)),
        ('data = "d"\nepochs = "ten"', "config-invalid", ("epochs", "int", "'ten'")),
        ('data = "d"\nepochs = 1.5', "config-invalid", ("epochs", "int", "1.5")),
        ('data = "d"\nepochs = true', "config-invalid", ("epochs", "int", "True")),
        ('data = "d"\nlr = "fast"', "config-invalid", ("lr", "number", "'fast'")),
        ('data = "d"\ndelta = false', "config-invalid", ("delta", "number", "False")),
        ('data = "d"\nmethod = 5', "config-invalid", ("method", "str", "5")),
        ('data = "d"\nfreeze = 5', "config-invalid", ("freeze", "str", "5")),
        ('data = "d"\nmulti_label = 1', "config-invalid", ("multi_label", "bool", "1")),
        ('data = "d"\nlogger = 5', "config-invalid", ("logger", "list", "5")),
        ('data = "d"\nlabels = 5', "config-invalid", ("labels", "str", "5")),
        ("data = ", "config-unreadable", ()),
        (b"\xff\xfe", "config-unreadable", ()),
        (None, "config-unreadable", ()),
    ],
)
def test_an_invalid_configuration_is_refused(lines, code, values, tmp_path):
    file = tmp_path / "config.toml"
    if lines is not None:
        file.write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    with refused(code, file, *values):
        read_config(file)


def test_integers_are_accepted_as_floats(tmp_path):
    (tmp_path / "config.toml").write_text('data = "d"\nlr = 1\ndelta = 1\n')
    assert read_config(tmp_path / "config.toml")[1] == replace(TrainOptions(), lr=1, delta=1)


def test_rows_are_written_all_at_once(tmp_path):
    write_rows(tmp_path / "rows.jsonl", [{"é": 1}, {"b": 2.5}])
    assert (tmp_path / "rows.jsonl").read_text(encoding="utf-8") == '{"é": 1}\n{"b": 2.5}\n'
    with pytest.raises(TypeError):
        write_rows(tmp_path / "rows.jsonl", [{"a": 1}, {"b": object()}])
    assert (tmp_path / "rows.jsonl").read_text(encoding="utf-8") == '{"é": 1}\n{"b": 2.5}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_option_names_of_version_0_1_0_are_read(tmp_path):
    (tmp_path / "config.toml").write_text('weakspot = "0.1.0"\ndata = "d"\nvalidation = 0.3\naccumulate = 2\n')
    assert read_config(tmp_path / "config.toml")[1] == TrainOptions(val_fraction=0.3, accumulate_grad_batches=2)


def test_a_data_set_that_is_given_need_not_be_in_the_configuration(tmp_path):
    (tmp_path / "config.toml").write_text("save_every = 1\n")
    request = resolve_request("d", TrainOptions(), config=tmp_path / "config.toml", resume=None)
    assert (request.data, request.options.save_every) == (Path("d"), 1)
    with refused("missing-data", tmp_path / "config.toml"):
        resolve_request(None, TrainOptions(), config=tmp_path / "config.toml", resume=None)
