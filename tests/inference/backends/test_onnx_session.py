import numpy as np
import pytest
import torch
from refusals import refused
from torch import nn

from weakspot.errors import ModelError
from weakspot.inference.backends import onnx_session
from weakspot.inference.backends.onnx_export import to_onnx
from weakspot.inference.backends.onnx_session import Session

IMAGES = {"images": np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)}


class TwiceAndSum(nn.Module):
    def forward(self, images):
        return images * 2, images.sum(dim=1)


@pytest.fixture(scope="module")
def graph():
    example = {"images": torch.zeros(2, 2)}
    dynamic = {"images": {0: "batch"}}
    return to_onnx(TwiceAndSum(), example, ["twice", "sum"], dynamic=dynamic, metadata={"made": "here"})


@pytest.fixture
def file(tmp_path, graph):
    (tmp_path / "graph.onnx").write_bytes(graph)
    return tmp_path / "graph.onnx"


@pytest.mark.parametrize("held", ["file", "bytes"])
def test_inputs_outputs_and_metadata_of_a_session(file, held):
    session = Session(file if held == "file" else file.read_bytes())
    assert session.inputs == {"images": ["batch", 2]}
    assert session.outputs == {"twice": ["batch", 2], "sum": ["batch"]}
    assert session.metadata["made"] == "here"
    found = session.run(IMAGES)
    assert list(found) == ["twice", "sum"]
    assert found["twice"].tolist() == [[2, -4], [6, 8]]
    assert {name: value.tolist() for name, value in session.run(IMAGES, ["sum"]).items()} == {"sum": [-1, 7]}


@pytest.mark.parametrize("held", ["file", "bytes"])
def test_single_threaded_session_returns_the_same(file, held, monkeypatch):
    monkeypatch.setattr(onnx_session, "available_cores", lambda: 2)
    session = Session(file if held == "file" else file.read_bytes())
    alone = session.single_threaded
    assert alone is not session
    assert session.single_threaded is alone
    assert alone._session.get_session_options().intra_op_num_threads == 1
    assert session._session.get_session_options().intra_op_num_threads == 2
    assert alone.run(IMAGES)["sum"].tolist() == [-1, 7]


@pytest.mark.parametrize("change", ["written over", "deleted", "one core"])
def test_the_session_is_shared_if_the_file_changed_or_there_is_one_core(file, change, monkeypatch):
    monkeypatch.setattr(onnx_session, "available_cores", lambda: 1 if change == "one core" else 2)
    session = Session(file)
    if change == "written over":
        file.write_bytes(file.read_bytes() + b"more")
    elif change == "deleted":
        file.unlink()
    assert session.single_threaded is session


@pytest.mark.parametrize("held", ["missing", "damaged", "bytes"])
def test_a_missing_or_damaged_graph_is_refused(tmp_path, held):
    path = tmp_path / "graph.onnx"
    if held == "damaged":
        path.write_bytes(b"no graph")
    with refused("damaged-file", kind=ModelError):
        Session(b"no graph" if held == "bytes" else path)
