from weakspot.inference.batch.ray.crash_log import CrashLog


def test_what_was_begun_is_remembered_by_those_who_come_after(tmp_path):
    first = CrashLog(tmp_path / "begun/part")
    first.begin()
    assert first.times == 1
    assert first.begin_image("a.jpg") == 0
    first.end_image("a.jpg")
    assert first.begin_image("caf\udce9.jpg") == 0  # and dies
    second = CrashLog(tmp_path / "begun/part")
    second.begin()
    assert second.times == 2
    assert second.begin_image("a.jpg") == 0
    second.end_image("a.jpg")
    assert second.begin_image("caf\udce9.jpg") == 1
    second.end_image("b.jpg")
    assert CrashLog(tmp_path / "begun/part").begin_image("caf\udce9.jpg") == 2


def test_nothing_is_remembered_of_a_part_that_has_come_to_its_end(tmp_path):
    record = CrashLog(tmp_path / "begun/part")
    record.begin()
    record.begin_image("a.jpg")
    record.forget()
    record.forget()
    assert list((tmp_path / "begun").iterdir()) == []
    assert record.begin_image("a.jpg") == 0
