import argparse
import re
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ringcycle.errors import UserError
from ringcycle.options import add_option, byte_size, describe_error, read_numbers, suggestion


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    side: int = Field(64, ge=8, description="pixels a side")
    flip: bool = Field(True, description="mirror 50% of the images")
    mode: Literal["fast", "exact"] = Field("fast", description="how to resize")
    folder: str = Field("", description="where to write")
    span: tuple[int, int] = Field((1, 8), title="[MIN,MAX]", description="how many to write")


def test_help_shows_kind_description_and_default() -> None:
    parser = argparse.ArgumentParser(prog="p")
    for name, field in Settings.model_fields.items():
        add_option(parser, f"--{name}", field)
    text = " ".join(parser.format_help().split())
    for line in (
        "--side N pixels a side (default: 64)",
        "--flip true|false mirror 50% of the images (default: true)",
        "--mode fast|exact how to resize (default: fast)",
        "--folder TEXT where to write",
        "--span [MIN,MAX] how many to write (default: [1, 8])",
    ):
        assert line in text
    assert parser.parse_args(["--side", "8"]).side == "8"  # as given: pydantic parses it


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"side": 4}, "--side = 4: input should be greater than or equal to 8"),
        (
            {"side": "s3://KEY:SECRET@bucket"},
            "--side = s3://***@bucket: input should be a valid integer, unable to parse string as an integer",
        ),
        ({"sied": 9}, "--sied = 9: no such field, did you mean side?; --help lists all"),
        ({"quality": 9}, "--quality = 9: no such field; --help lists all"),
    ],
)
def test_a_mistake_is_one_line_without_credentials(given: dict[str, object], line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(given)
    assert describe_error(caught.value, Settings.model_fields, "--") == line


def test_only_near_names_are_suggested() -> None:
    assert suggestion("fodler", ["folder", "flip"]) == ", did you mean folder?"
    assert suggestion("quality", ["folder", "flip"]) == ""


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (512, [512]),
        (0.5, [0.5]),
        ([512, 1024], [512, 1024]),
        ((1, 0.5), [1, 0.5]),
        ("512", [512]),
        (" 512 ,1024", [512, 1024]),
        ("[512, 1e3, .5]", [512, 1000.0, 0.5]),
        ([], []),
        *((value, None) for value in ("", "[]", "[1", "1]", "[[1]]", "1,,2", "a", "true", None, True, ["1"], [True], [[1]], {"a": 1})),
    ],
)
def test_numbers_in_any_form(value: object, numbers: list[float] | None) -> None:
    assert read_numbers(value) == numbers


@pytest.mark.parametrize(
    ("text", "size"), [("2GiB", 2**31), ("1500MiB", 1500 * 2**20), ("2G", 2 * 10**9), ("1.5 gb", 15 * 10**8), ("4096", 4096)]
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert byte_size("--memory", text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GiB", "2,5GiB", "1.2.3GiB", "2XB", "1e9", "GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=rf"^--memory = {re.escape(text)} is no size: give one such as 2GiB or 1500MiB$"):
        byte_size("--memory", text)
