"""`driftd completion`: what a shell needs to complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from driftd.cli import options

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog=options.examples(
        ('eval "$(driftd completion bash)"', "in ~/.bashrc"),
        ('eval "$(driftd completion zsh)"', "in ~/.zshrc"),
        ("driftd completion fish > ~/.config/fish/completions/driftd.fish", "once"),
    )
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    found = get_completion_class(shell)
    assert found is not None, f"click knows {', '.join(_SHELLS)}"
    root = context.find_root().command
    click.echo(found(root, {}, "driftd", "_DRIFTD_COMPLETE").source())
