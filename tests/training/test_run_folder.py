import string
import threading
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.errors import InputError
from weakspot.io.rows import write_rows
from weakspot.training.options import TrainOptions
from weakspot.training.run_folder import check_output, make_run_folder, read_config, write_config


def test_a_name_that_is_taken_gets_a_number(tmp_path):
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
    assert {path.name for path in tmp_path.iterdir() if not path.is_symlink()} == {one.name for one in made}


def test_latest_points_to_the_last_run_and_moves_with_the_folder(tmp_path):
    make_run_folder(tmp_path / "runs" / "a")
    second = make_run_folder(tmp_path / "runs" / "b")
    assert (tmp_path / "runs" / "latest").resolve() == second
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "latest").resolve() == tmp_path / "moved" / "b"
    assert sorted(path.name for path in (tmp_path / "moved").iterdir()) == ["a", "b", "latest"]


def test_a_link_that_leads_nowhere_is_replaced(tmp_path):
    (tmp_path / "latest").symlink_to("gone")
    assert (make_run_folder(tmp_path / "run")) == (tmp_path / "latest").resolve()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_link_named_latest_is_left_alone(kind, tmp_path):
    (tmp_path / "latest").write_text("mine") if kind == "file" else (tmp_path / "latest").mkdir()
    make_run_folder(tmp_path / "run")
    assert not (tmp_path / "latest").is_symlink()
    assert (tmp_path / "latest").is_file() == (kind == "file")


def test_a_file_system_without_links_is_no_failure(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError

    monkeypatch.setattr(Path, "symlink_to", refused)
    assert make_run_folder(tmp_path / "run").is_dir()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        make_run_folder(tmp_path / "file" / "run")


def test_a_place_that_can_be_written_to_is_left_as_it_is(tmp_path):
    check_output(tmp_path / "new" / "run", needed_bytes=1000)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_folder_has_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be written to") as refused:
        check_output(tmp_path / ("x" * 300) / "run", needed_bytes=0)
    assert len(str(refused.value).splitlines()) == 2


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
    "quality": st.sampled_from(["plain", "fast", "balanced", "best"]),
    "class_weights": st.sampled_from(["balanced", "none"]),
    "multi_label": st.booleans(),
    "logger": st.none() | st.lists(text, min_size=1, max_size=3).map(tuple),
    **dict.fromkeys(("method", "backbone", "weights", "background_class", "device", "strategy", "precision"), text),
    **dict.fromkeys(("output_stride", "input_size", "width", "epochs", "patience"), numbers | st.none()),
    **dict.fromkeys(("batch_size", "seed", "devices", "nodes", "workers", "accumulate_grad_batches"), numbers),
    **dict.fromkeys(("val_fraction", "delta", "weight_decay", "max_unreadable", "save_every"), shares),
    "lr": shares | st.none(),
}


def test_all_options_are_tried_below():
    assert VALUES.keys() == {field.name for field in fields(TrainOptions)}


@given(options=st.builds(TrainOptions, **VALUES), data=paths)
def test_a_configuration_that_is_written_is_read_back(options, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    write_config(folder, data, options)
    assert read_config(folder / "config.toml") == (data.absolute(), options)


def test_where_a_run_was_written_is_no_part_of_its_configuration(tmp_path):
    write_config(tmp_path, Path("data"), TrainOptions(output=tmp_path))
    assert read_config(tmp_path / "config.toml")[1] == TrainOptions()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("epochs = 3", "does not name the data"),
        ('data = "d"\nepoch = 3', "unknown setting 'epoch'"),
        ('data = "d"\nepochs = "ten"', "epochs = 'ten', which is no int"),
        ('data = "d"\nepochs = 1.5', "epochs = 1.5, which is no int"),
        ('data = "d"\nepochs = true', "epochs = True, which is no int"),
        ('data = "d"\nlr = "fast"', "lr = 'fast', which is no number"),
        ('data = "d"\ndelta = false', "delta = False, which is no number"),
        ('data = "d"\nseed = "x"', "seed = 'x', which is no int"),
        ('data = "d"\nmethod = 5', "method = 5, which is no str"),
        ('data = "d"\nfreeze = 5', "freeze = 5, which is no str"),
        ('data = "d"\nmulti_label = 1', "multi_label = 1, which is no bool"),
        ('data = "d"\nlogger = 5', "logger = 5, which is no list"),
        ('data = "d"\nlabels = 5', "labels = 5, which is no str"),
        ("data = ", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_configuration_that_says_what_is_not_to_be_said_is_refused(lines, problem, tmp_path):
    file = tmp_path / "config.toml"
    if lines is not None:
        file.write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    with pytest.raises(InputError) as refused:
        read_config(file)
    assert problem in refused.value.problem
    assert len(str(refused.value).splitlines()) == 2


def test_whole_numbers_do_for_fractions(tmp_path):
    (tmp_path / "config.toml").write_text('data = "d"\nlr = 1\ndelta = 1\n')
    assert read_config(tmp_path / "config.toml")[1] == replace(TrainOptions(), lr=1, delta=1)


def test_rows_are_written_all_at_once(tmp_path):
    write_rows(tmp_path / "rows.jsonl", [{"é": 1}, {"b": 2.5}])
    assert (tmp_path / "rows.jsonl").read_text(encoding="utf-8") == '{"é": 1}\n{"b": 2.5}\n'
    with pytest.raises(TypeError):
        write_rows(tmp_path / "rows.jsonl", [{"a": 1}, {"b": object()}])
    assert (tmp_path / "rows.jsonl").read_text(encoding="utf-8") == '{"é": 1}\n{"b": 2.5}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
