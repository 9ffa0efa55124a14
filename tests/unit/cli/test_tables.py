"""Tables as text."""

from __future__ import annotations

from inductiva.utils import tables
from inductiva.utils.format_utils import Emphasis, emphasis_formatter


def test_escape_sequences_and_wide_characters_keep_columns_straight() -> None:
    green = emphasis_formatter("ok", Emphasis.GREEN)
    text = tables.render(["name", "state", "x"], [["模拟", green, "1"], ["abcd", "late", "2"]])
    lines = text.splitlines()
    columns = [tables.width(line[: line.rindex(character)]) for line, character in zip(lines[1:], "X12", strict=True)]
    assert columns == [16, 16, 16]


def test_bold_header_only_when_colours_are_wanted() -> None:
    assert "\033" not in tables.render(["a"], [["b"]])
    assert tables.render(["a"], [["b"]], colour=True).startswith("\n\033[1m A\033[0m\n")


def test_short_rows_are_filled_up() -> None:
    assert tables.render(["a", "b"], [["1"]]) == "\n A   B\n 1\n"


def test_a_table_without_rows_is_its_header() -> None:
    assert tables.render(["a", "b"], []) == "\n A   B\n"
