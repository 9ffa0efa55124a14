"""Tables as plain text: three-space gutters, no rules, a blank line before and after."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence

from inductiva.utils.format_utils import Emphasis, ansi_enabled, emphasis_formatter

GUTTER = "   "
_ESCAPES = re.compile(r"\033\[[0-9;]*m")


def width(text: str) -> int:
    """How many terminal cells `text` takes: escape sequences none, wide characters two, combining marks none."""
    plain = _ESCAPES.sub("", text)
    if plain.isascii():
        return len(plain)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in plain
    )


def _line(cells: Sequence[str], widths: Sequence[int], indent: str) -> str:
    padded = [cell + " " * (widths[column] - width(cell)) for column, cell in enumerate(cells)]
    return (indent + GUTTER.join(padded)).rstrip()


def render(headers: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = " ", colour: bool = False) -> str:
    """A table as text. Headers are put in upper case, and in bold with `colour`.

    Cells may hold escape sequences: they take no width. Rows shorter than the header are filled up with nothing.
    """
    cells = [list(row) for row in rows]
    columns = max([len(headers), *map(len, cells)], default=0)
    lines = [[header.upper() for header in headers], *cells] if headers else cells
    for line in lines:
        line.extend([""] * (columns - len(line)))
    widths = [max(width(line[column]) for line in lines) for column in range(columns)]
    drawn = [_line(line, widths, indent) for line in lines]
    if colour and headers:
        drawn[0] = emphasis_formatter(drawn[0], Emphasis.BOLD)
    return "\n" + "\n".join(drawn) + "\n"


def render_for_terminal(headers: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = " ") -> str:
    """`render`, in bold where standard output takes colours; on a terminal only the columns that fit, and a line
    that names the others, since rows that are broken in two cannot be read. The first column always stays."""
    cells = [list(row) for row in rows]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    kept = len(headers) if room is None else _fitting([headers, *cells], room - len(indent))
    table = render(headers[:kept], [row[:kept] for row in cells], indent=indent, colour=ansi_enabled())
    hidden = ", ".join(header.lower() for header in headers[kept:])
    return f"{table}{indent}(A wider terminal shows more: {hidden}.)\n" if hidden else table


def _fitting(lines: Sequence[Sequence[str]], room: int) -> int:
    """How many columns fit into `room` cells."""
    taken, columns = 0, 0
    for column in range(max(map(len, lines))):
        taken += max(width(line[column]) for line in lines if column < len(line)) + (len(GUTTER) if column else 0)
        if column and taken > room:
            break
        columns += 1
    return columns
