"""Compare methods on sets with masks, with a classifier that learned its classes from labels alone.

The ImageNet weights of EfficientNet-Lite0 are frozen; a linear layer on its pooled features is fitted to the labels of
the train split (logistic regression, no boxes, no masks). Thresholds are selected on val, results are of test.

    python benchmarks/mask_sets.py DATA [DATA ...]

DATA is a folder in any layout that weakspot reads, with splits train, val and test.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

import weakspot as ws
from weakspot.concurrency import batched
from weakspot.data import Dataset, Sample, read_dataset, read_image
from weakspot.models import normalize_batch, resize_image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--strides", type=int, nargs="+", default=[32, 16])
    options = parser.parse_args()
    for data in options.data:
        dataset = read_dataset(data)
        localizers = [probe(dataset, stride) for stride in options.strides]
        for stride, (localizer, accuracy) in zip(options.strides, localizers, strict=True):
            evaluation = ws.compare([localizer], data)
            print(f"\n**{data.name}**, output stride {stride}, {accuracy:.1f} % of test images classified correctly\n")
            print(evaluation, flush=True)


def probe(dataset: Dataset, stride: int) -> tuple[ws.Localizer, float]:
    """Fit a linear layer to the labels of the train split; return a localizer and its accuracy on test."""
    pretrained = ws.Localizer(output_stride=stride, quality="plain")
    (train, labels), (test, test_labels) = (features(pretrained, dataset, split) for split in ("train", "test"))
    layer = fit_linear(train, labels, len(dataset.class_names))
    accuracy = float((layer(test).argmax(dim=1) == test_labels).float().mean()) * 100
    pretrained.model.classifier = layer
    frame = pretrained.preprocessing
    return ws.Localizer(
        pretrained.model,
        method="cam",
        quality="plain",
        class_names=dataset.class_names,
        mean=frame.mean,
        std=frame.std,
    ), accuracy


def features(localizer: ws.Localizer, dataset: Dataset, split: str) -> tuple[Tensor, Tensor]:
    """Return pooled features (N, K) and labels (N,) of the images of a split."""
    samples = [sample for sample in dataset.of_split(split) if sample.annotations]
    with torch.inference_mode():
        pooled = torch.cat([pooled_features(localizer, batch) for batch in batched(samples, 16)])
    labels = [dataset.class_names.index(sample.annotations[0].label) for sample in samples]
    return pooled.clone(), torch.tensor(labels)


def pooled_features(localizer: ws.Localizer, samples: Sequence[Sample]) -> Tensor:
    frame = localizer.preprocessing
    decoded = [resize_image(read_image(sample.path, upright=False), frame) for sample in samples]
    images = normalize_batch(decoded, frame)
    model = localizer.model
    return model.forward_head(model.forward_features(images), pre_logits=True)


def fit_linear(inputs: Tensor, labels: Tensor, classes: int) -> nn.Linear:
    """Fit a logistic regression with weight decay on standardized inputs, and fold the scaling into the layer."""
    mean, std = inputs.mean(dim=0), inputs.std(dim=0) + 1e-6
    layer = nn.Linear(inputs.shape[1], classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(layer((inputs - mean) / std), labels) + 1e-3 * layer.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        layer.weight /= std
        layer.bias -= layer.weight @ mean
    return layer


if __name__ == "__main__":
    main()
