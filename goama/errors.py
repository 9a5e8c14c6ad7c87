"""The one exception a user is meant to see: what is wrong, where, and what to do, in one sentence."""


class GoamaError(Exception):
    """A mistake in the input or the surroundings, not in goama.

    The message is one sentence for a person: what is wrong, where (file, line, clip), what to do.
    The command line prints it without a traceback and exits with status 2.
    """
