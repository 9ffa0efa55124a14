"""The entry point of the `inductiva` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from inductiva.cli import errors
from inductiva.cli.lazy import LazyGroup
from inductiva.cli.tree import ROOT

PROGRAM = "inductiva"
COMPLETE_VARIABLE = "_INDUCTIVA_COMPLETE"


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from inductiva import __version__

        click.echo(f"inductiva {__version__}")
        context.exit()


def build() -> LazyGroup:
    """The whole command tree."""
    version = click.Option(
        ["-V", "--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_version,
        help="Print the version.",
    )
    settings: dict[str, Any] = {
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        # `--num_machines` and `--data_disk_gb`, as scripts have them, mean the same as with hyphens.
        "token_normalize_func": lambda name: name.replace("_", "-"),
    }
    return LazyGroup(ROOT, PROGRAM, params=[version], context_settings=settings)


def _complete(tree: LazyGroup) -> int | None:
    """Answers a shell that asks for completions; None when none does."""
    instruction = os.environ.get(COMPLETE_VARIABLE)
    if not instruction:
        return None
    from click.shell_completion import shell_complete

    return shell_complete(tree, {}, PROGRAM, COMPLETE_VARIABLE, instruction)


def _invoke(tree: LazyGroup, arguments: Sequence[str]) -> Any:
    # Click's own `main` would end the process with 1 when the reader of a pipe leaves.
    with tree.make_context(PROGRAM, list(arguments)) as context:
        return tree.invoke(context)


def run(arguments: Sequence[str]) -> int:
    """Runs a command line (without the program's name) and gives its exit code."""
    tree = build()
    completed = _complete(tree)
    return errors.run(lambda: _invoke(tree, arguments)) if completed is None else completed


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
