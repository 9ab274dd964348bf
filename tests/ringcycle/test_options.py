import argparse
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ringcycle.options import add_option, describe_error, suggestion


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    side: int = Field(64, ge=8, description="pixels a side")
    flip: bool = Field(True, description="mirror 50% of the images")
    mode: Literal["fast", "exact"] = Field("fast", description="how to resize")
    folder: str = Field("", description="where to write")


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
