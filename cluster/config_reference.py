"""`python -m cluster.config_reference`: all fields of the configuration as a Markdown page, which `docs/configuration.md` holds."""

import sys
from collections.abc import Iterator

from cluster.load_config import ENVIRONMENT_PREFIX, sections
from ringcycle.options import default_of, kind_of

HEAD = f"""# All fields of the configuration

Each can be set in a TOML file (`[train]`, `batch = 2`), by the environment (`{ENVIRONMENT_PREFIX}TRAIN__BATCH=2`) and on the command line
(`--train.batch 2`); later ones win. `python -m cluster.train --print-config` prints the result. Written by
`python -m cluster.config_reference`, from the code.
"""


def reference() -> str:
    """The page."""
    return "\n".join([HEAD, *_lines()]).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    for section, model in sections():
        yield from (
            f"## `[{section}]`",
            "",
            (model.__doc__ or "").splitlines()[0],
            "",
            "| field | value | default | |",
            "| --- | --- | --- | --- |",
        )
        for name, field in model.model_fields.items():
            default = default_of(field)
            cells = [f"`{section}.{name}`", f"`{kind_of(field)}`", f"`{default}`" if default else "", field.description or ""]
            yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
        yield ""


if __name__ == "__main__":
    sys.stdout.write(reference())
