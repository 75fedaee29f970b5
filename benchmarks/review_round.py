"""Seconds of a round of weakspot review: a run learns from boxes, and all untouched images are localized again.

    python benchmarks/review_round.py RUN DATA [--images 700] [--boxes 60] [--rounds 3]

A person is simulated by the true boxes of the images that the page offers first. The round is that of the page: a
process of its own is started, which imports PyTorch, teaches the run and localizes the other images; then these take
the place of the earlier ones. Seconds are of a clock, so the machine should have nothing else to do.
"""

import argparse
import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from review_simulated import link_images

from weakspot.cli.review import localize_first
from weakspot.data import ObjectAnnotation
from weakspot.serving.review.learning import Learner
from weakspot.serving.review.source import open_source
from weakspot.serving.review.state import ReviewState
from weakspot.training.review import learn_from_review

INTERVAL = 0.05  # seconds between two looks at the progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=700)
    parser.add_argument("--boxes", type=int, default=60, help="images with boxes, more in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        folder = Path(place)
        truth = link_images(options.data, folder / "images")
        for name in list(truth)[options.images :]:
            (folder / "images" / name).unlink()
        run = Path(shutil.copytree(options.run, folder / "run"))
        source = open_source(localize_first(str(run), folder / "images", folder / "found"))
        print(f"**{options.data.name}**, {len(source.items)} images:\n")
        print("| images with decisions | learn, s | localize the others again, s | round, s |\n|---|---|---|---|")
        state = ReviewState(source)
        with closing(Learner(source, state, learn_from_review)) as learner:
            for _ in range(options.rounds):
                decide(state, truth, options.boxes)
                learning, localizing = seconds_of_round(learner)
                seconds = (f"{one:.1f}" for one in (learning, localizing, learning + localizing))
                print(f"| {len(state.of_status(touched=True))} | {' | '.join(seconds)} |", flush=True)


def decide(state: ReviewState, truth: Mapping[str, tuple[ObjectAnnotation, ...]], count: int) -> None:
    """Give the images that the page offers next their true boxes."""
    for image_id, _ in state.offers(count):
        image = state.get(image_id)
        state.decide(image_id, image.revision, truth[image.item.name])


def seconds_of_round(learner: Learner) -> tuple[float, float]:
    """Run a round, and return the seconds of learning and of localizing again."""
    started = time.monotonic()
    learner.start()
    while learner.progress.phase == "learning":
        time.sleep(INTERVAL)
    learned = time.monotonic()
    while learner.progress.phase == "localizing":
        time.sleep(INTERVAL)
    if learner.progress.phase == "failed":
        raise SystemExit(learner.progress.problem)
    return learned - started, time.monotonic() - learned


if __name__ == "__main__":
    main()
