"""Simulated reviews of real predictions: whether the estimate is honest, and how long it takes until 95 % are right.

    python benchmarks/review_simulated.py RUN DATA [--reviews 100] [--stop-at 95] [--learn 60 150]

All images of the training and validation split are localized as weakspot review does. A person is simulated by the true
boxes: an image is right if each predicted box has an IoU of at least 0.5 with a true one (GT-known Loc), or if it has
neither; a right image takes a glance, a wrong one is corrected. Typical images come first, as in the page. Reviews
differ in what is drawn at random. In order are the files by name, until as many are right, which a person could not
know, and all of them. With --learn, the run learns after so many images, and the others are localized again, which
takes minutes for each review.
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import weakspot as ws
from weakspot.cli.review import localize_first
from weakspot.data import ObjectAnnotation
from weakspot.data.review_rows import ReviewRow, Sampling
from weakspot.labels.review_round import ReviewRound
from weakspot.ops.iou import box_iou
from weakspot.serving.review.adoption import adopt
from weakspot.serving.review.items import ReviewItem
from weakspot.serving.review.relocalize import localize_again
from weakspot.serving.review.rounds import order_by_uncertainty, typical_of_classes
from weakspot.serving.review.source import ReviewSource, open_source
from weakspot.serving.review.standing import Standing
from weakspot.training.review import learn_from_review

GLANCE, CORRECTION = 1.5, 7.0  # seconds
SHARES = (0.1, 0.2, 0.3, 0.5)  # of the images, after which the estimate is compared with the truth


@dataclass(frozen=True)
class Step:
    """After an image: the time so far, the estimate, the right ones among the untouched, and all that are right now."""

    seconds: float
    standing: Standing
    right: int

    @property
    def is_covered(self) -> bool:
        """Whether the interval has the true number of right ones."""
        return self.standing.estimate.low <= self.right <= self.standing.estimate.high

    @property
    def share(self) -> float:
        """Share of right images among all, those that are reviewed included."""
        total = self.standing.total
        return (total - self.standing.estimate.left + self.right) / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--reviews", type=int, default=100)
    parser.add_argument("--stop-at", type=float, default=95)
    parser.add_argument("--learn", type=int, nargs="+", default=[], help="numbers of images after which the run learns")
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        folder = Path(place)
        truth = link_images(options.data, folder / "images")
        run = Path(shutil.copytree(options.run, folder / "run"))
        source = open_source(localize_first(str(run), folder / "images", folder / "found"))
        order = list(order_by_uncertainty(source.items))
        steps = []
        for seed in range(options.reviews):
            if options.learn:
                with TemporaryDirectory() as copy:
                    steps.append(list(review(copied(folder, Path(copy)), truth, seed, options)))
            else:
                steps.append(list(review(source, truth, seed, options, order)))
        report(options, source.items, truth, steps)


def link_images(data: Path, target: Path) -> dict[str, tuple[ObjectAnnotation, ...]]:
    """Link the images of the training and validation split below a folder; return their true objects by name."""
    truth = {}
    dataset = ws.data.read_dataset(data)
    for sample in dataset.samples:
        if sample.split in ("train", "val"):
            label = sample.objects[0].label if sample.objects else dataset.background
            name = f"{label}/{sample.path.name}"
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).symlink_to(sample.path.resolve())
            truth[name] = tuple(item for item in sample.objects if item.box is not None)
    return truth


def copied(folder: Path, target: Path) -> ReviewSource:
    """Copy the run and the localizations, which learning changes."""
    for name in ("run", "found"):
        shutil.copytree(folder / name, target / name)
    settings = target / "found" / "localize.toml"
    settings.write_text(settings.read_text().replace(str(folder / "run"), str(target / "run")))
    return open_source(target / "found")


def is_right(item: ReviewItem, objects: Sequence[ObjectAnnotation]) -> bool:
    """Return whether each predicted box has an IoU of at least 0.5 with a true one, or whether there are neither."""
    if not item.objects or not objects:
        return not item.objects and not objects
    boxes, others = (np.array([one.xyxy for one in some]) for some in (item.objects, objects))
    return bool((box_iou(boxes, others).max(axis=1) >= 0.5).all())


def review(
    source: ReviewSource,
    truth: Mapping[str, tuple[ObjectAnnotation, ...]],
    seed: int,
    options: argparse.Namespace,
    order: Sequence[str] = (),
) -> Iterator[Step]:
    """Yield a step for each image, until all are reviewed."""
    random, items = np.random.default_rng(seed), {item.name: item for item in source.items}
    rows: dict[str, ReviewRow] = {}
    seconds = 0.0
    for reach in (*options.learn, len(items)):
        left = [name for name in items if name not in rows]
        right = {name: is_right(items[name], truth[name]) for name in left}
        ranks = order or list(order_by_uncertainty(items[name] for name in left))
        taught = Counter(items[name].objects[0].label for name in rows if items[name].objects)
        typical = typical_of_classes((items[name] for name in left), taught)
        found = ReviewRound(iter(ranks), [left[i] for i in random.permutation(len(left))], {}, typical)
        offers = found.offers(reach - len(rows))
        count = sum(right.values())
        for number, offer in enumerate(offers, 1):
            name = offer.image
            sampling = Sampling("", number, found.offer_of(name), right[name])
            found.add(name, sampling)
            kept = items[name].objects if right[name] else truth[name]
            status = "confirmed" if right[name] else "corrected" if kept else "empty"
            objects = tuple(ObjectAnnotation(one.label, one.box) for one in kept)
            rows[name] = ReviewRow(name, status if objects else "empty", objects, items[name].size, sampling=sampling)
            seconds += GLANCE if right[name] else CORRECTION
            count -= right[name]
            yield Step(seconds, Standing(len(items), found.estimate(), options.stop_at), count)
        if reach < len(items):
            assert source.run is not None
            learn_from_review(source.run, source.images, rows)
            localize_again(source, [item.path for name, item in items.items() if name not in rows])
            adopt(source)
            items = {item.name: item for item in source.read_items()}


def in_order(
    items: Sequence[ReviewItem], truth: Mapping[str, tuple[ObjectAnnotation, ...]], goal: float
) -> list[float]:
    """Return the seconds to review the files by name until as many are right, and until all are reviewed."""
    right = np.array([is_right(item, truth[item.name]) for item in sorted(items, key=lambda item: item.name)])
    seconds = np.cumsum(np.where(right, GLANCE, CORRECTION))
    share = (right.sum() + np.cumsum(~right)) / len(right)
    return [float(seconds[np.argmax(share >= goal / 100)]) if right.mean() < goal / 100 else 0.0, float(seconds[-1])]


def first(steps: Sequence[Step], holds: Sequence[bool]) -> Step:
    return steps[int(np.argmax(holds))]


def report(
    options: argparse.Namespace,
    items: Sequence[ReviewItem],
    truth: Mapping[str, tuple[ObjectAnnotation, ...]],
    reviews: Sequence[Sequence[Step]],
) -> None:
    """Print a table of the coverage of the interval, and one of times."""
    goal, total = options.stop_at, len(items)
    start = np.mean([is_right(item, truth[item.name]) for item in items])
    learns = f", learning after {options.learn} images" if options.learn else ""
    name = f"{options.data.name}, {total} images"
    stops = [first(steps, [step.standing.is_reached for step in steps]) for steps in reviews]
    covered = {f"{share:.0%} reviewed": [steps[round(share * total)] for steps in reviews] for share in SHARES}
    covered[f"stopped at {goal:g} %"] = stops
    counts = [sum(step.is_covered for step in steps) for steps in covered.values()]
    counts.append(sum(100 * step.share >= goal for step in stops))
    print(f"**Reviews of {len(stops)} in which the 90 % interval holds{learns}**\n")
    table(
        ["data set", "right at the start", *covered, f"{goal:g} % right at the stop"],
        [name, f"{100 * start:.1f} %", *map(str, counts)],
    )
    right = [first(steps, [100 * step.share >= goal for step in steps]) for steps in reviews]
    reviewed = np.mean([step.standing.total - step.standing.estimate.left for step in stops]) / total
    stop, early = (float(np.mean([step.seconds for step in steps])) for steps in (stops, right))
    times = [stop, early, *in_order(items, truth, goal)]
    heads = [
        "to the stop",
        f"until {goal:g} % are right",
        "in order until then",
        "all in order",
        "reviewed at the stop",
    ]
    print(f"**Minutes, mean of {len(stops)} reviews{learns}**\n")
    table(["data set", *heads], [name, *(f"{time / 60:.1f}" for time in times), f"{reviewed:.0%}"])


def table(heads: Sequence[str], cells: Sequence[str]) -> None:
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|\n| {' | '.join(cells)} |\n", flush=True)


if __name__ == "__main__":
    main()
