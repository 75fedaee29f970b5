"""The review page in headless Chromium, by events of a real mouse, keyboard and finger."""

import json
from dataclasses import replace

import pytest
from chromium import all_of, needs_chromium, one, press, start_chromium, texts, until
from reviews import BOX, CAT_ROW, HEIGHT, WIDTH, reviewing, write_found, write_localized_run

from weakspot.data import ObjectAnnotation
from weakspot.serving.review.learning import Progress

httpx = pytest.importorskip("httpx")
pytestmark = needs_chromium

X1, Y1, X2, Y2 = BOX
CAT, DOG = "cat/0000.png", "dog/0001.png"
SLIDE = "const f = document.getElementById('threshold'); f.value = arguments[0]; f.dispatchEvent(new Event('input'))"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    started = start_chromium(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


@pytest.fixture
def opened(browser, live):
    return load(browser, live.url)


def load(browser, url):
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(url)
    until(lambda: name(browser) and all_of(browser, "#stage image"))
    return browser


def name(browser):
    return one(browser, "#name").text


def boxes(browser):
    """Boxes of the large image in its pixels, in the order in which they are drawn: the selected one last."""
    script = """return [...document.querySelectorAll('#stage rect.box')].map((rect) => {
        const [x, y, w, h] = ['x', 'y', 'width', 'height'].map((name) => Number(rect.getAttribute(name)));
        return [x, y, x + w, y + h]; })"""
    return browser.execute_script(script)


def on_screen(browser, x, y):
    """Where a pixel of the image is on the screen."""
    script = """const matrix = document.getElementById('stage').getScreenCTM();
        const at = new DOMPoint(arguments[0], arguments[1]).matrixTransform(matrix);
        return [at.x, at.y];"""
    return browser.execute_script(script, x, y)


def drag(browser, start, end):
    """Drag from a pixel of the image to another one by the mouse."""
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    actions = ActionBuilder(browser, duration=20)
    (x1, y1), (x2, y2) = (map(round, on_screen(browser, *at)) for at in (start, end))
    mouse = actions.pointer_action
    mouse.move_to_location(x1, y1).pointer_down()
    mouse.move_to_location((x1 + x2) // 2, (y1 + y2) // 2).move_to_location(x2, y2).pointer_up()
    actions.perform()


def keys(browser, *names):
    from selenium.webdriver.common.keys import Keys

    press(browser, *(getattr(Keys, key, key) for key in names))


def control(browser, key, *, shift=False):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    held = [Keys.CONTROL, *([Keys.SHIFT] if shift else [])]
    chain = ActionChains(browser)
    for modifier in held:
        chain.key_down(modifier)
    chain.send_keys(key)
    for modifier in held:
        chain.key_up(modifier)
    chain.perform()


def saved(live, status, objects=(), image=CAT):
    """Wait until the last row says this of an image."""
    until(lambda: [row_of(row) for row in live.rows()[-1:]] == [(image, status, near(objects))])


def row_of(row):
    return row["image"], row["status"], [(item["label"], item["box"]) for item in row["objects"]]


def near(objects):
    return [(label, pytest.approx(box, abs=1.5)) for label, box in objects]


def severe(browser):
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_box_is_moved_resized_drawn_relabelled_deleted_and_all_is_undone(opened, live):
    assert name(opened) == CAT
    drag(opened, (80, 60), (100, 80))
    saved(live, "corrected", [("cat", [X1 + 20, Y1 + 20, X2 + 20, Y2 + 20])])
    drag(opened, (X2 + 20, Y2 + 20), (180, 140))
    saved(live, "corrected", [("cat", [X1 + 20, Y1 + 20, 180, 140])])
    drag(opened, (X1 + 20, 90), (30, 100))
    saved(live, "corrected", [("cat", [30, Y1 + 20, 180, 140])])
    drag(opened, (5, 5), (25, 40))
    saved(live, "corrected", [("cat", [30, Y1 + 20, 180, 140]), ("cat", [5, 5, 25, 40])])
    keys(opened, "3")
    saved(live, "corrected", [("cat", [30, Y1 + 20, 180, 140]), ("owl", [5, 5, 25, 40])])
    keys(opened, "DELETE")
    saved(live, "corrected", [("cat", [30, Y1 + 20, 180, 140])])
    written = live.rows()
    for row in reversed(written[:-1]):
        control(opened, "z")
        saved(live, "corrected", [(item["label"], item["box"]) for item in row["objects"]])
    control(opened, "z")
    saved(live, "untouched", [])
    until(lambda: boxes(opened) == [BOX])
    control(opened, "z", shift=True)
    saved(live, "corrected", [("cat", [X1 + 20, Y1 + 20, X2 + 20, Y2 + 20])])
    assert severe(opened) == []


def test_a_box_stays_within_the_image(opened, live):
    drag(opened, (80, 60), (199, -9))
    saved(live, "corrected", [("cat", [WIDTH - 80, 0, WIDTH, 60])])
    drag(opened, (WIDTH - 80, 60), (-3, HEIGHT + 5))
    saved(live, "corrected", [("cat", [0, 0, WIDTH, HEIGHT])])


def test_a_box_is_drawn_inside_another(opened, live):
    keys(opened, "d")
    drag(opened, (60, 45), (90, 70))
    saved(live, "corrected", [("cat", BOX), ("cat", [60, 45, 90, 70])])
    assert one(opened, "#draw").get_attribute("aria-pressed") == "false"


def test_escape_ends_a_drag_and_the_box_goes_back(opened, live):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    actions = ActionBuilder(opened, duration=20)
    mouse = actions.pointer_action
    mouse.move_to_location(*map(round, on_screen(opened, 80, 60))).pointer_down()
    mouse.move_to_location(*map(round, on_screen(opened, 100, 80)))
    actions.perform()
    assert boxes(opened) != [BOX]
    keys(opened, "ESCAPE")
    assert boxes(opened) == [BOX]
    ActionBuilder(opened, duration=20).clear_actions()
    keys(opened, "ENTER")
    saved(live, "confirmed", [("cat", BOX)])


@pytest.mark.parametrize("key", ["ENTER", "a"])
def test_a_key_accepts_and_goes_on_to_the_next_image(opened, live, key):
    keys(opened, key)
    saved(live, "confirmed", [("cat", BOX)])
    until(lambda: name(opened) == DOG)
    keys(opened, "ARROW_LEFT")
    until(lambda: name(opened) == CAT)
    until(lambda: "confirmed" in one(opened, "#about").text)
    assert texts(opened, "#counts") == ["1 of 5 touched: 1 confirmed, 0 corrected, 0 empty, 4 untouched"]
    control(opened, "z")
    saved(live, "untouched", [])


def test_a_key_that_comes_too_soon_or_is_held_decides_nothing(opened, live):
    """The heatmap of the next image is not decoded when the second one comes."""
    opened.execute_script(SLIDE, 0.8)
    until(lambda: boxes(opened) != [BOX])
    script = """for (const repeat of [false, false, true])
        document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, repeat}))"""
    opened.execute_script(script)
    until(lambda: name(opened) == DOG)
    until(lambda: boxes(opened))
    opened.execute_script(script.replace("[false, false, true]", "[true, true]"))
    one(opened, "#next").click()
    until(lambda: name(opened) == "owl/0002.png")
    assert [row["image"] for row in live.rows()] == [CAT]


def test_without_its_only_box_the_page_asks_what_that_means(opened, live):
    keys(opened, "DELETE")
    until(lambda: one(opened, "#asks").is_displayed())
    assert boxes(opened) == []
    keys(opened, "ENTER")
    assert one(opened, "#asks").is_displayed()
    control(opened, "z")
    until(lambda: boxes(opened) == [BOX])
    assert not one(opened, "#asks").is_displayed()
    keys(opened, "DELETE", "ARROW_RIGHT")
    until(lambda: name(opened) == DOG)
    keys(opened, "ARROW_LEFT")
    until(lambda: boxes(opened) == [BOX])
    assert live.rows() == []
    keys(opened, "DELETE", "n")
    saved(live, "empty", [])
    until(lambda: name(opened) == DOG)


def test_buttons_do_the_same_and_keep_no_focus(opened, live):
    one(opened, "#next").click()
    until(lambda: name(opened) == DOG)
    keys(opened, "ENTER")
    saved(live, "confirmed", [("dog", BOX)], DOG)
    until(lambda: name(opened) == "owl/0002.png")
    one(opened, "#nothing").click()
    saved(live, "empty", [], "owl/0002.png")
    one(opened, "#undo").click()
    saved(live, "untouched", [], "owl/0002.png")
    one(opened, "#undo").click()
    saved(live, "untouched", [], DOG)
    until(lambda: name(opened) == DOG and "withdrawn" in one(opened, "#says").text)


def test_a_tab_does_not_overwrite_what_another_one_has_decided(opened, live):
    opened.execute_script("window.setTimeout = () => 0")  # it hears of no change
    until(lambda: not opened.execute_script("return document.hidden"))
    path = f"{live.url}/v1/images/{live.ids()[CAT]}"
    until(lambda: boxes(opened) == [BOX])
    revision = live.state.get(live.ids()[CAT]).revision
    assert httpx.put(path, json={"revision": revision, "objects": []}).status_code == 200
    drag(opened, (80, 60), (100, 80))
    until(lambda: "another tab" in one(opened, "#says").text)
    assert boxes(opened) == []
    assert [row["status"] for row in live.rows()] == ["empty"]


def draw_again(live, box):
    """As after learning: the untouched images have other boxes."""
    items = [image.item for image in live.state.changed_since(-1)]
    again = [
        replace(
            item,
            predictions=tuple(replace(one, objects=(ObjectAnnotation(one.label, box),)) for one in item.predictions),
        )
        for item in items
    ]
    live.state.replace_predictions(again)


def test_a_decision_that_is_made_as_learning_ends_is_saved_as_it_was_seen(opened, live):
    opened.execute_script("window.setTimeout = () => 0")  # it hears of no change
    until(lambda: not opened.execute_script("return document.hidden"))
    until(lambda: boxes(opened) == [BOX])
    draw_again(live, (1.0, 2.0, 30.0, 40.0))
    keys(opened, "ENTER")
    saved(live, "corrected", [("cat", BOX)])
    until(lambda: name(opened) == DOG)
    assert "another tab" not in one(opened, "#says").text


def test_boxes_that_are_drawn_again_are_shown(opened, live):
    until(lambda: boxes(opened) == [BOX])
    draw_again(live, (1.0, 2.0, 30.0, 40.0))
    until(lambda: boxes(opened) == [[1, 2, 30, 40]])
    assert "drawn again" in one(opened, "#says").text
    keys(opened, "ENTER")
    saved(live, "confirmed", [("cat", [1, 2, 30, 40])])


# Requests of these kinds have no answer for some time.
OFFLINE = """const real = window.fetch; let left = arguments[1];
    window.fetch = (path, options) => options.method !== arguments[0] ? real(path, options)
        : path.includes('since') || left-- > 0 ? Promise.reject(new TypeError('offline')) : real(path, options)"""


def test_decisions_are_saved_after_a_reload_that_had_to_be_repeated(opened, live):
    opened.execute_script(OFFLINE, "GET", 3)
    image = live.ids()[CAT]
    revision = live.state.get(image).revision
    assert httpx.put(f"{live.url}/v1/images/{image}", json={"revision": revision, "objects": []}).status_code == 200
    drag(opened, (80, 60), (100, 80))
    until(lambda: "Trying again" in one(opened, "#says").text)
    keys(opened, "ARROW_RIGHT")
    until(lambda: name(opened) == DOG)
    assert "Trying again" in one(opened, "#says").text
    keys(opened, "n")
    saved(live, "empty", [], DOG)
    assert [(row["image"], row["status"]) for row in live.rows()] == [(CAT, "empty"), (DOG, "empty")]
    keys(opened, "ARROW_LEFT", "ARROW_LEFT")
    until(lambda: name(opened) == CAT)
    assert boxes(opened) == []


def test_an_image_is_loaded_as_soon_as_the_server_is_there_again(opened, live):
    opened.execute_script("document.querySelector('#stage image').setAttribute('href', 'http://127.0.0.1:9/')")
    until(lambda: one(opened, "#stage image").get_attribute("href").endswith("/large"))


def test_an_image_that_cannot_be_read_is_said(browser, live):
    live.state.get(live.ids()[CAT]).item.path.write_bytes(b"text")
    load(browser, live.url)
    until(lambda: "0000.png" in one(browser, "#says").text)
    for key in ("ENTER", "n"):
        keys(browser, key)
        until(lambda: "nothing was decided" in one(browser, "#says").text)
        assert name(browser) == CAT
    assert live.rows() == []
    keys(browser, "ARROW_RIGHT")
    until(lambda: name(browser) == DOG)
    assert one(browser, "#says").text == ""


def test_decisions_without_an_image_are_said(browser, found):
    (found / "review.jsonl").write_text(CAT_ROW.replace("0000", "9999"))
    with reviewing(found) as live:
        load(browser, live.url)
        until(lambda: "cat/9999.png" in one(browser, "#note").text)


def test_the_slider_draws_untouched_boxes_again_from_their_heatmaps(opened, live):
    keys(opened, "ENTER")
    until(lambda: name(opened) == DOG)
    opened.execute_script(SLIDE, 0.8)
    until(lambda: boxes(opened) != [BOX])
    [smaller] = boxes(opened)
    assert (smaller[0] > X1 + 5, smaller[2] < X2 - 5) == (True, True)
    keys(opened, "ARROW_LEFT")
    until(lambda: name(opened) == CAT)
    assert boxes(opened) == [BOX]
    keys(opened, "ARROW_RIGHT")
    until(lambda: boxes(opened) == [smaller])
    keys(opened, "ENTER")
    saved(live, "corrected", [("dog", smaller)], DOG)
    one(opened, "#threshold-reset").click()
    until(lambda: boxes(opened) == [BOX])
    assert opened.execute_script("return document.getElementById('threshold').valueAsNumber") == 0.5


def test_three_thousand_images_need_few_elements(browser, tmp_path):
    with reviewing(write_many(tmp_path, 3000)) as live:
        load(browser, live.url)
        until(lambda: all_of(browser, ".card"))
        assert texts(browser, "#counts")[0].startswith("0 of 3000")
        count = "return document.querySelectorAll('*').length"
        before = browser.execute_script(count)
        seen = set(card_names(browser))
        for position in (0.3, 0.7, 1):
            scroll = "const f = document.getElementById('gallery'); f.scrollTop = arguments[0] * f.scrollHeight"
            browser.execute_script(scroll, position)
            until(lambda: not seen & set(card_names(browser)))  # noqa: B023
            seen |= set(card_names(browser))
            assert browser.execute_script(count) < before + 400 < 1000
            assert len(all_of(browser, ".card")) < 40
        assert "owl/2999.png" in card_names(browser)
        assert severe(browser) == []


def card_names(browser):
    return browser.execute_script("return [...document.querySelectorAll('.card')].map((card) => card.title)")


def write_many(folder, count):
    """Thousands of rows whose images are links to a few."""
    found = write_found(folder, 3)
    rows = [json.loads(line) for line in (found / "boxes.jsonl").read_text().splitlines()]
    for i in range(3, count):
        source = folder / "images" / rows[i % 3]["label"] / f"{i % 3:04}.png"
        link = source.with_name(f"{i:04}.png")
        link.symlink_to(source)
        rows.append(rows[i % 3] | {"image": str(link), "uncertainty": round(1 - i / count, 4)})
    (found / "boxes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return found


def test_a_phone_draws_with_a_finger_and_needs_no_horizontal_scrolling(browser, live):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        load(browser, live.url)
        until(lambda: boxes(browser) == [BOX])
        assert right_edge(browser) <= 390
        touch(browser, (X2, Y2), (170, 130))
        saved(live, "corrected", [("cat", [X1, Y1, 170, 130])])
        touch(browser, (3, 3), (25, 20))
        saved(live, "corrected", [("cat", [X1, Y1, 170, 130]), ("cat", [3, 3, 25, 20])])
        one(browser, "#accept").click()
        until(lambda: name(browser) == DOG)
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_question_without_a_box_leaves_half_of_a_phone_to_the_image(browser, found):
    size = {"width": 390, "height": 700, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        with reviewing(found, stop_at=60) as live:  # the standing takes a line of the head
            load(browser, live.url)
            until(lambda: boxes(browser) == [BOX])
            drag(browser, (X1 + 1, Y1 + 1), (X1 + 1, Y1 + 1))
            one(browser, "#delete").click()
            until(lambda: one(browser, "#asks").is_displayed())
            header, stage = height_of(browser, "header"), height_of(browser, "#stage")
            assert stage >= (700 - header) / 2
            assert stage >= 280
            assert right_edge(browser) <= 390
            one(browser, "#asks-undo").click()
            until(lambda: boxes(browser) == [BOX])
            assert height_of(browser, "nav") > 90
            assert one(browser, "#accept").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def height_of(browser, selector):
    return browser.execute_script(
        "return document.querySelector(arguments[0]).getBoundingClientRect().height", selector
    )


def right_edge(browser):
    """Where the rightmost element ends that is not in the gallery."""
    script = """const all = [...document.querySelectorAll('header *, main button, nav .tools *')];
        return Math.max(...all.map((element) => element.getBoundingClientRect().right));"""
    return browser.execute_script(script)


def touch(browser, start, end):
    """Drag by a finger."""
    (x1, y1), (x2, y2) = (on_screen(browser, *at) for at in (start, end))
    for kind, points in (
        ("touchStart", [(x1, y1)]),
        ("touchMove", [((x1 + x2) / 2, (y1 + y2) / 2)]),
        ("touchMove", [(x2, y2)]),
        ("touchEnd", []),
    ):
        touches = [{"x": x, "y": y} for x, y in points]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


@pytest.mark.long
def test_after_learning_untouched_boxes_change_and_touched_ones_do_not(browser, tmp_path, one_thread):
    with reviewing(write_localized_run(tmp_path)) as live:
        load(browser, live.url)
        until(lambda: boxes(browser))
        first = name(browser)
        drag(browser, (2, 2), (30, 20))
        until(live.rows)
        touched = boxes(browser)
        before = predicted(live)
        one(browser, "#learn").click()
        keys(browser, "ARROW_RIGHT")
        until(lambda: name(browser) != first)  # the page stays usable
        until(lambda: one(browser, "#learn-says").text.count("changed"), 300)
        after = predicted(live)
        assert after[first] == before[first]
        assert all(after[image] != before[image] for image in before if image != first)
        keys(browser, "ARROW_LEFT")
        until(lambda: name(browser) == first)
        assert sorted(boxes(browser)) == sorted(touched)
        keys(browser, "ARROW_RIGHT")
        until(lambda: name(browser) != first)
        until(lambda: boxes(browser) == [pytest.approx(box) for box in after[name(browser)]])
        assert severe(browser) == []


def test_learning_that_ended_with_the_server_is_said(opened, live, monkeypatch):
    def said():  # also if it is hidden, as no run localized these images
        return one(opened, "#learn-says").get_attribute("textContent")

    keys(opened, "ENTER")
    monkeypatch.setattr(live.learner, "_progress", Progress("learning", 0, 5))
    until(lambda: said() == "Learning ...")
    monkeypatch.setattr(live.learner, "_progress", Progress())  # as after a restart
    until(lambda: "interrupted" in said(), 20)
    assert one(opened, "#learn").is_enabled()


def predicted(live):
    return {image.item.name: [item.box for item in image.item.objects] for image in live.state.changed_since(-1)}


def offered(live, count=9):
    """Names of the images that are offered next, and whether they were drawn at random."""
    return [(live.state.get(image).item.name, is_random) for image, is_random in live.state.offers(count)]


def cards_in_order(browser):
    """Names of the cards as they are seen, row by row."""
    script = """const place = (card) => card.getBoundingClientRect();
        const cards = [...document.querySelectorAll('.card')];
        cards.sort((a, b) => place(a).top - place(b).top || place(a).left - place(b).left);
        return cards.map((card) => card.title)"""
    return browser.execute_script(script)


def test_the_page_follows_the_offers_and_marks_random_checks(browser, tmp_path):
    with reviewing(write_found(tmp_path, 12)) as live:
        load(browser, live.url)
        announced = offered(live, 6)
        for count, (image, is_random) in enumerate(announced):
            until(lambda: name(browser) == image)  # noqa: B023
            assert cards_in_order(browser)[count] == image
            until(lambda: boxes(browser) == [BOX])
            assert ("random check" in one(browser, "#about").text) == is_random
            keys(browser, "ENTER")
        until(lambda: len(live.rows()) == 6)
        assert [row["sampling"]["offer"] == "random" for row in live.rows()] == [
            is_random for _, is_random in announced
        ]
        first_six = [image for image, _ in announced]
        assert cards_in_order(browser)[:6] == first_six
        keys(browser, "ARROW_LEFT")
        until(lambda: name(browser) == first_six[-1])
        until(lambda: "random check" in one(browser, "#about").text)
        next_one = offered(live)[0][0]
        load(browser, live.url)
        assert name(browser) == next_one
        assert severe(browser) == []


def test_random_checks_to_come_are_not_shown_in_the_gallery(browser, tmp_path):
    with reviewing(write_found(tmp_path, 12)) as live:
        load(browser, live.url)
        until(lambda: len(cards_in_order(browser)) == 12)
        names = {image: name for name, image in live.ids().items()}
        assert cards_in_order(browser) == [names[image] for image in live.state.ranked(12)]
        assert "random" not in texts(browser, ".card .value")


def test_a_picked_image_and_a_skipped_one_keep_the_offers_going(browser, tmp_path):
    with reviewing(write_found(tmp_path, 12)) as live:
        load(browser, live.url)
        skipped, picked = name(browser), cards_in_order(browser)[-1]
        keys(browser, "ARROW_RIGHT")
        until(lambda: name(browser) == cards_in_order(browser)[1])
        second = name(browser)
        until(lambda: boxes(browser))
        keys(browser, "n")
        until(lambda: name(browser) not in (skipped, second))
        one(browser, f".card[title='{picked}']").click()
        until(lambda: name(browser) == picked)
        until(lambda: boxes(browser))
        keys(browser, "n")
        until(lambda: len(live.rows()) == 2)
        assert [row["sampling"]["offer"] for row in live.rows()] == ["picked", "picked"]
        assert offered(live)[0][1]  # two images were decided on: the third one is random
        assert offered(live)[1][0] == skipped


def test_the_goal_is_shown_as_soon_as_it_is_reached(browser, found):
    with reviewing(found, stop_at=60) as live:
        load(browser, live.url)
        until(lambda: "60 %" in one(browser, "#standing").text)
        for count in range(1, 4):
            until(lambda: boxes(browser) == [BOX])
            assert "reached" not in one(browser, "#standing").get_attribute("class")
            keys(browser, "n")
            until(lambda: len(live.rows()) == count)  # noqa: B023
        until(lambda: one(browser, "#standing").get_attribute("class") == "reached")
        assert "goal" in one(browser, "#says").text
