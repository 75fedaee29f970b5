import errno
import hashlib
import io
import os
import re
import socket
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from servers import serving

from weakspot.data import downloads
from weakspot.data.downloads import DATA_SETS, Archive, download
from weakspot.errors import InputError

NOISE = os.urandom(300_000)  # more than a few blocks
AGAIN = "Run the same command again to go on, or fetch it by hand to "


def tgz(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


IMAGES = tgz({"Birds/images.txt": b"1 wren.jpg\n", "Birds/images/wren.jpg": NOISE, "attributes.txt": b"left out"})
MASKS = tgz({"segmentations/wren.png": b"mask"})
FILES = {"Birds.tgz": IMAGES, "masks.tgz": MASKS}
WHOLE = {"images.txt": b"1 wren.jpg\n", "images/wren.jpg": NOISE, "segmentations/wren.png": b"mask"}


@pytest.fixture
def server(monkeypatch):
    """A server of a data set "birds"; a connection to anywhere else fails the test."""
    with serving(FILES) as server:
        connect = socket.create_connection

        def connect_here(to, *options, **more):
            assert to == server.server_address
            return connect(to, *options, **more)

        monkeypatch.setattr(socket, "create_connection", connect_here)
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(downloads, "PAUSES", (0.0, 0.0, 0.0))
        monkeypatch.setitem(DATA_SETS, "birds", birds(server.url))
        yield server


def birds(url):
    images = Archive(f"{url}Birds.tgz", "Birds.tgz", len(IMAGES), md5(IMAGES), "Birds", "Birds", "images.txt")
    masks = ("segmentations", "Birds/segmentations", "wren.png")
    return images, Archive(f"{url}masks.tgz", "masks.tgz", len(MASKS), md5(MASKS), *masks)


def md5(content):
    return hashlib.md5(content).hexdigest()


def contents(folder):
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def refusal_of(folder, name="birds"):
    with pytest.raises(InputError) as refusal:
        download(name, folder)
    lines = str(refusal.value).splitlines()
    assert len(lines) == 2
    return lines


def test_data_set_is_fetched_and_unpacked(server, tmp_path):
    assert download("birds", tmp_path / "new" / "data") == tmp_path / "new" / "data" / "Birds"
    assert contents(tmp_path / "new" / "data" / "Birds") == WHOLE
    assert {path.name for path in (tmp_path / "new" / "data").iterdir()} == {"Birds", "Birds.tgz", "masks.tgz"}
    assert server.asked == ["/Birds.tgz", "/masks.tgz"]
    assert server.agents == {"weakspot"}


def test_second_call_asks_nothing(server, tmp_path):
    download("birds", tmp_path)
    server.asked.clear()
    for archive in FILES:
        (tmp_path / archive).unlink()
    assert download("birds", str(tmp_path)) == tmp_path / "Birds"
    assert server.asked == []
    assert contents(tmp_path) == {f"Birds/{name}": content for name, content in WHOLE.items()}


def test_only_what_is_missing_is_fetched(server, tmp_path):
    download("birds", tmp_path)
    (tmp_path / "Birds" / "segmentations" / "wren.png").unlink()
    (tmp_path / "masks.tgz").unlink()
    server.asked.clear()
    download("birds", tmp_path)
    assert server.asked == ["/masks.tgz"]
    assert contents(tmp_path / "Birds") == WHOLE


def test_archives_put_there_by_hand_are_taken(server, tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    download("birds", tmp_path)
    assert server.asked == []
    assert contents(tmp_path / "Birds") == WHOLE


def test_damaged_archive_put_there_by_hand_is_refused_and_left(server, tmp_path):
    (tmp_path / "Birds.tgz").write_bytes(b"half")
    problem, hint = refusal_of(tmp_path)
    assert problem == f"{tmp_path / 'Birds.tgz'} is damaged: its MD5 is {md5(b'half')}, expected {md5(IMAGES)}."
    assert hint == f"Delete it, then run the same command again, or fetch {server.url}Birds.tgz by hand."
    assert contents(tmp_path) == {"Birds.tgz": b"half"}
    assert server.asked == []


@pytest.mark.parametrize("have", [1, 100_000, len(IMAGES) - 1], ids=["a byte", "a third", "all but a byte"])
def test_only_the_rest_is_transferred(have, server, tmp_path):
    (tmp_path / "Birds.tgz.part").write_bytes(IMAGES[:have])
    download("birds", tmp_path)
    assert server.asked == [f"/Birds.tgz bytes={have}-", "/masks.tgz"]
    assert server.sent == len(IMAGES) - have + len(MASKS)
    assert contents(tmp_path / "Birds") == WHOLE


def test_part_that_is_whole_is_not_asked_for(server, tmp_path):
    (tmp_path / "Birds.tgz.part").write_bytes(IMAGES)
    download("birds", tmp_path)
    assert server.asked == ["/masks.tgz"]
    assert contents(tmp_path / "Birds") == WHOLE


@pytest.mark.parametrize(
    ("mood", "asked"),
    [
        ("ignorant of ranges", ["bytes=1000-"]),
        ("chunked", ["bytes=1000-"]),
        ("416", ["bytes=1000-", ""]),
        ("another range", ["bytes=1000-", ""]),
        ("206 without a range", ["bytes=1000-", ""]),
    ],
)
def test_fetching_starts_afresh_where_it_cannot_go_on(mood, asked, server, tmp_path):
    (tmp_path / "Birds.tgz.part").write_bytes(IMAGES[:1000])
    server.moods = [mood]
    download("birds", tmp_path)
    assert server.asked == [*(f"/Birds.tgz {part}".strip() for part in asked), "/masks.tgz"]
    assert contents(tmp_path / "Birds") == WHOLE


def test_part_of_something_larger_is_dropped(server, tmp_path):
    (tmp_path / "Birds.tgz.part").write_bytes(IMAGES + b"more")
    download("birds", tmp_path)
    assert server.asked == ["/Birds.tgz", "/masks.tgz"]
    assert contents(tmp_path / "Birds") == WHOLE


@pytest.mark.parametrize("mood", ["short", "torn", "dead", "503", "chunked without end", "ignorant and short"])
def test_dropped_connection_is_tried_again(mood, server, tmp_path):
    server.moods = [mood]
    download("birds", tmp_path)
    assert len(server.asked) == 3
    assert contents(tmp_path / "Birds") == WHOLE


def test_connections_that_bring_something_may_drop_often(server, tmp_path):
    server.moods = ["short"] * 12
    download("birds", tmp_path)
    assert server.asked[:2] == ["/Birds.tgz", f"/Birds.tgz bytes={len(IMAGES) // 2}-"]
    assert server.sent == len(IMAGES) + len(MASKS)
    assert contents(tmp_path / "Birds") == WHOLE


@pytest.mark.parametrize(
    ("mood", "reason", "requests"),
    [
        ("404", "the server says 404 Not Found", 1),
        ("203", "the server says 203 Non-Authoritative Information", 1),
        ("503", "the server says 503 Service Unavailable", 4),
        ("dead", "Remote end closed connection without response", 4),
        pytest.param("page", f"26 bytes are there, expected {len(IMAGES)}", 1, id="page"),
        ("moved to FTP", "unknown url type: ftp", 4),
    ],
)
def test_failure_names_the_url_and_what_to_do(mood, reason, requests, server, tmp_path):
    server.moods = [mood] * requests
    url = f"{server.url}Birds.tgz"
    assert refusal_of(tmp_path) == [f"{url} cannot be fetched: {reason}.", f"{AGAIN}{tmp_path / 'Birds.tgz'}."]
    assert server.asked == ["/Birds.tgz"] * requests
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("mood", ["404", "page", "grown"])
def test_failure_keeps_what_was_fetched(mood, server, tmp_path):
    (tmp_path / "Birds.tgz.part").write_bytes(IMAGES[:1000])
    server.moods = [mood]
    assert "cannot be fetched" in refusal_of(tmp_path)[0]
    assert contents(tmp_path) == {"Birds.tgz.part": IMAGES[:1000]}
    download("birds", tmp_path)
    assert server.sent == len(IMAGES) - 1000 + len(MASKS) + {"404": 8, "page": 26}.get(mood, len(IMAGES) - 1000)


def test_interrupted_fetching_goes_on_where_it_was(server, tmp_path):
    def interrupt(step, done, size):
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download("birds", tmp_path, progress=interrupt)
    have = (tmp_path / "Birds.tgz.part").read_bytes()
    assert have == IMAGES[: len(have)]
    assert 100_000 < len(have) < len(IMAGES)
    server.asked.clear()
    download("birds", tmp_path)
    assert server.asked == [f"/Birds.tgz bytes={len(have)}-", "/masks.tgz"]
    assert contents(tmp_path / "Birds") == WHOLE


def test_interrupted_unpacking_fetches_nothing_again(server, tmp_path):
    def interrupt(step, done, size):
        if step.startswith("unpacking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download("birds", tmp_path, progress=interrupt)
    assert contents(tmp_path) == {"Birds.tgz": IMAGES}
    download("birds", tmp_path)
    assert server.asked == ["/Birds.tgz", "/masks.tgz"]
    assert contents(tmp_path / "Birds") == WHOLE


def test_wrong_content_is_removed_and_both_checksums_said(server, tmp_path):
    server.moods = ["wrong"]
    problem, hint = refusal_of(tmp_path)
    got = md5(bytes(len(IMAGES)))
    assert problem == f"{tmp_path / 'Birds.tgz.part'} is damaged: its MD5 is {got}, expected {md5(IMAGES)}."
    by_hand = f"fetch {server.url}Birds.tgz by hand to {tmp_path / 'Birds.tgz'}."
    assert hint == f"It was removed: run the same command again, or {by_hand}"
    assert contents(tmp_path) == {}
    download("birds", tmp_path)
    assert contents(tmp_path / "Birds") == WHOLE


def test_no_more_is_written_than_expected(server, tmp_path):
    server.moods = ["endless"]
    download("birds", tmp_path)
    assert (tmp_path / "Birds.tgz").stat().st_size == len(IMAGES)


def test_redirect_is_followed_with_its_range(server, tmp_path):
    (tmp_path / "Birds.tgz.part").write_bytes(IMAGES[:1000])
    server.moods = ["moved"]
    download("birds", tmp_path)
    assert server.asked[:2] == ["/Birds.tgz bytes=1000-", "/elsewhere/Birds.tgz bytes=1000-"]
    assert contents(tmp_path / "Birds") == WHOLE


def test_redirect_to_a_local_file_is_refused(server, tmp_path):
    server.moods = ["moved to a file"]
    assert "is not allowed" in refusal_of(tmp_path)[0]
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "unknown url type: file"),
        ("ftp://127.0.0.1/a.tgz", "unknown url type: ftp"),
        ("data:,a", "unknown url type: data"),
        ("nonsense", "unknown url type: 'nonsense'"),
    ],
)
def test_only_http_is_spoken(url, reason, server, tmp_path, monkeypatch):
    monkeypatch.setitem(DATA_SETS, "birds", (replace(DATA_SETS["birds"][0], url=url),))
    assert refusal_of(tmp_path)[0] == f"{url} cannot be fetched: {reason}."


def test_without_a_network_the_url_is_named(server, tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    problem, hint = refusal_of(tmp_path)
    assert problem == f"{server.url}Birds.tgz cannot be fetched: Temporary failure in name resolution."
    assert hint == f"{AGAIN}{tmp_path / 'Birds.tgz'}."


def test_server_that_falls_silent_is_given_up(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(downloads, "PAUSES", ())
        monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.05)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setitem(DATA_SETS, "birds", birds(url))
        assert refusal_of(tmp_path)[0] == f"{url}Birds.tgz cannot be fetched: timed out."


def test_waits_grow_between_failures(server, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(downloads, "PAUSES", (1.0, 2.0))
    monkeypatch.setattr("time.sleep", waited.append)
    server.moods = ["dead", "dead", "short", "dead"]
    download("birds", tmp_path)
    assert waited == [1.0, 2.0, 1.0, 2.0]


def test_full_disk_keeps_the_part(server, tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, data):
            if self.tell() + len(data) > 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    opened = Path.open
    is_part = re.compile(r".*\.part").fullmatch
    with monkeypatch.context() as full:
        full.setattr(Path, "open", lambda path, mode="r": (Full if is_part(path.name) else opened)(path, mode))
        problem, hint = refusal_of(tmp_path)
    part = tmp_path / "Birds.tgz.part"
    assert problem == f"{part} cannot be written: No space left on device."
    assert hint == "Make room, then run the same command again: what was fetched is kept."
    assert part.read_bytes() == IMAGES[:65536]
    download("birds", tmp_path)
    assert server.asked == ["/Birds.tgz", "/Birds.tgz bytes=65536-", "/masks.tgz"]
    assert contents(tmp_path / "Birds") == WHOLE


def test_folder_that_cannot_be_made_is_refused(server, tmp_path):
    (tmp_path / "file").touch()
    assert refusal_of(tmp_path / "file")[0] == f"{tmp_path / 'file'} cannot be written: File exists."
    assert server.asked == []


def test_something_else_in_its_place_is_refused_before_fetching(server, tmp_path):
    (tmp_path / "Birds" / "mine").mkdir(parents=True)
    expected = [f"{tmp_path / 'Birds'} is in the way: it holds no images.txt.", "Move it, or choose another folder."]
    assert refusal_of(tmp_path) == expected
    assert server.asked == []


def test_unknown_name_is_refused_with_the_nearest(tmp_path):
    assert refusal_of(tmp_path, "cup") == ["weakspot knows no data set 'cup'.", "Did you mean cub?"]
    assert refusal_of(tmp_path, "imagenet") == ["weakspot knows no data set 'imagenet'.", "It can fetch cub."]


def test_known_archives_are_published_over_https_and_have_checksums():
    for archive in (archive for archives in DATA_SETS.values() for archive in archives):
        assert re.fullmatch(r"https://data\.caltech\.edu/records/[\w-]+/files/.+\?download=1", archive.url)
        assert f"/{archive.file}?" in archive.url
        assert re.fullmatch("[0-9a-f]{32}", archive.md5)


def test_progress_is_told_step_by_step(server, tmp_path):
    told = []
    (tmp_path / "Birds.tgz.part").write_bytes(IMAGES[:100_000])
    download("birds", tmp_path, progress=lambda *now: told.append(now))
    steps = list(dict.fromkeys(step for step, _, _ in told))
    assert steps == [f"{verb} {file}" for file in FILES for verb in ("fetching", "unpacking")]
    fetched = [(done, size) for step, done, size in told if step == "fetching Birds.tgz"]
    assert fetched[0] == (100_000 + 65_536, len(IMAGES))
    assert fetched[-1] == (len(IMAGES), len(IMAGES))
