"""Mistakes are told before torch is imported, which takes half a minute on a cold disk."""

import numpy as np
import pytest
from fresh_commands import run_commands
from PIL import Image
from small_graphs import run_folder

# What is given, and what the message names.
COMMANDS = {
    # a missing or empty source
    "localize missing.jpg": "missing.jpg",
    "localize missing.jpg none.jpg": "missing.jpg",
    "localize empty": "empty",
    "localize images/*.bmp": "images/*.bmp",
    "label run missing": "missing",
    "label run empty": "empty",
    "label --import missing": "missing",
    "train missing": "missing",
    "train empty": "empty",
    "train images/cat": "images/cat",
    "train one": "one",
    "train images --labels missing.csv": "missing.csv",
    "train images --boxes missing": "missing",
    "train images --boxes empty": "empty",
    "threshold run images --boxes missing.jsonl": "missing.jsonl",
    "evaluate run missing": "missing",
    "evaluate run images": "images",
    "evaluate run boxes --test-split other": "other",
    "evaluate boxes --predicted-boxes missing.csv": "missing.csv",
    "evaluate boxes --score-maps missing": "missing",
    "compare run empty": "empty",
    "export run --images missing.jpg": "missing.jpg",
    "threshold run missing": "missing",
    "threshold run images": "images",
    "teach run images": "images",
    "report missing": "missing",
    "report empty": "empty",
    "check missing": "missing",
    "check empty": "empty",
    # a run or a file without weights
    "localize images --model unfinished": "unfinished",
    "localize images --model runs/none": "runs/none",
    "localize images --model none.onnx": "none.onnx",
    "localize images --model run --weights w.pth": "run",
    "localize images --weights missing.pth": "missing.pth",
    "label unfinished images": "unfinished",
    "label runs/none images": "runs/none",
    "train images --method psol --teacher unfinished": "unfinished",
    "train images --weights missing.pth": "missing.pth",
    "train --resume empty": "empty",
    "train images --config missing.toml": "missing.toml",
    "evaluate unfinished boxes": "unfinished",
    "compare run runs/none boxes": "runs/none",
    "export unfinished": "unfinished",
    "export model.onnx": "model.onnx",
    "serve runs/none": "runs/none",
    "review runs/none images": "runs/none",
    "review unfinished images": "unfinished",
    "threshold unfinished images": "unfinished",
    # a class that the model does not have
    "localize images --model run --classes cow": "cow",
    "localize images --class-names names.txt --classes cow": "cow",
    "localize images --class-names missing.txt": "missing.txt",
    "evaluate run others": "cow",
    "compare run others": "cow",
    "teach run others": "cow",
    # a method, a quality or a number
    "localize images --method gradcamm": "gradcamm",
    "localize images --quality fastt": "fastt",
    "localize images --top-k 0": "0",
    "localize images --min-score 3": "3",
    "label run images --method gradcamm": "gradcamm",
    "train images --method camm": "camm",
    "train images --logger boards": "boards",
    "evaluate run boxes --method gradcamm": "gradcamm",
    "compare run boxes --methods cam,gradcamm": "gradcamm",
    "compare run boxes --quality fast,fastt": "fastt",
    "export run --method gradcamm": "gradcamm",
    "serve run --method gradcamm": "gradcamm",
    "serve run --host 0.0.0.0": "0.0.0.0",
    "review found --host 0.0.0.0": "0.0.0.0",
    "review run": "run",
    # an output folder that cannot be used
    "localize images --output file": "file",
    "localize images --output found": "found",
    "localize images --output images": "images",
    "label run images --output file": "file",
    "label run images --output full": "full",
    "train images --output file/run": "file",
    "evaluate run boxes --output file": "file",
    "evaluate run boxes --output judged": "judged",
    "compare run boxes --output file": "file",
    "export run --output file/model.onnx": "file",
    "export run --output model.pb": "model.pb",
    "demo --output file": "file",
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """How each command ended, in a folder with images, boxes, a run, and a run that is not finished."""
    here = tmp_path_factory.mktemp("here")
    for name in ("images/cat", "images/dog", "one/cat", "boxes/images/cat", "boxes/images/dog", "others/images/cow"):
        (here / name).mkdir(parents=True)
        for i in range(2):
            pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(here / name / f"{i}.png")
    rows = [f"{name}/{i},0,0,4,4" for name in ("cat", "dog") for i in range(2)]
    (here / "boxes" / "annotations.csv").write_text("\n".join(["image_id,xmin,ymin,xmax,ymax", *rows]))
    splits = [f"{name}/{i},test" for name in ("cat", "dog") for i in range(2)]
    (here / "boxes" / "splits.csv").write_text("\n".join(["image_id,split", *splits]))
    (here / "others" / "annotations.csv").write_text("image_id,xmin,ymin,xmax,ymax\ncow/0,0,0,4,4\n")
    for name in ("empty", "full", "found", "judged", "unfinished", "run"):
        (here / name).mkdir()
    files = {
        "file": "",
        "w.pth": "",
        "model.onnx": "",
        "names.txt": "cat\ndog\n",
        "full/labels": "",
        "found/boxes.jsonl": '{"image": "a"}\n',
        "judged/metrics.json": "{}",
        "unfinished/config.toml": "",
    }
    for name, content in files.items():
        (here / name).write_text(content)
    run_folder(here / "run")
    return dict(zip(COMMANDS, run_commands([command.split() for command in COMMANDS], here), strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistake_is_told_in_two_lines_before_torch_is_imported(command, ended):
    code, imported, err = ended[command]
    assert code == 2
    assert COMMANDS[command] in err
    assert 1 <= len(err.splitlines()) <= 2
    assert imported == []
