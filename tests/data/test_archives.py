import errno
import io
import os
import stat
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.data import archives
from weakspot.data.archives import unpack
from weakspot.errors import InputError

BIRDS = {"birds/images.txt": b"1 wren.jpg\n", "birds/images/wren.jpg": bytes(range(256)) * 300, "birds/empty": b""}
LINKS = [tarfile.SYMTYPE, tarfile.LNKTYPE]
DEVICES = [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
OUTSIDE = [
    pytest.param("../evil.txt", id="parent"),
    pytest.param("birds/../../evil.txt", id="parent further in"),
    pytest.param("birds/..", id="parent at the end"),
    pytest.param("/tmp/evil.txt", id="absolute"),
    pytest.param("//host/share/evil.txt", id="network share"),
    pytest.param("C:evil.txt", id="drive"),
    pytest.param("C:\\evil.txt", id="absolute on a drive"),
    pytest.param("..\\evil.txt", id="parent with a backslash"),
    pytest.param("\\evil.txt", id="absolute with a backslash"),
]


def linked(name, kind, to):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def write_tar(path, files, *others, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for member in others:
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def write(path, files):
    if path.suffix.lower() == ".zip":
        return write_zip(path, files)
    return write_tar(path, files, mode="w" if path.suffix == ".tar" else "w:gz")


def contents(folder):
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def inner(tmp_path):
    """A folder inside of the one where an escape would show."""
    folder = tmp_path / "inner"
    folder.mkdir()
    return folder


def refusal_of(archive, **options):
    """Unpack an archive that is refused, and see that nothing but itself is left in its folder and the one around."""
    with pytest.raises(InputError) as refusal:
        unpack(archive, archive.parent / "found", **options)
    assert [path.name for path in archive.parent.parent.iterdir()] == ["inner"]
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]
    lines = str(refusal.value).splitlines()
    assert len(lines) == 2
    return lines[0]


@pytest.mark.parametrize("name", ["a.tgz", "a.tar.gz", "a.tar", "a.zip", "A.ZIP"])
def test_archive_is_unpacked_whole(name, tmp_path):
    write(tmp_path / name, BIRDS)
    unpack(tmp_path / name, tmp_path / "found")
    assert contents(tmp_path / "found") == BIRDS
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "found"])


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
def test_only_the_folder_asked_for_is_kept(name, tmp_path):
    write(tmp_path / name, {**BIRDS, "notes.txt": b"left out"})
    unpack(tmp_path / name, tmp_path / "deep" / "found", top="birds")
    assert contents(tmp_path / "deep") == {name.replace("birds", "found", 1): data for name, data in BIRDS.items()}


def test_folder_that_is_not_in_the_archive_is_refused(inner):
    archive = write_tar(inner / "a.tgz", BIRDS)
    assert refusal_of(archive, top="cats") == f"{archive} holds no folder cats."


def test_empty_folders_are_made(tmp_path):
    folder = tarfile.TarInfo("./birds/none/")
    folder.type = tarfile.DIRTYPE
    unpack(write_tar(tmp_path / "a.tgz", {}, folder), tmp_path / "found")
    assert [path.name for path in (tmp_path / "found").rglob("*")] == ["birds", "none"]


def test_zip_made_with_backslashes_has_folders(tmp_path):
    unpack(write_zip(tmp_path / "a.zip", {"birds\\": b"", "birds\\wren.txt": b"small"}), tmp_path / "found")
    assert contents(tmp_path / "found") == {"birds/wren.txt": b"small"}


@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_member_that_leads_out_is_refused(name, suffix, inner):
    archive = write(inner / f"a{suffix}", {"birds/wren.txt": b"small", name: b"evil"})
    assert refusal_of(archive) == f"{archive} is refused: its member {name!r} leads out of its folder."


@pytest.mark.parametrize("to", ["..", "../..", "/tmp", "birds", "wren.jpg", "nowhere"])
@pytest.mark.parametrize("kind", LINKS)
def test_links_are_refused_and_nothing_goes_through_them(kind, to, inner):
    archive = write_tar(inner / "a.tgz", {"link/evil.txt": b"evil"}, linked("link", kind, to))
    assert refusal_of(archive) == f"{archive} is refused: its member 'link' is neither a file nor a folder."


@pytest.mark.parametrize("kind", DEVICES)
def test_devices_are_refused(kind, inner):
    archive = write_tar(inner / "a.tgz", {}, linked("device", kind, ""))
    assert refusal_of(archive) == f"{archive} is refused: its member 'device' is neither a file nor a folder."


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(kind, inner):
    link = zipfile.ZipInfo("link")
    link.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(inner / "a.zip", "w") as packed:
        packed.writestr(link, "../..")
        packed.writestr("link/evil.txt", "evil")
    expected = f"{inner / 'a.zip'} is refused: its member 'link' is neither a file nor a folder."
    assert refusal_of(inner / "a.zip") == expected


def test_encrypted_zip_is_refused(inner):
    archive = write_zip(inner / "a.zip", {"a": b"secret"})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    assert refusal_of(archive) == f"{archive} is refused: its member 'a' is encrypted."


def test_file_without_a_name_is_refused(inner):
    archive = write_tar(inner / "a.tgz", {"./": b"nameless"})
    assert refusal_of(archive) == f"{archive} is refused: its member './' has no name."


@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
@pytest.mark.parametrize("parts", [1, 50])
def test_bomb_is_refused(parts, suffix, inner):
    zeros = bytes((4 << 20) // parts)
    archive = write(inner / f"a{suffix}", {f"{part}": zeros for part in range(parts)})
    allowed = max(1 << 20, 200 * archive.stat().st_size)
    assert allowed < 4 << 20
    assert refusal_of(archive) == f"{archive} unpacks to more than {allowed} bytes or 200000 members."


def test_zip_that_understates_its_sizes_writes_no_more_than_it_states(inner):
    archive = write_zip(inner / "a.zip", {"a": bytes(4 << 20)})
    archive.write_bytes(archive.read_bytes().replace((4 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    assert refusal_of(archive) == f"{archive} cannot be unpacked: Bad CRC-32 for file 'a'."


def test_small_file_of_zeros_is_no_bomb(tmp_path):
    unpack(write_zip(tmp_path / "a.zip", {"a": bytes(1 << 20)}), tmp_path / "found")
    assert contents(tmp_path / "found") == {"a": bytes(1 << 20)}


def test_too_many_members_are_refused(inner, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    archive = write_tar(inner / "a.tgz", {f"{number}": b"" for number in range(3)})
    unpack(archive, inner / "three")
    assert len(contents(inner / "three")) == 3
    with pytest.raises(InputError, match="or 3 members"):
        unpack(write_tar(inner / "b.tgz", {f"{number}": b"" for number in range(4)}), inner / "four")
    assert not (inner / "four").exists()


def test_sparse_file_is_refused(inner):
    hole = tarfile.TarInfo("hole")
    hole.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": "1000", "GNU.sparse.map": "0,0"}
    with tarfile.open(inner / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(hole)
    assert "is neither a file nor a folder" in refusal_of(inner / "a.tar")


@pytest.mark.parametrize("name", ["a.tgz", "a.tar", "a.zip"])
def test_archive_cut_short_leaves_nothing(name, inner):
    archive = write(inner / name, {"noise": os.urandom(200_000)})
    archive.write_bytes(archive.read_bytes()[:100_000])
    assert refusal_of(archive).startswith(f"{archive} cannot be unpacked: ")


@pytest.mark.parametrize("name", ["a.tgz", "a.tar", "a.zip"])
@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>"])
def test_what_is_no_archive_is_refused(name, content, inner):
    (inner / name).write_bytes(content)
    assert refusal_of(inner / name).startswith(f"{inner / name} cannot be unpacked: ")


def test_archive_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a.tgz cannot be unpacked: .*No such file"):
        unpack(tmp_path / "a.tgz", tmp_path / "found")
    assert list(tmp_path.iterdir()) == []


def test_target_appears_only_when_it_is_whole(tmp_path):
    seen = []
    archive = write_tar(tmp_path / "a.tgz", BIRDS)
    unpack(archive, tmp_path / "found", progress=lambda read, size: seen.append((tmp_path / "found").exists()))
    assert seen == [False, False, False]
    assert (tmp_path / "found").exists()


@pytest.mark.parametrize("suffix", [".tgz", ".zip"])
def test_progress_is_told_in_bytes_of_the_archive(suffix, tmp_path):
    archive = write(tmp_path / f"a{suffix}", {f"{number}": os.urandom(50_000) for number in range(10)})
    told = []
    unpack(archive, tmp_path / "found", progress=lambda read, size: told.append((read, size)))
    size = archive.stat().st_size
    assert [whole for _, whole in told] == [size] * 10
    assert sorted(told) == told
    assert 0.9 * size < told[-1][0] <= size


def test_interrupted_unpacking_leaves_nothing(tmp_path):
    def interrupt(read, size):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(write_tar(tmp_path / "a.tgz", BIRDS), tmp_path / "found", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_what_a_killed_run_left_is_not_mixed_in(tmp_path):
    (tmp_path / "found.unpacking" / "birds").mkdir(parents=True)
    (tmp_path / "found.unpacking" / "birds" / "half").write_bytes(b"ha")
    unpack(write_tar(tmp_path / "a.tgz", BIRDS), tmp_path / "found")
    assert contents(tmp_path / "found") == BIRDS
    assert not (tmp_path / "found.unpacking").exists()


def test_full_disk_is_told_in_two_lines(inner, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    archive = write_tar(inner / "a.tgz", BIRDS)
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode="r": Full() if mode == "wb" else opened(path, mode))
    expected = f"{inner / 'found.unpacking' / 'birds' / 'images.txt'} cannot be written: No space left on device."
    assert refusal_of(archive) == expected


def test_folder_that_is_in_use_is_left_as_it_is(tmp_path):
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "mine.txt").write_bytes(b"mine")
    with pytest.raises(InputError, match="found cannot be written: Directory not empty"):
        unpack(write_tar(tmp_path / "a.tgz", BIRDS), tmp_path / "found")
    assert contents(tmp_path / "found") == {"mine.txt": b"mine"}
    assert not (tmp_path / "found.unpacking").exists()


NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "", "C:", "\\", "~", "é"]), min_size=1, max_size=4)


@given(NAMES.map("/".join).filter(bool), st.sampled_from([".tar", ".zip"]))
def test_no_name_is_written_outside(name, suffix):
    with TemporaryDirectory() as folder:
        inner = Path(folder, "inner")
        inner.mkdir()
        archive = write(inner / f"a{suffix}", {name: b"content"})
        try:
            unpack(archive, inner / "found")
        except InputError:
            assert list(inner.iterdir()) == [archive]
        else:
            assert len(contents(inner / "found")) == 1 or name.endswith(("/", "\\"))
            assert set(inner.iterdir()) == {archive, inner / "found"}
        assert list(Path(folder).iterdir()) == [inner]


DAMAGE = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4)


@given(DAMAGE, st.sampled_from([".tar", ".zip", ".tgz"]))
def test_damage_is_refused_or_harmless(damage, suffix):
    with TemporaryDirectory() as folder:
        archive = write(Path(folder, f"a{suffix}"), {"birds/wren.txt": b"small", "birds/é" * 30: b"large" * 99})
        data = bytearray(archive.read_bytes())
        for place, value in damage:
            data[place % len(data)] = value
        archive.write_bytes(data)
        with suppress(InputError):
            unpack(archive, Path(folder, "found"))
        assert {path.name for path in Path(folder).iterdir()} <= {archive.name, "found"}
