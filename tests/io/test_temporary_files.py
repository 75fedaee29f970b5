import os
import subprocess
import sys

from weakspot.io.atomic import atomic_write
from weakspot.io.folder_lock import folder_lock
from weakspot.io.temporary_files import abandoned_folders, remove_temporary_files, temporary_folder

LEFT = ".weakspot-a1b2c_d3"


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    kept = {".begun", "boxes.jsonl", ".weakspot-notes.txt", ".weakspot-lock", ".weakspot-a1b2", "weakspot-a1b2c3d4"}
    for folder in ("", "masks", "plots/deeper", "scenes"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in (LEFT, *kept):
            (tmp_path / folder / name).touch()
    (tmp_path / ".weakspot-folder12").mkdir()
    remove_temporary_files(tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob(LEFT)}
    assert found == {f"scenes/{LEFT}"}  # no folder of output images
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "masks", "plots", "scenes", ".weakspot-folder12"}


def test_links_are_neither_followed_nor_removed(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / LEFT).touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "masks").symlink_to(tmp_path / "photos")
    (tmp_path / "out" / LEFT).symlink_to(tmp_path / "photos" / LEFT)
    remove_temporary_files(tmp_path / "out")
    assert (tmp_path / "photos" / LEFT).exists()
    assert (tmp_path / "out" / LEFT).is_symlink()


def test_file_that_is_being_written_is_kept(tmp_path):
    with folder_lock(tmp_path, "1"), atomic_write(tmp_path / "file.txt") as file:
        file.write(b"new")
        with folder_lock(tmp_path, "2"):
            pass
    assert (tmp_path / "file.txt").read_bytes() == b"new"


def test_file_of_a_killed_process_is_removed_by_the_next_that_holds_the_folder(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from weakspot.io.atomic import atomic_write\n"
        "with atomic_write(Path(sys.argv[1], 'file.txt')) as file: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with folder_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_temporary_folders_of_a_path_are_those_of_no_other(tmp_path):
    with temporary_folder(tmp_path / "a") as folder, temporary_folder(tmp_path / "b") as other:
        assert abandoned_folders(tmp_path / "a") == [folder]
        with temporary_folder(tmp_path / "a"):
            assert not folder.exists()
        assert other.exists()
    assert list(tmp_path.iterdir()) == []
