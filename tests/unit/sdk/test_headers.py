"""Frames of commands are taken out of the stream that is shown beside the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inductiva.tasks.headers import WithoutFrames

FRAME = ["# COMMAND: ['a']", "# Working directory: /workdir/output/artifacts", "# Env: {}", ""]
FOOT = ["", " -------"]


def test_only_what_the_command_wrote_is_left() -> None:
    lines = [*FRAME, *FOOT, *FRAME, "first", "", "last", *FOOT, *FRAME, *FOOT]
    assert list(WithoutFrames()(lines)) == ["first", "", "last"]


@given(st.lists(st.lists(st.sampled_from(["x", "", "y"]), max_size=4), max_size=4), st.randoms())
def test_pieces_give_what_the_whole_gives(commands: list[list[str]], random: object) -> None:
    lines = [line for wrote in commands for line in (*FRAME, *wrote, *FOOT)]
    pieces = WithoutFrames()
    one_by_one = [kept for line in lines for kept in pieces([line])]
    assert one_by_one == list(WithoutFrames()(lines))
    assert [line for line in one_by_one if line] == [line for wrote in commands for line in wrote if line]
