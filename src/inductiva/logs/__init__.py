"""What the SDK tells the user, through the logger `inductiva`: plain lines on stderr (stdout in a notebook).

The root logger is left alone. Programs that want the lines elsewhere give the logger `inductiva` a handler of their
own before the first line, or set its level (`INDUCTIVA_LOG_LEVEL`, `setup`).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from inductiva.api.agent import is_cli
from inductiva.utils.notebook import is_notebook

__all__ = ["is_cli", "setup", "teller", "warn"]

LOG_LEVEL_VARIABLE = "INDUCTIVA_LOG_LEVEL"


class _StandardStream(logging.StreamHandler[Any]):
    """Looks the stream up at each line, so that redirected output goes where it should."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stdout if is_notebook() else sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        raise AttributeError("the stream is always the current standard stream")


def _level(text: str) -> int:
    level = logging.getLevelName(text.upper())
    if not isinstance(level, int):
        raise ValueError(f"{LOG_LEVEL_VARIABLE} is {text!r}; use DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return level


def _logger() -> logging.Logger:
    logger = logging.getLogger("inductiva")
    if not logger.handlers:
        setup(_level(os.environ.get(LOG_LEVEL_VARIABLE) or "INFO"))
    return logger


def setup(level: int = logging.INFO) -> None:
    """Show lines of `level` and above."""
    logger = logging.getLogger("inductiva")
    if not logger.handlers:
        logger.addHandler(_StandardStream())
        logger.propagate = False
    logger.setLevel(level)


def _silent(_text: str) -> None:
    pass


def teller(verbose: bool = True) -> Callable[[str], None]:
    """The function that tells the user something, or one that says nothing."""
    return _logger().info if verbose else _silent


def warn(text: str) -> None:
    """Tell the user something that needs attention."""
    _logger().warning(text)
