import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused
from results_made import row, write_localized, write_picture

from weakspot.report import ReportItem, read_report_data, write_page
from weakspot.report.page import BLOCK, blocks, colormap_tables, in_script, policy
from weakspot.report.thumbnails import Thumbnails

ATTACK = "<script>alert(1)</script><!--"


class Elements(HTMLParser):
    """Lists what a browser would make of a page: elements with attributes, and the texts of scripts."""

    def __init__(self, text):
        super().__init__()
        self.started, self.scripts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.started.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.started.append((f"/{tag}", {}))

    def handle_data(self, data):
        if self.started and self.started[-1][0] == "script":
            self.scripts[-1] += data


def written(folder, tmp_path, **how):
    missing = write_page(read_report_data(folder), tmp_path / "r.html", **how)
    return (tmp_path / "r.html").read_text(), missing


def test_the_items_are_in_the_page_the_lowest_score_first(tmp_path):
    text, missing = written(write_localized(tmp_path / "found"), tmp_path)
    items = json.loads(Elements(text).scripts[0])
    assert [(one["l"], one["s"], one["w"], one["h"]) for one in items] == [
        ("dog", 0.2, 60, 80),
        ("cat", 0.6, 40, 40),
        ("cat", 0.9, 80, 60),
    ]
    assert items[0]["b"] == [[10, 20, 30, 40]]
    assert all(image.startswith("data:image/jpeg;base64,") for image, _, _ in json.loads(Elements(text).scripts[1]))
    assert missing == []


def test_items_with_heatmaps_say_how_they_were_cut(tmp_path):
    folder = write_localized(tmp_path / "found")
    (folder / "localize.toml").write_text('boxes = "all"\nmin_area = 0.05\nmin_score = 0.3\n')
    write_picture(folder, "heatmaps", tmp_path / "photos/c.jpg", np.eye(8, dtype=np.uint8))
    write_picture(folder, "plots", tmp_path / "photos/a.jpg", np.zeros((8, 8, 3), np.uint8))
    text, _ = written(folder, tmp_path)
    assert [one.get("c") for one in json.loads(Elements(text).scripts[0])] == [None, [0.5, 0.05, 0.5], None]
    assert 'id="threshold"' in text


def test_no_text_of_a_user_becomes_an_element(tmp_path):
    folder = write_localized(
        tmp_path / "found", lambda images: [row(images / "a.jpg", ATTACK, notes=[ATTACK]), row(ATTACK, ATTACK)]
    )
    (folder / "localize.toml").write_text(f"model = '{ATTACK}'\n'{ATTACK}' = 1\n")
    (folder / "skipped.jsonl").write_text(json.dumps({"image": ATTACK, "problem": ATTACK}) + "\n")
    text, missing = written(folder, tmp_path)
    found = Elements(text)
    assert len(missing) == 1
    assert [attributes.get("type") for tag, attributes in found.started if tag == "script"] == [
        "application/json",
        "application/json",
        None,
    ]
    assert "alert(1)" not in found.scripts[-1]
    assert json.loads(found.scripts[0])[0]["l"] == ATTACK
    assert "<!--" not in text


def test_the_policy_allows_this_style_and_script_and_nothing_else(tmp_path):
    text, _ = written(write_localized(tmp_path / "found"), tmp_path)
    found = Elements(text)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    values = next(attributes["content"] for _, attributes in found.started if "http-equiv" in attributes)
    assert values == policy(style, found.scripts[-1])
    assert values.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in values
    links = [value for _, attributes in found.started for name, value in attributes.items() if name in ("src", "href")]
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "url(" not in style.replace("url(#heat)", "")
    assert not any("style" in attributes for _, attributes in found.started), "the policy forbids them"


def test_only_the_worst_are_shown_where_there_are_too_many(tmp_path):
    text, _ = written(write_localized(tmp_path / "found"), tmp_path, max_items=1)
    assert [one["l"] for one in json.loads(Elements(text).scripts[0])] == ["dog"]
    assert "<small> of 3</small>" in text


def test_a_image_that_is_missing_is_listed(tmp_path):
    folder = write_localized(tmp_path / "found")
    (tmp_path / "photos/a.jpg").unlink()
    text, missing = written(folder, tmp_path)
    assert [one.image for one in missing] == [str(tmp_path / "photos/a.jpg")]
    assert "Images that could not be read for this report: 1" in text


def test_nothing_is_left_behind_where_the_page_cannot_be_written(tmp_path):
    folder = write_localized(tmp_path / "found")
    (tmp_path / "there").mkdir()
    with refused("not-writable"):
        write_page(read_report_data(folder), tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []
    assert not list(tmp_path.glob(".weakspot-*"))


def test_the_same_results_give_the_same_page(tmp_path):
    folder = write_localized(tmp_path / "found")
    assert written(folder, tmp_path) == written(folder, tmp_path)


def test_blocks_hold_each_image_once(tmp_path):
    one = ReportItem(name="a", image=tmp_path, label="cat")
    items = [one, replace(one, label="dog"), *(replace(one, name=str(i)) for i in range(BLOCK))]
    made = [Thumbnails(f"image {item.name}", item.label, "", (1, 1)) for item in items]
    first, second = blocks(items, made)
    assert first[:3] == [("image a", "cat", ""), (0, "dog", ""), ("image 0", "cat", "")]
    assert (len(first), len(second)) == (BLOCK, 2)


@given(st.text() | st.lists(st.text() | st.integers()) | st.dictionaries(st.text(), st.text()))
def test_json_in_a_script_says_the_same_and_cannot_end_it(value):
    text = str(in_script(value))
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)


def test_heat_runs_from_clear_blue_to_opaque_red():
    tables = {name: [float(word) for word in words.split()] for name, words in colormap_tables().items()}
    assert (tables["a"][0], tables["a"][-1]) == (0.0, 0.6)
    assert tables["b"][2] > tables["r"][2]
    assert tables["r"][-2] > tables["b"][-2]
