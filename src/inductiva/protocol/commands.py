"""Commands of a simulation: their form on the wire and the rules that SDK, server and runner all apply."""

from __future__ import annotations

import shlex
from typing import Any

import msgspec

FORBIDDEN = "|><&;?~$"
MAX_TOKEN_CHARACTERS = 512


class MPISettings(msgspec.Struct, frozen=True):
    """Run a command under `mpirun`. Options: True → `--name`, False → left out, else `--name value`."""

    version: str
    options: dict[str, Any] = {}


class CommandSpec(msgspec.Struct, frozen=True):
    """One command: no shell runs it, `prompts` are fed to its stdin one a line, `env` is added to its environment."""

    cmd: str
    prompts: list[str] = []
    mpi_config: MPISettings | None = None
    env: dict[str, str] = {}


def problem(cmd: str, prompts: list[str]) -> str | None:
    """What is wrong with a command, in words that say what to do; None when it is well-formed."""
    found = [character for character in FORBIDDEN if character in cmd]
    if found:
        return (
            f"command {cmd!r} contains {' '.join(found)}; no shell runs commands, so the characters "
            f"{' '.join(FORBIDDEN)} are not allowed: put the line into a script of the input directory "
            "and run 'bash SCRIPT'"
        )
    try:
        tokens = shlex.split(cmd)
    except ValueError as error:
        return f"command {cmd!r} cannot be split into words ({error}); check its quotes"
    if not tokens:
        return "a command is empty; give the program to run"
    if "\0" in cmd or any("\0" in prompt for prompt in prompts):
        return f"command {cmd!r} contains a NUL byte"
    for text in tokens:
        if not 1 <= len(text) <= MAX_TOKEN_CHARACTERS:
            return f"command {cmd!r} has a word of {len(text)} characters; 1 to {MAX_TOKEN_CHARACTERS} are allowed"
    for prompt in prompts:
        if len(prompt) > MAX_TOKEN_CHARACTERS:
            return f"a prompt of command {cmd!r} has {len(prompt)} characters; {MAX_TOKEN_CHARACTERS} are allowed"
    return None
