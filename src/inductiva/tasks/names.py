"""What a task is called in lists. Pure."""

from __future__ import annotations

_ANY_COMMANDS = "arbitrary_commands"
"""What the server calls a run in an image that is not of the catalogue."""


def simulator_shown(simulator: str, image: str | None) -> str:
    """The simulator's name; for any other image the last part of its address, such as `tool:1.2` or `tool.sif`."""
    if simulator != _ANY_COMMANDS or not image:
        return simulator
    return image.rstrip("/").rpartition("/")[2] or image
