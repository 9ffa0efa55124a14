"""The lines that frame each command in `stdout.txt` and `stderr.txt`, the same in both files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_HEADER = ("# COMMAND: ", "# Working directory: ", "# Env: ")
_FOOT = " -------"


class WithoutFrames:
    """Passes the lines of a stream on, without the frames of its commands and the blank lines that belong to them.

    For the second of two streams that are shown as one. Keeps its place between calls.
    """

    def __init__(self) -> None:
        self._in_header = False
        self._blanks = 0

    def __call__(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if line.startswith(_HEADER) or line == _FOOT:
                self._in_header = line != _FOOT
                self._blanks = 0
            elif line or not self._in_header:
                yield from self._own(line)
            else:
                self._in_header = False  # the blank line that ends a header

    def _own(self, line: str) -> Iterator[str]:
        if not line:
            self._blanks += 1  # it may belong to the foot that follows
            return
        yield from [""] * self._blanks
        self._blanks = 0
        self._in_header = False
        yield line
