"""Words for true and false, as environment variables hold them."""

from __future__ import annotations

_TRUE = frozenset({"y", "yes", "t", "true", "on", "1"})
_FALSE = frozenset({"n", "no", "f", "false", "off", "0"})


def strtobool(text: str) -> bool:
    """The truth that `text` stands for. Raises ValueError when it stands for neither."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false; use one of {', '.join(sorted(_TRUE | _FALSE))}")
