"""Hold a folder in another process: python holding.py FOLDER [PART], until its standard input is closed."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from weakspot.io.folder_lock import file_lock, folder_lock


@contextmanager
def held(folder, part=""):
    """Hold a folder, a part of it, or a file (part ``"file"``) in another process, which is yielded."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, str(Path(__file__).resolve()), str(folder), part]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout.readline() == "held\n", process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    with file_lock(place) if sys.argv[2] == "file" else folder_lock(place, sys.argv[2] or None):
        print("held", flush=True)
        sys.stdin.read()
