"""The configuration of runs as tables: what differs from the defaults first, then all of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cluster.config import Config
from cluster.config_summary import summary
from cluster.reporting.run_files import RunFiles
from ringcycle.storage.location import redacted

NOWHERE = {"run.name", "run.storage"}
"""Fields that say where a run lies, not what it does."""


@dataclass(frozen=True)
class Row:
    """A field, its value in each run, and its default, "" for a field that this version does not have."""

    field: str
    values: list[str]
    default: str


def changed(runs: Sequence[RunFiles]) -> list[Row]:
    """The fields that have another value than by default in any run."""
    return [row for row in everything(runs) if any(value and value != row.default for value in row.values)]


def differing(runs: Sequence[RunFiles]) -> list[Row]:
    """The fields that differ between the runs. Where a run of an earlier version has no field, it did as today's default does."""
    return [row for row in everything(runs) if len({value or row.default for value in row.values}) > 1 and row.field not in NOWHERE]


def everything(runs: Sequence[RunFiles]) -> list[Row]:
    """All stored fields, in the order of the configuration; a run without a field has the value ""."""
    defaults = Config().model_dump()
    stored = [_flat(run.config) for run in runs]
    order = [*_flat(defaults), *dict.fromkeys(name for fields in stored for name in fields)]
    known = {name: _text(value) for name, value in _flat(defaults).items()}
    present = [name for name in dict.fromkeys(order) if any(name in fields for fields in stored)]
    texts = [{name: _text(value) for name, value in fields.items()} for fields in stored]
    return [Row(name, [fields.get(name, "") for fields in texts], known.get(name, "")) for name in present]


def described(run: RunFiles) -> dict[str, str]:
    """Images and networks in a line each; empty for a configuration of an earlier version that this one cannot read."""
    try:
        lines = summary(Config.model_validate(run.config))
    except ValidationError:
        return {}
    parts = dict(line.partition(": ")[::2] for line in lines)
    return {name: parts[name] for name in ("images", "networks") if name in parts}


def _flat(config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{section}.{name}": value for section, fields in config.items() for name, value in fields.items()}


def _text(value: Any) -> str:
    """As TOML and JSON write it, without credentials. Numbers that are equal look equal (1 and 1.0), so do lists and tuples."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, str):
        return redacted(value) or '""'
    return redacted(json.dumps(value, ensure_ascii=False, default=str))
