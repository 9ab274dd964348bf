"""A request that is not answered as it asked, and why."""

from ringcycle.output import printable

LONGEST_VALUE = 60  # characters of a client's value that a sentence repeats


class Refused(Exception):
    """An HTTP status and one sentence for the client."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def quoted(value: object) -> str:
    """What a client sent, in one line and cut short, to be part of a sentence."""
    text = printable(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
