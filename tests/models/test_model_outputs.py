from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from refusals import refused

from weakspot.errors import ModelError
from weakspot.models.model_outputs import are_probabilities, end_in_probabilities, extract_logits, have_one_sign

LOGITS = torch.tensor([[1.0, -2.0, 3.0], [0.0, 5.0, -1.0]])
FEATURES = torch.zeros(2, 7, 4, 4)


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        SimpleNamespace(logits=LOGITS, hidden_states=FEATURES),
        {"logits": LOGITS, "embedding": torch.zeros(2, 9)},
        {"loss": LOGITS.sum(), "out": LOGITS},
        (LOGITS, FEATURES),
        (LOGITS,),
        [FEATURES, LOGITS, LOGITS.argmax(dim=1)],
    ],
)
def test_logits_are_found_in_what_a_model_returns(output):
    assert extract_logits(output, 2) is LOGITS


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ((LOGITS, torch.zeros(2, 9)), "(2, 3), (2, 9)"),
        ({"a": LOGITS, "b": LOGITS}, "dict"),
        ({"boxes": FEATURES}, "(2, 7, 4, 4)"),
        ({}, "dict"),
        (FEATURES, "(2, 7, 4, 4)"),
        (LOGITS.argmax(dim=1, keepdim=True), "int64"),
        (torch.zeros(3), "(3,)"),
        (torch.tensor(1.0), "()"),
        ("label", "str"),
    ],
)
def test_an_output_without_clear_logits_is_refused(output, value):
    with refused("not-logits", value, kind=ModelError):
        extract_logits(output, 2)


def test_one_value_per_image_is_one_logit():
    assert extract_logits(torch.zeros(2), 2).shape == (2, 1)


def test_probabilities_sum_to_1():
    assert are_probabilities(LOGITS.softmax(dim=1))
    assert are_probabilities(LOGITS.log_softmax(dim=1))
    assert not are_probabilities(LOGITS)
    assert not are_probabilities(torch.ones(2, 1))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (torch.sigmoid, True),
        (F.logsigmoid, True),
        (F.hardsigmoid, True),
        (lambda x: x.sigmoid().clamp(1e-6, 1 - 1e-6).double().view(-1, 3), True),
        (lambda x: torch.cat([column.sigmoid() for column in x.split(1, dim=1)], dim=1), True),
        (lambda x: torch.stack([x[:, 0].sigmoid(), x[:, 1]], dim=1), False),
        (lambda x: x.sigmoid() * 1.0, True),
        (lambda x: 100 * x.sigmoid(), True),
        (lambda x: 1 - (-x).sigmoid(), True),
        (lambda x: 1 / (1 + torch.exp(-x)), True),
        (lambda x: torch.exp(x) / torch.exp(x).sum(dim=1, keepdim=True), True),
        (lambda x: x.softmax(dim=1) * 0.5, True),
        (lambda x: (x.sigmoid() + x.softmax(dim=1)) / 2, True),
        (lambda x: torch.log(x.sigmoid() + 1e-6), True),
        (lambda x: torch.stack([x.sigmoid(), x.softmax(dim=1)]).mean(dim=0), True),
        (lambda x: x.sigmoid().view(-1, 3, 1).amax(dim=2), True),
        (lambda x: x.sigmoid().view(-1, 3, 1).topk(1, dim=2).values.mean(dim=2), True),
        (lambda x: 1 - (1 - x.sigmoid().view(-1, 3, 1)).prod(dim=2), True),
        (lambda x: F.adaptive_avg_pool2d(x.sigmoid()[..., None, None], 1).flatten(1), True),
        (lambda x: x.view(-1, 3, 1).amax(dim=2), False),
        (lambda x: torch.log(torch.exp(x).view(-1, 3, 1).mean(dim=2)), False),
        (lambda x: x.sigmoid().round(decimals=3), True),
        (lambda x: x.sigmoid() @ torch.eye(3), False),
        (lambda x: x * x.sigmoid(), False),
        (lambda x: x * 1, False),
        (lambda x: 30 * torch.tanh(x / 30), False),
        (F.softplus, False),
        (F.normalize, False),
    ],
)
def test_probabilities_are_recognized_by_what_autograd_recorded(function, expected):
    x = LOGITS.clone().requires_grad_()
    assert end_in_probabilities(function(x)) is expected
    assert not end_in_probabilities(function(x).detach())


def test_values_of_one_sign():
    assert have_one_sign(100 * LOGITS.sigmoid())
    assert have_one_sign(F.logsigmoid(LOGITS))
    assert not have_one_sign(LOGITS)
