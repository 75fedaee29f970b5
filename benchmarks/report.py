"""A report of thousands of images: seconds to write it, its size, and how fast a browser shows and filters it.

Photos are 500 x 375 crops of those that scikit-image carries, heatmaps are blobs of 288 x 288, rows are as
``weakspot localize --save-heatmaps`` writes them. The browser is headless Chromium; a filter is timed from the change
of a field until the filtered cards are painted, the 60 ms that the page waits for more typing among it.

    python benchmarks/report.py --images 3000
"""

import argparse
import json
import os
import time
from io import BytesIO
from pathlib import Path
from shutil import which
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from weakspot.cli.demo import sample_image
from weakspot.cli.report import report
from weakspot.report.options import ReportOptions

PHOTOS = ("chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "astronaut.png", "retina.jpg")
VARIANTS = 60  # so many different photos and heatmaps, each in a file of its own many times
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000)
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        folder = write_results(Path(place), options.images)
        started, used = time.perf_counter(), time.process_time()
        page = report(folder, ReportOptions()).page
        seconds, cpu = time.perf_counter() - started, time.process_time() - used
        print("| what | value |\n|---|---|")
        print(f"| images | {options.images} |\n| writing | {seconds:.0f} s ({cpu:.0f} s of CPU) |")
        size = page.stat().st_size
        print(f"| size | {size / 1e6:.1f} MB, {size / options.images / 1e3:.1f} KB an image |")
        for name, value in shown(page).items():
            print(f"| {name} | {value:.0f} ms |")


def write_results(folder: Path, count: int) -> Path:
    """Write photos, heatmaps and rows as a run of localize leaves them."""
    random = np.random.default_rng(0)
    loaded = [Image.open(sample_image(name)).convert("RGB").resize((640, 480)) for name in PHOTOS]
    crops = [crop(loaded[i % len(loaded)], random) for i in range(VARIANTS)]
    heatmaps = [encoded(Image.fromarray(blob(random)), "PNG") for _ in range(VARIANTS)]
    found = folder / "localized"
    (folder / "photos").mkdir()
    rows = []
    for i in range(count):
        photo = folder / "photos" / f"{i:05}.jpg"
        photo.write_bytes(crops[i % VARIANTS])
        heatmap = found / "heatmaps" / f"{str(photo)[1:]}.png"
        heatmap.parent.mkdir(parents=True, exist_ok=True)
        heatmap.write_bytes(heatmaps[i % VARIANTS])
        rows.append(row(photo, i, random))
    (found / "boxes.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return found


def crop(photo: Image.Image, random: np.random.Generator) -> bytes:
    x, y = random.integers(0, (140, 105))
    return encoded(photo.crop((x, y, x + 500, y + 375)), "JPEG")


def encoded(picture: Image.Image, format_: str) -> bytes:
    file = BytesIO()
    picture.save(file, format_, quality=90)
    return file.getvalue()


def blob(random: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:288, :288]
    middle, width = random.uniform(80, 208, 2), random.uniform(20, 70)
    return np.uint8(255 * np.exp(-((y - middle[0]) ** 2 + (x - middle[1]) ** 2) / (2 * width**2)))


def row(photo: Path, i: int, random: np.random.Generator) -> dict[str, object]:
    box = [[50.0, 40.0, 300.0, 320.0]]
    which = i % len(CLASSES)
    told = {"image": str(photo), "width": 500, "height": 375, "class_index": which, "label": CLASSES[which]}
    return told | {"score": random.uniform(), "method": "cam", "threshold": 0.4, "boxes": box, "notes": []}


def shown(page: Path) -> dict[str, float]:
    """Open the report five times, and filter it."""
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
                for name, value in timed(browser).items():
                    times.setdefault(name, []).append(value)
            finally:
                browser.quit()
    return {name: median(values) for name, values in times.items()}


def timed(browser: webdriver.Chrome) -> dict[str, float]:
    paint = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
    loaded = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    return {
        "first paint": browser.execute_script(paint),
        "gallery there": browser.execute_script(loaded),
        "filter by class": browser.execute_async_script(FILTER, "class", CLASSES[3]),
        "search": browser.execute_async_script(FILTER, "search", "0012"),
        "sort": browser.execute_async_script(FILTER, "sort", "s-"),
    }


if __name__ == "__main__":
    main()
