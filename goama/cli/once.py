"""A command that refuses an option given twice, of which the last alone would be taken."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class OnceCommand(TyperCommand):
    """A command whose options are given once each, except those that take several values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words that are left over. Exits with status 2 where an option is given twice."""
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        single = [param for param in given if param.param_type_name == "option" and not param.multiple]
        for param in single:
            if single.count(param) > 1 and not getattr(param, "is_flag", False):
                ctx.fail(f"{param.opts[-1]} is given twice, and only the last would be taken; give it once")
        return super().parse_args(ctx, args)
