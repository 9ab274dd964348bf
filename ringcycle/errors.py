"""The one error that a user can cause and mend; commands print it in one line, without a traceback."""


class UserError(Exception):
    """A mistake in what the user gave: names the field, its value, the fact that contradicts it, and the cure."""

    def __init__(self, message: str) -> None:
        """Keep the message in one line, whatever a value in it holds."""
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message))
