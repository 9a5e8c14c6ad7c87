"""The one exception that users see: what is wrong, where, and what to do, in one sentence."""


class GoamaError(Exception):
    """A problem of the input or of the machine, not of goama.

    The message is one sentence: what is wrong, where (file, line, clip), what to do.
    The command line prints it without a traceback and exits with status 2.
    """


def first_line(error: Exception) -> str:
    """The first line of another library's message, or the name of its class if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
