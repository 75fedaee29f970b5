import errno
import gc
import hashlib
import io
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from refusals import refused

from weakspot.cli.app import main
from weakspot.data import downloads
from weakspot.data.downloads import DATA_SETS, Archive, download


def tgz(members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for member, content in members.items():
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


IMAGES = tgz({"Birds/images.txt": b"1 wren.jpg\n", "Birds/images/wren.jpg": bytes(9000), "attributes.txt": b"left out"})
MASKS = tgz({"segmentations/wren.png": b"mask"})
COMPLETE = {"images.txt": b"1 wren.jpg\n", "images/wren.jpg": bytes(9000), "segmentations/wren.png": b"mask"}


class Server:
    """A local server of a data set "birds", and the paths that were requested."""

    def __init__(self, folder, monkeypatch):
        self.requested = requested = []

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                requested.append(self.path)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        self._folder, self._monkeypatch = folder, monkeypatch
        self.url = f"http://127.0.0.1:{self._http.server_port}/"
        self.publish(IMAGES, MASKS)

    def publish(self, images, masks, md5=None):
        for name, content in (("Birds.tgz", images), ("masks.tgz", masks)):
            (self._folder / name).write_bytes(content)
        archives = (
            Archive(f"{self.url}Birds.tgz", md5 or md5_of(images), "Birds", "Birds", "images.txt"),
            Archive(f"{self.url}masks.tgz", md5_of(masks), "segmentations", "Birds/segmentations", "wren.png"),
        )
        self._monkeypatch.setitem(DATA_SETS, "birds", archives)

    def close(self):
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "RETRIES", 0)
    server = Server(tmp_path_factory.mktemp("published"), monkeypatch)
    yield server
    server.close()


def md5_of(content):
    return hashlib.md5(content).hexdigest()


def contents(folder):
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_data_set_is_downloaded_and_unpacked(server, tmp_path):
    assert download("birds", tmp_path / "new" / "data") == tmp_path / "new" / "data" / "Birds"
    assert contents(tmp_path / "new" / "data" / "Birds") == COMPLETE
    assert {path.name for path in (tmp_path / "new" / "data").iterdir()} == {"Birds", "Birds.tgz", "masks.tgz"}


def test_complete_data_set_is_not_requested_again(server, tmp_path):
    download("birds", tmp_path)
    server.requested.clear()
    (tmp_path / "Birds.tgz").unlink()
    assert download("birds", str(tmp_path)) == tmp_path / "Birds"
    assert server.requested == []


def test_archives_that_are_already_there_are_used(server, tmp_path):
    (tmp_path / "Birds.tgz").write_bytes(IMAGES)
    (tmp_path / "masks.tgz").write_bytes(MASKS)
    download("birds", tmp_path)
    assert server.requested == []
    assert contents(tmp_path / "Birds") == COMPLETE


def test_wrong_md5_is_refused_and_nothing_remains(server, tmp_path):
    server.publish(IMAGES, MASKS, md5="0" * 32)
    with refused("damaged-file", "0" * 32, md5_of(IMAGES)):
        download("birds", tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("kind", ["dots", "absolute link", "device"])
def test_members_outside_the_folder_are_refused(kind, server, tmp_path):
    member = tarfile.TarInfo("../outside.txt" if kind == "dots" else "Birds/link")
    member.type = {"dots": tarfile.REGTYPE, "absolute link": tarfile.SYMTYPE, "device": tarfile.CHRTYPE}[kind]
    member.linkname = "/etc/passwd"
    server.publish(tgz({"Birds/images.txt": b"", member: b""}), MASKS)
    with refused("damaged-file", tmp_path / "data" / "Birds.tgz"):
        download("birds", tmp_path / "data")
    assert list(contents(tmp_path)) == ["data/Birds.tgz"]


def test_file_that_is_not_an_archive_is_refused(server, tmp_path):
    server.publish(b"<html>", MASKS)
    with refused("damaged-file", "Birds.tgz"):
        download("birds", tmp_path)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # pooch does not close the response
def test_missing_file_on_the_server_is_named(server, tmp_path, monkeypatch):
    archive = DATA_SETS["birds"][0]._replace(url=f"{server.url}gone.tgz")
    monkeypatch.setitem(DATA_SETS, "birds", (archive,))
    with refused("download-failed", archive.url, "404"):
        download("birds", tmp_path)
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # pooch does not close the response
def test_without_a_network_the_url_is_named(server, tmp_path):
    server.close()
    with refused("download-failed", f"{server.url}Birds.tgz"):
        download("birds", tmp_path)
    gc.collect()


def test_full_disk_is_named(server, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    with refused("disk-full", tmp_path / "Birds", "No space left"):
        download("birds", tmp_path)
    assert not (tmp_path / "Birds").exists()


def test_file_in_place_of_the_folder_is_refused(server, tmp_path):
    (tmp_path / "data").write_text("")
    with refused("not-writable", tmp_path / "data"):
        download("birds", tmp_path / "data")


def test_other_content_in_the_target_is_refused_before_downloading(server, tmp_path):
    (tmp_path / "Birds").mkdir()
    with refused("folder-exists", tmp_path / "Birds"):
        download("birds", tmp_path)
    assert server.requested == []


def test_unknown_name_is_refused_with_the_nearest(tmp_path, capsys):
    with refused("unknown-dataset", "cup", "cub"):
        download("cup", tmp_path)
    assert main(["download", "cup", "--folder", str(tmp_path)]) == 2
    assert "cup" in capsys.readouterr().err


def test_command_prints_the_folder(server, tmp_path, capsys):
    assert main(["download", "birds", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'Birds'}\n"


def test_published_archives_use_https():
    archives = [archive for data_set in DATA_SETS.values() for archive in data_set]
    assert all(archive.url.startswith("https://") for archive in archives)
