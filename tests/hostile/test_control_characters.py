"""Names with control characters, of classes, files, options and models: none reaches the terminal raw."""

import json
from pathlib import Path
from unicodedata import category

import numpy as np
import pytest
from PIL import Image
from results_made import row, write_rows
from small_networks import built, metadata_of

from weakspot.cli.app import main
from weakspot.models.checkpoint import write_checkpoint
from weakspot.models.run_files import MODEL_FILE

# Colors the terminal, clears it, begins a new line, rings, and turns the direction of what follows.
NASTY = "é\x1b[31m\x1b]0;own\x07\x1b[2J\r\n\x9b1m\x7f\u202egnp\u2066\u2028日本"
OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def write_image(file, seed=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Images, a data set, a run and rows, all with such names."""
    monkeypatch.chdir(tmp_path)
    for i in range(4):
        for split in ("train", "val", "test"):
            for number, name in enumerate((NASTY, "plain")):
                write_image(Path("data", split, name, f"{NASTY}{i}.png"), seed=2 * i + number)
    write_image(Path("photos", f"{NASTY}.png"))
    Path("photos", f"damaged{NASTY}.png").write_bytes(b"not an image")
    write_image(Path("one", f"{NASTY}.png"))
    network = built("cam", backbone="test_efficientnet")
    metadata = metadata_of(network, (NASTY, f"b{NASTY}", "c", "d"), quality="plain")
    write_checkpoint(Path("run", MODEL_FILE), network.network.state_dict(), metadata, None)
    image = str(Path("one", f"{NASTY}.png"))
    write_rows(Path("found/boxes.jsonl"), [row(image, NASTY, width=64, height=48)])
    write_rows(Path("twice/boxes.jsonl"), [row(image, NASTY), row(image, NASTY)])
    Path("boxes.csv").write_text(f'image_id,xmin,ymin,xmax,ymax,class\n"gone{NASTY}",1,2,30,40,"{NASTY}"\n')
    Path("csv").mkdir()
    write_image(Path("csv/images/a.png"))
    Path("csv/annotations.csv").write_text(
        f'image_id,xmin,ymin,xmax,ymax,class\na,1,2,30,40,"{NASTY}"\na,1,2,90,40,"{NASTY}"\n', encoding="utf-8"
    )
    return tmp_path


IMAGE = f"one/{NASTY}.png"
SMALL = ["--backbone=test_efficientnet", "--weights=none", "--input-size=64", "--workers=0", "--epochs=1"]
COMMANDS = {
    "localize an image": ["localize", IMAGE, "--model", "run", "--output", f"out{NASTY}"],
    "localize a folder": ["localize", "photos", "--model", "run", "--output", f"out{NASTY}"],
    "classes that are unknown": ["localize", IMAGE, "--model", "run", "--classes", f"x{NASTY}"],
    "a missing image": ["localize", f"gone{NASTY}.jpg", "--model", "run"],
    "a missing model": ["localize", IMAGE, "--model", f"gone{NASTY}"],
    "an unknown method": ["localize", IMAGE, "--model", "run", "--method", f"cam{NASTY}"],
    "an unknown option": ["localize", IMAGE, f"--x{NASTY}", "1"],
    "a wrong value": ["localize", IMAGE, "--top-k", NASTY],
    "an unknown command": [f"local{NASTY}"],
    "an unknown data set": ["download", NASTY],
    "check class folders": ["check", "data"],
    "check boxes": ["check", "csv"],
    "check nothing": ["check", f"gone{NASTY}"],
    "label rows": ["label", "found", "--output", f"out{NASTY}"],
    "label rows with a class file": ["label", "found", "--output", "out", "--format", "csv", "--image-files", "copy"],
    "label images": ["label", "run", "photos", "--output", f"out{NASTY}"],
    "import labels": ["label", "--import", "csv/annotations.csv", "--format", "csv", "--images", "csv/images"],
    "label rows twice": ["label", "twice", "--output", "out"],
    "report": ["report", "found", "--output", f"r{NASTY}.html"],
    "report nothing": ["report", f"gone{NASTY}"],
    "report rows twice": ["report", "twice"],
    "evaluate": ["evaluate", "run", "csv", "--test-split", "all", "--samples", "0", "--output", f"out{NASTY}"],
    "evaluate boxes": ["evaluate", "csv", "--predicted-boxes", "boxes.csv", "--test-split", "all"],
    "evaluate a split": ["evaluate", "run", "data", "--test-split", NASTY],
    "compare": ["compare", "run", "csv", "--test-split", "all", "--samples", "0"],
    "threshold": ["threshold", "run", "csv"],
    "export": ["export", "run", "--output", f"model{NASTY}"],
    "train": ["train", "data", *SMALL, "--output", f"run{NASTY}"],
    "train nothing": ["train", f"gone{NASTY}"],
    "resume nothing": ["train", "--resume", f"gone{NASTY}"],
}


def assert_harmless(text):
    raw = {letter for letter in text if category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in OVERRIDES}
    assert raw <= {"\n", "\t"}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_no_control_character_reaches_the_terminal(words, here, capfd):
    code = main(words)
    told = capfd.readouterr()
    assert code in (0, 1, 2)
    assert told.out + told.err
    assert_harmless(told.out + told.err)
    if code == 2:
        assert len(told.err.splitlines()) <= 2


def test_names_of_a_model_and_of_an_image_are_shown_escaped(here, capfd):
    assert main(["localize", IMAGE, "--model", "run", "--classes", f"b{NASTY}", "--output", "out"]) == 0
    assert r"bé\x1b[31m\x1b]0;own\x07\x1b[2J\r\n\x9b1m\x7f\u202egnp\u2066\u2028日本 " in capfd.readouterr().out


@pytest.mark.exhaustive
def test_names_of_an_exported_file_are_shown_escaped(here, capfd):
    pytest.importorskip("onnxruntime")
    assert main(["export", "run", "--output", "model.onnx", "--images", "one"]) == 0
    assert main(["localize", IMAGE, "--model", "model.onnx", "--output", "out"]) == 0
    told = capfd.readouterr()
    assert_harmless(told.out + told.err)


def test_rows_keep_names_as_they_are(here):
    assert main(["localize", IMAGE, "--model", "run", "--classes", f"b{NASTY}", "--output", "out"]) == 0
    (found,) = (json.loads(line) for line in Path("out/boxes.jsonl").read_text().split("\n") if line)
    assert (found["image"], found["label"]) == (IMAGE, f"b{NASTY}")
