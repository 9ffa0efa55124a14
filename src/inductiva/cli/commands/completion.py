"""`inductiva completion`."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that completes commands in a shell.

    bash: eval "$(inductiva completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc; fish: inductiva completion fish
    > ~/.config/fish/completions/inductiva.fish
    """
    from click.shell_completion import get_completion_class

    from inductiva.cli.main import COMPLETE_VARIABLE, PROGRAM

    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not supported")
    click.echo(kind(root, {}, PROGRAM, COMPLETE_VARIABLE).source())
