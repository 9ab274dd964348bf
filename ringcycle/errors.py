"""The one exception for mistakes that the user can fix; commands print it in one line, without a traceback."""


class UserError(Exception):
    """A mistake in the user's input. The message names the field, its value, the fact that contradicts it, and the cure."""

    def __init__(self, message: str) -> None:
        """Keep the message on one line, whatever characters its values contain."""
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message))
