from ringcycle.tables import table_lines


def test_numbers_are_aligned_to_the_right_and_no_line_is_wrapped() -> None:
    long = "word " * 100 + "[bold]"
    assert table_lines(("step", "note"), [("1", ""), ("1,000", long)], 1) == [" step  note", "    1", f"1,000  {long}"]


def test_without_records_the_headings_remain() -> None:
    assert table_lines(("step", "note"), [], 1) == ["step  note"]


def test_foreign_text_stays_in_its_line() -> None:
    assert table_lines(("note",), [("a\x1b[2J\nb",)], 0) == ["note", "a\\x1b[2J\\nb"]
