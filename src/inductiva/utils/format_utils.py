"""Values as text for people: sizes, durations, times, money, emphasis. Pure, and quick to import.

Times are shown in the local zone. Sizes use powers of 1000.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Any

MISSING = "n/a"
BYTE_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_RESET = "\033[0m"


class Emphasis(StrEnum):
    """How a piece of text is drawn; the value is the terminal's escape sequence."""

    BOLD = "\033[1m"
    DIM = "\033[2m"
    RED = "\033[31m"
    GREEN = "\033[32m"
    YELLOW = "\033[33m"
    BLUE = "\033[34m"


class CaseInsensitiveEnum(Enum):
    """An enumeration of texts that finds its members whatever their case: `Colour("Red") is Colour("red")`."""

    @classmethod
    def _missing_(cls, value: object) -> CaseInsensitiveEnum | None:
        wanted = str(value).lower()
        return next((member for member in cls if str(member.value).lower() == wanted), None)


def getenv_bool(name: str, default: bool = False) -> bool:
    """The environment variable `name` as a truth value; `default` when it is unset or empty."""
    text = os.environ.get(name, "").strip().lower()
    return text in _TRUE if text else default


def ansi_enabled(stream: Any = None) -> bool:
    """Whether colours may be written to `stream` (standard output unless given).

    Yes on a terminal, unless `NO_COLOR` or `INDUCTIVA_DISABLE_ANSI` is set or `TERM` is `dumb`. A script that assigns
    `inductiva.ansi_enabled` decides it.
    """
    decided = vars(sys.modules["inductiva"]).get("ansi_enabled")
    if decided is not None:
        return bool(decided)
    if os.environ.get("NO_COLOR") or getenv_bool("INDUCTIVA_DISABLE_ANSI") or os.environ.get("TERM") == "dumb":
        return False
    target = sys.stdout if stream is None else stream
    return bool(target is not None and target.isatty())


def no_formatter(text: object, *_emphasis: Emphasis) -> str:
    """The text as it is."""
    return str(text)


def emphasis_formatter(text: object, *emphasis: Emphasis) -> str:
    """The text between escape sequences, whatever the terminal."""
    return f"{''.join(emphasis)}{text}{_RESET}" if emphasis else str(text)


def get_ansi_formatter() -> Callable[..., str]:
    """`emphasis_formatter` where colours may be written, else `no_formatter`."""
    return emphasis_formatter if ansi_enabled() else no_formatter


def bytes_formatter(n_bytes: float | None) -> str:
    """Bytes → `300 B`, `1.20 KB`, `123.46 MB`."""
    if n_bytes is None:
        return MISSING
    if abs(n_bytes) < 1000:
        return f"{n_bytes:.0f} B"
    size = float(n_bytes)
    for unit in BYTE_UNITS:
        # 999.995 and above would be printed as 1000.00 of the smaller unit.
        if abs(size) < 999.995 or unit == BYTE_UNITS[-1]:
            return f"{size:.2f} {unit}"
        size /= 1000
    raise AssertionError("the last unit takes every size")


def seconds_formatter(seconds: float | None) -> str:
    """Seconds → `0:01:40`, rounded; a day or more → `1 day, 2:00:00`."""
    return MISSING if seconds is None else str(timedelta(seconds=round(seconds)))


def _parts(duration: timedelta) -> list[tuple[int, str]]:
    """The two largest parts of a duration that are not zero."""
    minutes, seconds = divmod(max(0, round(duration.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    every = [(days, "day"), (hours, "hour"), (minutes, "minute"), (seconds, "second")]
    first = next((index for index, (number, _) in enumerate(every) if number), 3)
    return [part for index, part in enumerate(every[first : first + 2]) if index == 0 or part[0]]


def timedelta_formatter(duration: timedelta) -> str:
    """A duration in words: `1 hour and 2 minutes`, `35 seconds`."""
    return " and ".join(f"{number} {name}{'' if number == 1 else 's'}" for number, name in _parts(duration))


def short_timedelta_formatter(duration: timedelta) -> str:
    """A duration in letters: `1 h 2 m`, `35 s`."""
    return " ".join(f"{number} {name[0]}" for number, name in _parts(duration))


def local_time(time: str | datetime) -> datetime:
    """A time of the wire (ISO text) or an aware datetime, in the local zone. Raises ValueError for other text."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    return moment.astimezone()


def local_zone(time: str | datetime | None = None) -> str:
    """The local zone's name and offset, now or at `time`: `CET, UTC+01:00`, or `UTC`."""
    moment = datetime.now().astimezone() if time is None else local_time(time)
    offset = moment.strftime("%z")
    name = moment.tzname() or ""
    if name == "UTC":
        return name
    numeric = f"UTC{offset[:3]}:{offset[3:5]}"
    return numeric if not name or name[0] in "+-" else f"{name}, {numeric}"


def datetime_formatter(time: str | datetime | None) -> str:
    """`22/11, 23:43:39`, local; with the year when it is not this year: `22/11/2025, 23:43:39`."""
    if time is None:
        return MISSING
    moment = local_time(time)
    this_year = moment.year == datetime.now().year
    return moment.strftime("%d/%m, %H:%M:%S" if this_year else "%d/%m/%Y, %H:%M:%S")


def datetime_formatter_ymd_hm(time: str | datetime | None) -> str:
    """`2026-11-22 23:43`, local."""
    return MISSING if time is None else local_time(time).strftime("%Y-%m-%d %H:%M")


def datetime_formatter_month_text(time: str | datetime | None) -> str:
    """`22 Nov, 23:43:39`, local."""
    return MISSING if time is None else local_time(time).strftime("%d %b, %H:%M:%S")


def currency_formatter(amount: float | None) -> str:
    """US dollars: `1.50 US$`; below one, two or three significant digits: `0.020 US$`, `0.0212 US$`; `0 US$`."""
    if amount is None:
        return MISSING
    if amount == 0:
        return "0 US$"
    digits, unit = 2, 1.0
    while abs(amount) < unit and digits < 12:
        digits, unit = digits + 1, unit / 10
    text = f"{amount:.{digits}f}"
    return f"{text[:-1] if digits > 2 and text.endswith('0') else text} US$"


def get_tabular_data(
    tabular_data: Mapping[str, Iterable[Any]] | Iterable[Sequence[Any]],
    headers: Iterable[Any] | None = None,
    formatters: Mapping[str, Sequence[Callable[[Any], Any]]] | None = None,
    header_formatters: Sequence[Callable[[Any], Any]] | None = None,
) -> tuple[list[list[str]], list[str]]:
    """Rows and headers of a table as text.

    `tabular_data`: columns by name, or rows (then `headers` names the columns). `formatters`: for a column, functions
    applied one after the other to each value that is not None. None becomes `n/a`.
    """
    if isinstance(tabular_data, Mapping):
        names = [str(name) for name in tabular_data]
        rows = [list(row) for row in zip(*tabular_data.values(), strict=True)]
    else:
        names = [str(name) for name in headers or ()]
        rows = [list(row) for row in tabular_data]
    steps = formatters or {}
    by_column = [steps.get(name, ()) for name in names]

    def text(value: Any, column: int) -> str:
        for step in by_column[column] if column < len(by_column) and value is not None else ():
            value = step(value)
        return MISSING if value is None else str(value)

    shown = [_through(name, header_formatters or ()) for name in names]
    return [[text(value, column) for column, value in enumerate(row)] for row in rows], shown


def _through(value: Any, steps: Sequence[Callable[[Any], Any]]) -> str:
    for step in steps:
        value = step(value)
    return str(value)


def get_tabular_str(
    tabular_data: Mapping[str, Iterable[Any]] | Iterable[Sequence[Any]],
    headers: Iterable[Any] | None = None,
    formatters: Mapping[str, Sequence[Callable[[Any], Any]]] | None = None,
    header_formatters: Sequence[Callable[[Any], Any]] | None = None,
    indentation_level: int = 0,
) -> str:
    """A table as text, a blank line before and after; the arguments are those of `get_tabular_data`.

    `indentation_level`: number of spaces before each line.
    """
    from inductiva.utils import tables

    rows, names = get_tabular_data(tabular_data, headers, formatters, header_formatters)
    return tables.render(names, rows, indent=" " * (indentation_level + 1))
