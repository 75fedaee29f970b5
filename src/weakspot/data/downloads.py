"""Download a data set and unpack it."""

import gzip
import sys
import tarfile
import zlib
from pathlib import Path
from typing import NamedTuple

from weakspot.errors import InputError, suggest
from weakspot.io.atomic import not_writable
from weakspot.io.folder_lock import folder_lock
from weakspot.io.temporary_files import temporary_folder

RETRIES = 3


class Archive(NamedTuple):
    """A tar archive, whose ``folder`` becomes ``target`` below the data folder; the rest is left out.

    The target contains ``member``, a file or folder, once it is complete.
    """

    url: str
    md5: str
    folder: str
    target: str
    member: str


# The first target of a data set is its folder.
DATA_SETS = {
    "cub": (
        Archive(
            "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
            "97eceeb196236b17998738112f37df78",
            folder="CUB_200_2011",
            target="CUB_200_2011",
            member="images.txt",
        ),
        Archive(
            "https://data.caltech.edu/records/w9d68-gec53/files/segmentations.tgz",
            "4d47ba1228eae64f2fa547c47bc65255",
            folder="segmentations",
            target="CUB_200_2011/segmentations",
            member="001.Black_footed_Albatross",
        ),
    ),
}


def download(name: str, folder: str | Path) -> Path:
    """Download a data set and unpack it. Archives and folders that are already complete are not downloaded again.

    The only one is ``"cub"``: CUB-200-2011 with masks, 1.2 GB to download, 2.4 GB on disk. The archives are saved next
    to the data set's folder, which is returned, and may be deleted afterwards.

    Source:
        Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", CNS-TR-2011-001,
        https://data.caltech.edu/records/65de6-vp158 and https://data.caltech.edu/records/w9d68-gec53.
    """
    if name not in DATA_SETS:
        hint = suggest(name, DATA_SETS, f"Available: {', '.join(DATA_SETS)}.")
        raise InputError("unknown-dataset", f"Data set {name!r} does not exist.", hint)
    root = Path(folder).absolute()
    with folder_lock(root):
        for archive in DATA_SETS[name]:
            target = root / archive.target
            if (target / archive.member).exists():
                continue
            if target.exists():
                raise InputError("folder-exists", f"{target} exists, but does not contain {archive.member}.")
            _unpack(_fetch(archive, root), archive.folder, target)
    return root / DATA_SETS[name][0].target


def _fetch(archive: Archive, root: Path) -> Path:
    """Download an archive unless it is already there, and compare its MD5."""
    import pooch
    from requests import RequestException

    file = archive.url.rpartition("/")[2]
    downloader = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), chunk_size=1 << 16, headers={"User-Agent": "weakspot"}
    )
    registry, urls = {file: f"md5:{archive.md5}"}, {file: archive.url}
    try:
        files = pooch.create(root, base_url="", registry=registry, urls=urls, retry_if_failed=RETRIES)
        return Path(files.fetch(file, downloader=downloader))
    except RequestException as error:
        problem = f"Cannot download {archive.url}: {' '.join(str(error).split())}"
        raise InputError("download-failed", problem, f"Download it by other means to {root / file}.") from error
    except OSError as error:
        raise not_writable(root / file, error) from error
    except ValueError as error:
        raise InputError("damaged-file", f"{archive.url} is damaged: {' '.join(str(error).split())}") from error


def _unpack(file: Path, folder: str, target: Path) -> None:
    """Extract a folder of an archive; the target appears only once it is complete."""
    try:
        with temporary_folder(file) as temporary, tarfile.open(file) as tar:
            tar.extractall(temporary, filter="data")  # refuses members and links outside the folder, and devices
            (temporary / folder).rename(target)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError("damaged-file", f"Cannot unpack {file}: {error}.") from error
    except OSError as error:
        raise not_writable(target, error) from error
