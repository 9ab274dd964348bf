"""The page with all fields is the one that the code writes."""

from pathlib import Path

from cluster.config import Config
from cluster.config_reference import reference

PAGE = Path(__file__).parents[2] / "docs/configuration.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "python -m cluster.config_reference > docs/configuration.md"


def test_every_field_has_a_line() -> None:
    for section, fields in Config().model_dump().items():
        for name in fields:
            assert reference().count(f"\n| `{section}.{name}` |") == 1
    assert "| `cluster.device` | `auto\\|cpu\\|gpu` | `auto` | device of the workers;" in reference()
