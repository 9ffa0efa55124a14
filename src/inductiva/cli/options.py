"""Options in forms that Click does not know: `--id A B C`, and `--watch` with or without a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from inductiva.cli.errors import Refused

WATCH_SECONDS = 2.0


def spread(arguments: Sequence[str], names: frozenset[str]) -> list[str]:
    """`--id A B` → `--id A --id B`: an option of `names` takes every word up to the next option."""
    spread_out: list[str] = []
    option: str | None = None
    for index, word in enumerate(arguments):
        if word == "--":
            return [*spread_out, *arguments[index:]]
        if word in names:
            option = word
            following = arguments[index + 1 : index + 2]
            if not following or following[0].startswith("-"):
                spread_out.append(word)  # Click then says that a value is missing.
        elif word.startswith("-"):
            option = None
            spread_out.append(word)
        elif option is not None:
            spread_out += [option, word]
        else:
            spread_out.append(word)
    return spread_out


def fill(arguments: Sequence[str], names: frozenset[str], default: str) -> list[str]:
    """`--watch ID` → `--watch 2 ID`: an option of `names` without a number after it gets `default`."""
    filled: list[str] = []
    for index, word in enumerate(arguments):
        if word == "--":
            return [*filled, *arguments[index:]]
        filled.append(word)
        if word in names and not _is_number(arguments[index + 1 : index + 2]):
            filled.append(default)
    return filled


def _is_number(words: Sequence[str]) -> bool:
    try:
        return bool(words) and float(words[0]) == float(words[0])
    except ValueError:
        return False


class TaskId(click.ParamType[str]):
    """The id of a task. What cannot be one is refused before anything is asked or done."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from inductiva.protocol.ids import TASK_ID_LENGTH, is_task_id

        text = value.strip()
        if not is_task_id(text):
            raise Refused(
                f"{value!r} is no task id: ids have {TASK_ID_LENGTH} characters a-z and 0-9; "
                "'inductiva tasks list' shows yours"
            )
        return text


class Number(click.IntRange):
    """A whole number, called so in messages."""

    name = "whole number"


class Many(click.Option):
    """An option that takes one or more words, and may be given again."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **{**attributes, "multiple": True})

    def make_metavar(self, ctx: click.Context) -> str:
        return f"{super().make_metavar(ctx)}..."


class Watch(click.Option):
    """An option whose number may be left out."""


class Command(click.Command):
    """A command that may have options `Many` and `Watch`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        many = frozenset(name for option in self.params if isinstance(option, Many) for name in option.opts)
        watch = frozenset(name for option in self.params if isinstance(option, Watch) for name in option.opts)
        return super().parse_args(ctx, fill(spread(args, many), watch, str(WATCH_SECONDS)))
