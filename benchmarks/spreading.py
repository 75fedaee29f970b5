"""The cost of self-correlation relative to the forward pass, at the same input size.

    python benchmarks/spreading.py [--rounds 15]

CPU time of one batch of 8 images, in turn with the forward pass alone, as a ratio; medians.
"""

import argparse
import warnings

import torch
from timing import interleaved

from weakspot.cams import find_method
from weakspot.models import compute_class_maps, load_classifier, split_model

BATCH, THREADS = 8, 2
CONFIGS = (
    ("tf_efficientnet_lite0", 16, 288),
    ("tf_efficientnet_lite0", 32, 224),
    ("resnet50", 16, 288),
    ("resnet50", 32, 224),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    print("| model | class map / forward | with self-correlation / forward |\n|---|---|---|")
    for name, stride, side in CONFIGS:
        print(f"| {name}, stride {stride}, {side} px | {ratios(name, stride, side, options.rounds)} |", flush=True)


def ratios(name: str, stride: int, side: int, rounds: int) -> str:
    model = load_classifier(name, weights=None, output_stride=stride).module.to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, side, side).to(memory_format=torch.channels_last)
    classes, method = torch.arange(BATCH)[:, None], find_method("gradcam")
    plain, spread = (split_model(model, images[:1], propagate=wanted) for wanted in (False, True))

    def forward() -> None:
        with torch.inference_mode():
            model(images)

    times = interleaved(
        {
            "forward": forward,
            "plain": lambda: compute_class_maps(plain, images, method, classes=classes),
            "spread": lambda: compute_class_maps(spread, images, method, classes=classes),
        },
        rounds,
    )
    return f"{times['plain'].cpu / times['forward'].cpu:.2f} | {times['spread'].cpu / times['forward'].cpu:.2f}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
