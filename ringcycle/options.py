"""Options of a command from the fields of pydantic models, and mistakes in them as one line."""

import difflib
import json
import re
from argparse import _ActionsContainer
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import ByteSize, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ringcycle.errors import UserError
from ringcycle.storage.location import redacted

_KINDS: dict[Any, str] = {int: "N", float: "X", bool: "true|false", str: "TEXT"}


def add_option(group: _ActionsContainer, option: str, field: FieldInfo) -> None:
    """Add `option` for a field, with its kind, description and default. Its value is the text as given, for pydantic to parse."""
    shown = default_of(field)
    default = f" (default: {shown})" if shown else ""
    group.add_argument(option, metavar=kind_of(field), help=f"{field.description}{default}".replace("%", "%%"))


def default_of(field: FieldInfo) -> str:
    """A field's default as a user writes it."""
    return json.dumps(field.default) if isinstance(field.default, bool | tuple) else str(field.default)


def kind_of(field: FieldInfo) -> str:
    """How a user writes a field's value: N, TEXT, a|b, or the field's title, if it is neither a number nor a word."""
    return field.title or _KINDS.get(field.annotation) or "|".join(map(str, get_args(field.annotation)))


def describe_error(error: ValidationError, names: Iterable[str], prefix: str = "") -> str:
    """The first mistake in one line, without credentials: the field, as `prefix` and its dotted name, its value, the fact.

    names: those of all fields, to suggest one for an unknown name. A validator's own ValueError is taken as it is.
    """
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{prefix}{field} = {redacted(repr(first['input']))}: no such field{suggestion(field, names)}; --help lists all"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    fact = first["msg"][0].lower() + first["msg"][1:]
    return f"{prefix}{field} = {redacted(first['input'])}: {fact}"


def read_numbers(value: object) -> list[int | float] | None:
    """Numbers given as such, in a list, or in text with or without brackets (`512`, `512,1024`, `[512, 1024]`); None for all else."""
    if isinstance(value, str):
        text = value.strip()
        words = (text[1:-1] if text.startswith("[") and text.endswith("]") else text).split(",")
        try:
            return [_number(word) for word in words]
        except ValueError:
            return None
    given: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    return given if all(type(number) in (int, float) for number in given) else None


def _number(word: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        return float(word)


def byte_size(option: str, text: str) -> int:
    """Bytes, from a size that a user gives for `option`, such as 2GiB (2**30 bytes each) or 2GB (10**9). Raises UserError."""
    if re.fullmatch(r"\d*\.?\d+\s*[A-Za-z]*", text):  # ByteSize ignores what follows
        try:
            return int(TypeAdapter(ByteSize).validate_python(text))
        except ValidationError:
            pass
    raise UserError(f"{option} = {text} is no size: give one such as 2GiB or 1500MiB")


def suggestion(name: str, names: Iterable[str]) -> str:
    """`, did you mean NAME?` for the nearest of `names`, or nothing."""
    close = difflib.get_close_matches(name, names, 1)
    return f", did you mean {close[0]}?" if close else ""
