"""Durations as people write them."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

Duration = str | float | Decimal | timedelta

_SECONDS: dict[str, float] = {
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 604800.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)[\s,]*")
_PLAIN = re.compile(r"\d+(?:\.\d+)?")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")


def _parts(text: str) -> float | None:
    """`1h30m`, `2 hours 5 min` → seconds."""
    total, end = 0.0, 0
    while end < len(text):
        match = _PART.match(text, end)
        if match is None or match[2] not in _SECONDS:
            return None
        total += float(match[1]) * _SECONDS[match[2]]
        end = match.end()
    return total


def to_seconds(duration: Duration, what: str = "duration") -> float:
    """Seconds of `90`, `"90"`, `"10m"`, `"1h30m"`, `"2 hours 5 minutes"`, `"1:30:00"` (h:m:s) or a timedelta.

    Raises ValueError, which names `what`, when it is something else or not positive.
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else _number(duration)
    if seconds is None:
        raise ValueError(f"{what} {duration!r} is no duration; write seconds or a text such as '10m' or '1h30m'")
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{what} must be more than 0 seconds; it is {duration!r}")
    return seconds


def _number(duration: str | float | Decimal) -> float | None:
    if not isinstance(duration, str):
        return None if isinstance(duration, bool) else float(duration)
    text = duration.strip().lower()
    if _PLAIN.fullmatch(text):
        return float(text)
    if match := _CLOCK.fullmatch(text):
        return float(match[1] or 0) * 3600 + float(match[2]) * 60 + float(match[3])
    return _parts(text) if text else None
