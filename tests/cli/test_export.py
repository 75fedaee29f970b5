import pytest
from PIL import Image
from small_graphs import random_images, run_folder

import weakspot as ws
from weakspot.cli.app import main


@pytest.fixture
def folder(tmp_path, one_thread):
    for i, image in enumerate(random_images()):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "photos" / f"{i}.png")
    return run_folder(tmp_path, quality="plain")


@pytest.mark.long
def test_a_run_is_exported_and_localizes(folder, capsys):
    file = folder / "out" / "birds.onnx"
    assert main(["export", str(folder), "-o", str(file), "--images", str(folder / "photos")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "quality plain" in printed[0]
    assert printed[1].startswith("32-bit floats: logits differ by ")
    assert "100%" in printed[1]
    assert printed[2] == str(file)
    output = folder / "localized"
    assert main(["localize", str(folder / "photos"), "--model", str(file), "--output", str(output)]) == 0
    assert len((output / "boxes.jsonl").read_text().splitlines()) == 3
    one = ws.Localizer(file)
    assert (one.method, one.threshold) == ("cam", 0.35)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--int8"], "--int8"),
        (["-o", "model.pt"], "model.pt"),
        (["--method", "scorecam"], "scorecam"),
        (["--method", "gradcma"], "gradcma"),
        (["--images", "missing.jpg"], "missing.jpg"),
    ],
)
def test_wrong_arguments_are_refused(words, problem, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["export", str(folder), *words]) == 2
    told = capsys.readouterr().err
    assert problem in told
    assert len(told.splitlines()) <= 2
    assert not list(folder.glob("*.onnx"))


@pytest.mark.long
def test_what_the_library_notes_is_said_on_stderr(folder, capsys, monkeypatch):
    monkeypatch.setenv("WEAKSPOT_CACHE", str(folder / "cache"))
    words = ["localize", str(folder / "photos" / "0.png"), "--model", str(folder), "--backend", "onnx"]
    assert main([*words, "--output", str(folder / "found")]) == 0
    assert "note: exporting the model" in capsys.readouterr().err
