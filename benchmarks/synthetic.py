"""Synthetic scenes per second on one core, by size and setting: CPU time, textures decoded before, medians.

python benchmarks/synthetic.py
"""

import argparse
from itertools import product

from timing import interleaved

from weakspot.data.synthetic import SceneSettings, scene

SIZES = (64, 224, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    settings = {
        f"{size} px | {'yes' if part else 'no'}": SceneSettings(classes=10, size=size, discriminative_part=part)
        for size, part in product(SIZES, (False, True))
    }
    runs = {name: lambda config=config: make_scenes(options.scenes, config) for name, config in settings.items()}
    print("| image | discriminative part | scenes a second |\n|---|---|---|")
    for name, seconds in interleaved(runs, options.rounds).items():
        print(f"| {name} | {options.scenes / seconds.cpu:.0f} |")


def make_scenes(count: int, config: SceneSettings) -> None:
    for index in range(count):
        scene(index, config)


if __name__ == "__main__":
    main()
