import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from holding import held
from refusals import refused

from weakspot.io.atomic import atomic_write
from weakspot.io.folder_lock import LOCK, file_lock, folder_lock


def test_folder_is_made_and_held_and_nothing_is_left(tmp_path):
    folder = tmp_path / "a" / "b"
    with folder_lock(folder):
        assert [path.name for path in folder.iterdir()] == [LOCK]
    assert list(folder.iterdir()) == []


def test_folders_that_the_lock_made_are_removed_if_nothing_is_written(tmp_path):
    with pytest.raises(KeyboardInterrupt), folder_lock(tmp_path / "a" / "b"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_folder_of_another_process_is_refused_and_its_process_is_named(tmp_path):
    with held(tmp_path) as process:
        with refused("output-in-use", tmp_path, f"process {process.pid} (holding.py"), folder_lock(tmp_path):
            pass
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == process.pid


def test_folder_held_in_this_process_is_refused_too(tmp_path):
    with folder_lock(tmp_path), refused("output-in-use", os.getpid()), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        pass


def test_process_of_another_machine_is_named_with_it(tmp_path):
    with folder_lock(tmp_path):
        holder = json.loads((tmp_path / LOCK).read_text())
        assert holder["host"] == socket.gethostname()
        (tmp_path / LOCK).write_text(json.dumps(holder | {"pid": 7, "host": "node-12"}))
        with refused("output-in-use", "process 7 on node-12"), folder_lock(tmp_path):
            pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_lock_that_does_not_say_whose_it_is_holds_too(content, tmp_path):
    with folder_lock(tmp_path):
        (tmp_path / LOCK).write_text(content)
        with refused("output-in-use", "another process"), folder_lock(tmp_path):
            pass


@pytest.mark.parametrize("part", ["", "1"])
def test_lock_of_a_killed_process_is_taken_over(part, tmp_path):
    with held(tmp_path, part) as process:
        process.kill()
        process.wait()
        assert (tmp_path / LOCK).exists()
    with folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path, "1"):
        pass


def test_lock_file_with_the_number_of_a_living_process_holds_nothing(tmp_path):
    with folder_lock(tmp_path):
        content = (tmp_path / LOCK).read_text()
    (tmp_path / LOCK).write_text(content)
    with folder_lock(tmp_path):
        pass


def test_parts_are_held_side_by_side_but_not_twice_and_not_beside_the_folder(tmp_path):
    with held(tmp_path, "1") as process:
        with folder_lock(tmp_path, "2"):
            pass
        with refused("output-in-use", process.pid), folder_lock(tmp_path, "1"):
            pass
        with refused("output-in-use", process.pid), folder_lock(tmp_path):
            pass
    with folder_lock(tmp_path), refused("output-in-use", os.getpid()), folder_lock(tmp_path, "1"):
        pass


def test_holder_of_a_part_is_named_not_one_that_was_killed(tmp_path):
    with held(tmp_path, "1") as killed:
        killed.kill()
        killed.wait()
        with held(tmp_path, "2") as process, refused("output-in-use", process.pid), folder_lock(tmp_path):
            pass


def test_file_is_held_whoever_holds_its_folder(tmp_path):
    page = tmp_path / f"{'ü' * 120}.html"
    with folder_lock(tmp_path), held(page, "file") as process:
        with refused("output-in-use", page, process.pid), file_lock(page):
            pass
        with file_lock(tmp_path / "other.html"):
            pass


def test_of_many_that_start_at_once_one_holds_the_folder(tmp_path):
    script = (
        "import sys; from pathlib import Path; from weakspot.errors import InputError\n"
        "from weakspot.io.folder_lock import folder_lock\n"
        "sys.stdin.readline()\n"
        "for _ in range(300):\n"
        "    try:\n"
        "        with folder_lock(Path(sys.argv[1], 'out')):\n"
        "            Path(sys.argv[1], 'out', 'only').open('x').close()\n"  # fails if two hold it
        "            Path(sys.argv[1], 'out', 'only').unlink()\n"
        "            if sys.argv[2] == 'fail': raise ValueError\n"  # removes the folder
        "    except (InputError, ValueError) as error:\n"
        "        assert getattr(error, 'code', 'output-in-use') == 'output-in-use', error\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    processes = [
        subprocess.Popen([*words, how], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        for how in ("fail", "pass", "fail")
    ]
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [process.communicate()[1].decode() for process in processes] == ["", "", ""]
    assert not (tmp_path / "out" / LOCK).exists()


def test_forked_process_does_not_hold_the_folder_for_a_parent_that_was_killed(tmp_path):
    script = (
        "import os, sys, time; from pathlib import Path; from weakspot.io.folder_lock import folder_lock\n"
        "with folder_lock(Path(sys.argv[1])):\n"
        "    if child := os.fork():\n"
        "        print(child, flush=True); sys.stdin.read()\n"
        "    else:\n"
        "        os.close(1); sys.stdin.read()\n"
        "os._exit(0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    os.kill(child, 0)  # it lives
    with folder_lock(tmp_path):
        pass
    process.stdin.close()  # ends the child
    process.stdout.close()


def test_file_system_without_locks_is_written_with_a_warning(tmp_path, monkeypatch, caplog):
    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    left = tmp_path / ".weakspot-abcd1234"
    left.touch()
    with folder_lock(tmp_path):
        with atomic_write(tmp_path / "file.txt") as file:
            file.write(b"new")
        assert left.exists()  # nobody knows whose it is
    assert str(tmp_path) in caplog.text
    assert (tmp_path / "file.txt").read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_something_else_at_the_place_of_the_lock_is_refused_and_kept(kind, tmp_path):
    target = tmp_path / "notes.txt"
    target.write_text("mine")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / LOCK).symlink_to(target) if kind == "link" else (folder / LOCK).mkdir()
    with refused("not-writable", folder), folder_lock(folder):
        pass
    assert target.read_text() == "mine"
    assert Path(folder / LOCK).is_symlink() == (kind == "link")


def test_system_without_a_flag_against_symbolic_links_has_locks_too(tmp_path):
    (tmp_path / ".weakspot-abcd1234").touch()
    code = (
        "import os, pathlib\ndel os.O_NOFOLLOW\nfrom weakspot.io.folder_lock import folder_lock\n"
        f"with folder_lock(pathlib.Path({str(tmp_path)!r})): print(os.listdir({str(tmp_path)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"['{LOCK}']"]
