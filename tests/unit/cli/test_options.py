"""Options that take several words, and numbers that may be left out."""

from __future__ import annotations

import pytest

from inductiva.cli import output
from inductiva.cli.options import fill, spread

ID = frozenset({"-i", "--id"})
WATCH = frozenset({"-w", "--watch"})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--id", "a", "b", "--json"], ["--id", "a", "--id", "b", "--json"]),
        (["-i", "a", "-i", "b"], ["-i", "a", "-i", "b"]),
        (["x", "--id", "a", "-n", "3"], ["x", "--id", "a", "-n", "3"]),
        (["--id=a", "x"], ["--id=a", "x"]),
        (["--id"], ["--id"]),
        (["--id", "--json"], ["--id", "--json"]),
        (["--id", "a", "--", "--id", "b"], ["--id", "a", "--", "--id", "b"]),
    ],
)
def test_an_option_takes_every_word_up_to_the_next_option(words: list[str], expected: list[str]) -> None:
    assert spread(words, ID) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-w", "task"], ["-w", "2", "task"]),
        (["task", "--watch"], ["task", "--watch", "2"]),
        (["-w", "0.5", "task"], ["-w", "0.5", "task"]),
        (["--watch", "-1"], ["--watch", "-1"]),
        (["--", "-w"], ["--", "-w"]),
    ],
)
def test_a_missing_number_is_filled_in(words: list[str], expected: list[str]) -> None:
    assert fill(words, WATCH, "2") == expected


def test_a_watched_answer_fits_the_screen() -> None:
    lines = [str(number) for number in range(10)]
    assert output._fit(lines, 11) == lines
    assert output._fit(lines, 10) == ["0", "1", "2", "3", "4", "5", "6", "7", "… 2 more lines"]
    assert len(output._fit(lines, 1)) == 2
