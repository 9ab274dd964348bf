"""The one error that a user can cause and mend; commands print it in one line, without a traceback."""


class UserError(Exception):
    """A mistake in what the user gave: names the field, its value, the fact that contradicts it, and the cure."""
