"""A report of thousands of images: seconds to write it, its size, and how fast a browser shows and filters it.

Images are 500 x 375 crops of those that scikit-image contains, heatmaps are blobs of 288 x 288, rows are as
``weakspot localize --save-heatmaps`` writes them. The browser is headless Chromium; a filter is measured from the
change of a field until the filtered cards are painted, including the 60 ms that the page waits for further typing.
A threshold is measured from moving the slider until the visible cards are painted, or until the boxes of all images
are counted.

    python benchmarks/report.py --images 3000
"""

import argparse
import json
import os
from io import BytesIO
from pathlib import Path
from shutil import which
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from sample_images import random_crops
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from timing import measure

from weakspot.cli.report import report
from weakspot.report.options import ReportOptions

VARIANTS = 60  # number of different images and heatmaps, each written to many files
CLASSES = [f"class {i:02}" for i in range(20)]
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")
FILTER = """
const [id, value, done] = arguments;
const count = document.getElementById("count"), before = performance.now(), field = document.getElementById(id);
new MutationObserver((_, watch) => {
  watch.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - before)));
}).observe(document.getElementById("cards"), { childList: true });
field.value = value;
field.dispatchEvent(new Event("input", { bubbles: true }));
"""
THRESHOLD = """
const [value, selector, done] = arguments;
const before = performance.now(), field = document.getElementById("threshold");
document.querySelector(".sticky").scrollIntoView({ behavior: "instant" });
const visible = () => [...document.querySelectorAll("#cards li")].filter((card) => {
  const { top, bottom } = card.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
});
new MutationObserver((_, watch) => {
  if (selector === "#cards" && !visible().every((card) => card.querySelector("canvas"))) return;
  watch.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - before)));
}).observe(document.querySelector(selector), { childList: true, subtree: true });
field.value = value;
field.dispatchEvent(new Event("input", { bubbles: true }));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000)
    options = parser.parse_args()
    with TemporaryDirectory() as parent:
        folder = write_results(Path(parent), options.images)
        page = folder / "report.html"
        seconds = measure(lambda: report(folder, ReportOptions()))
        print("| what | value |\n|---|---|")
        print(f"| images | {options.images} |\n| writing | {seconds.wall:.0f} s ({seconds.cpu:.0f} s of CPU) |")
        size = page.stat().st_size
        print(f"| size | {size / 1e6:.1f} MB, {size / options.images / 1e3:.1f} KB per image |")
        for name, value in browser_times(page).items():
            print(f"| {name} | {value:.0f} ms |")


def write_results(folder: Path, count: int) -> Path:
    """Write images, heatmaps and rows as weakspot localize does."""
    random = np.random.default_rng(0)
    images = [encode(image, "JPEG") for image in random_crops(VARIANTS)]
    heatmaps = [encode(Image.fromarray(blob(random)), "PNG") for _ in range(VARIANTS)]
    output = folder / "localized"
    (folder / "images").mkdir()
    rows = []
    for i in range(count):
        image = folder / "images" / f"{i:05}.jpg"
        image.write_bytes(images[i % VARIANTS])
        heatmap = output / "heatmaps" / f"{str(image)[1:]}.png"
        heatmap.parent.mkdir(parents=True, exist_ok=True)
        heatmap.write_bytes(heatmaps[i % VARIANTS])
        rows.append(row(image, i, random))
    (output / "boxes.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return output


def encode(image: Image.Image, format_: str) -> bytes:
    file = BytesIO()
    image.save(file, format_, quality=90)
    return file.getvalue()


def blob(random: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:288, :288]
    center, width = random.uniform(80, 208, 2), random.uniform(20, 70)
    return np.uint8(255 * np.exp(-((y - center[0]) ** 2 + (x - center[1]) ** 2) / (2 * width**2)))


def row(image: Path, i: int, random: np.random.Generator) -> dict[str, object]:
    box = [[50.0, 40.0, 300.0, 320.0]]
    index = i % len(CLASSES)
    values = {"image": str(image), "width": 500, "height": 375, "class_index": index, "label": CLASSES[index]}
    return values | {"score": random.uniform(), "method": "cam", "threshold": 0.4, "boxes": box, "notes": []}


def browser_times(page: Path) -> dict[str, float]:
    """Open the report five times and filter it; return median milliseconds."""
    os.environ["SE_OFFLINE"] = "true"
    times: dict[str, list[float]] = {}
    for _ in range(5):
        with TemporaryDirectory() as profile:
            options = webdriver.ChromeOptions()
            options.binary_location = which("chromium")
            for flag in (*FLAGS, *QUIET, f"--user-data-dir={profile}", "--window-size=1280,900"):
                options.add_argument(flag)
            browser = webdriver.Chrome(options=options, service=Service(which("chromedriver")))
            try:
                browser.get(page.as_uri())
                for name, value in page_times(browser).items():
                    times.setdefault(name, []).append(value)
            finally:
                browser.quit()
    return {name: median(values) for name, values in times.items()}


def page_times(browser: webdriver.Chrome) -> dict[str, float]:
    paint = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
    loaded = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    times = {
        "first paint": browser.execute_script(paint),
        "gallery loaded": browser.execute_script(loaded),
        "filter by class": browser.execute_async_script(FILTER, "class", CLASSES[3]),
        "search": browser.execute_async_script(FILTER, "search", "0012"),
        "sort": browser.execute_async_script(FILTER, "sort", "s-"),
    }
    browser.execute_async_script(FILTER, "search", "")
    browser.execute_async_script(FILTER, "class", "")
    return times | {
        "threshold, visible cards": browser.execute_async_script(THRESHOLD, "0.6", "#cards"),
        "threshold, all images": browser.execute_async_script(THRESHOLD, "0.5", "#threshold-count"),
    }


if __name__ == "__main__":
    main()
