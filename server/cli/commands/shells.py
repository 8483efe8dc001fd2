"""`moot completion`: what a shell needs to complete commands, AIs, roles, jobs and files."""

from __future__ import annotations

import click

_HOW = {
    "bash": '# To ~/.bashrc:  eval "$(moot completion bash)"',
    "zsh": '# To ~/.zshrc, after compinit:  eval "$(moot completion zsh)"',
    "fish": "# To ~/.config/fish/completions/moot.fish:  moot completion fish > (that file)",
}


@click.command()
@click.argument("shell", type=click.Choice(tuple(_HOW)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what your shell needs to complete the names of AIs, roles, jobs and files."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "click has these three"
    made = kind(context.find_root().command, {}, "moot", "_MOOT_COMPLETE")
    source = made.source_template % made.source_vars()  # without looking for the shell, which need not be here
    click.echo(f"{_HOW[shell]}\n{source}")
