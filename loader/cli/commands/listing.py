"""Commands that list without a word more, and show one thing by `show`: topics, groups."""

from typing import Any

from typer.core import TyperGroup


class ListsByDefault(TyperGroup):
    """A group of commands of which `list` is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before what is no command of the group."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
