"""Times on the wire: ISO-8601 in UTC with six digits and a numeric offset, which every client parses.

`Z` and other numbers of digits are refused by `datetime.fromisoformat` before Python 3.11.
"""

from __future__ import annotations

from datetime import UTC, datetime

Timestamp = str
"""`2025-01-31T12:34:56.123456+00:00`"""


def to_wire(seconds: float | None) -> Timestamp | None:
    """Seconds since the epoch → wire text. None stays None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def from_wire(text: str) -> datetime:
    """Wire text → aware datetime. Raises ValueError when the text has no offset or is no time."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"time {text!r} has no UTC offset")
    return time
