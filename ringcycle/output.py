"""Output that never ends a command: a line that cannot be written is lost, a character that cannot be shown is replaced."""

import codecs
import io
import os
import sys
from typing import TextIO

_PLAIN = {"×": "x", "√": "sqrt", "…": "...", "→": "->", "–": "-", "—": "-", "·": ".", "²": "2", "±": "+-", "≥": ">=", "≤": "<="}


def tolerate_failing_output() -> None:
    """Replace `sys.stdout` and `sys.stderr` of this process, unless something else, such as a test, has replaced them already.

    A closed pipe (`| tee` after Ctrl-C), a full disk and a closed terminal then cost lines, not the training; and an encoding such as
    ASCII or Latin-1 shows our own × and √ in other words.
    """
    codecs.register_error("ringcycle.plain", _in_plain_characters)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _TolerantStream(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _TolerantStream(2, sys.stderr)


def printable(text: object) -> str:
    """The text in one line, with control characters escaped: names of files and words of other programs must not steer a terminal."""
    return "".join(character if character.isprintable() else _escaped(character) for character in str(text))


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print each of `lines` as one line, `printable`, to standard output or `file`. What a command prints goes through here."""
    for line in lines:
        print(printable(line), file=file, flush=True)


class _TolerantStream(io.TextIOBase):
    """Writes through to a file descriptor, without a buffer that could fail later."""

    def __init__(self, descriptor: int, original: io.TextIOBase | None) -> None:
        self._descriptor = descriptor
        self._encoding = (original.encoding if original else None) or "utf-8"
        if original:
            original.flush()
        else:  # closed when the process started: a file opened later must not take its number
            null = os.open(os.devnull, os.O_WRONLY)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def write(self, text: str) -> int:
        content = text.encode(self._encoding, "ringcycle.plain")
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError:  # a closed pipe, a full disk, a terminal that is gone
            pass
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no UTF-8, as `os.fsdecode` keeps it
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def _in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    unknown = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in unknown), error.end
