"""The top of the command line: commands by what they are for, a question as the default, and names that are close."""

from __future__ import annotations

from typing import Any

import click

from server.cli.added import WithAdded

_SECTIONS = {
    "Ask": ("ask", "chat", "consensus", "debate", "judge", "review", "batch"),
    "Find again": ("history", "show", "again", "threads", "memory", "prompt", "jobs", "usage"),
    "AIs": ("status", "ai", "models", "keys", "local", "tools", "skills"),
    "Set up": ("init", "connect", "demo", "doctor", "completion", "serve", "telegram", "worker"),
}
_DEFAULT = "ask"
_ALIKE, _HARDLY_ANOTHER = 0.6, 0.9
"""How like a command the first word is that is taken for a slip; of three words and more nearly all are a question."""
_OWN_OPTIONS = ("-h", "--help", "--version")


class Commands(WithAdded):
    """What is no command and reads like a question is asked."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and self._is_question(args):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None:
            near = self._near(name, _ALIKE)
            hint = f"Did you mean: moot {near}? " if near else ""
            ctx.fail(f'No such command {name!r}. {hint}To ask it: moot ask "{" ".join(args)}"')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        placed = {name for names in _SECTIONS.values() for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in placed)
        for title, names in {**_SECTIONS, "Further": others}.items():
            rows = [(name, _summary(command)) for name in names if (command := self.get_command(ctx, name))]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _is_question(self, args: list[str]) -> bool:
        first = args[0]
        if first in self.commands or first in _OWN_OPTIONS:
            return False
        if first.startswith("-"):
            words = [one for one in args if not one.startswith("-")]
            return bool(words) and words[0] not in self.commands
        if first.isidentifier() and first in self.added():
            return False
        if any(letter.isspace() for letter in first) or first.endswith("?"):
            return True
        if len(args) == 1 or args[1].startswith("-"):
            return False
        return self._near(first, _ALIKE if len(args) == 2 else _HARDLY_ANOTHER) is None

    def _near(self, name: str, alike: float) -> str | None:
        from difflib import get_close_matches  # for mistakes alone

        found = get_close_matches(name.casefold(), list(self.commands), n=1, cutoff=alike)
        return found[0] if found else None


def _summary(command: click.Command) -> str:
    """The first paragraph of its help, whole."""
    text = (command.short_help or command.help or "").partition("\n\n")[0]
    return " ".join(text.split())
