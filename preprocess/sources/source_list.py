"""Lists of images: CSV or Parquet files with a column `path`, a column `domain`, and perhaps a column `split`."""

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ringcycle.errors import UserError
from ringcycle.storage.location import reason, redacted
from ringcycle.storage.store import parent_and_name

COLUMNS = ("path", "domain")
SPLITS = ("train", "test")
_ROWS = 2**14  # of which Python objects are made at a time


class Listed(NamedTuple):
    """A row: the path as written, "A" or "B", "train" or "test" or "" if the list does not say, and its number from 1."""

    path: str
    domain: str
    split: str
    row: int


def read_list(place: str, domains: tuple[str, str]) -> Iterator[Listed]:
    """The rows of a list. domains: what its column `domain` holds for A and B; rows of others are left out, unless these are "A", "B".

    Raises UserError in one line if the file cannot be read, a column is missing, or a row is wrong.
    """
    field = f'data.source_list = "{redacted(place)}"'
    table = _table(place, field)
    for column in COLUMNS:
        if column not in table.column_names:
            raise UserError(f"{field} has no column {column}, its columns are {', '.join(table.column_names)}: rename one, or add it")
    names = dict(zip(domains, "AB", strict=True))
    row = 0
    for batch in table.to_batches(_ROWS):
        splits = batch["split"].to_pylist() if "split" in table.column_names else [""] * batch.num_rows
        for path, domain, split in zip(batch["path"].to_pylist(), batch["domain"].to_pylist(), splits, strict=True):
            row += 1
            if not path:
                raise UserError(f"{field}: row {row} has no path: give one, or delete the row")
            if redacted(path) != path:
                raise UserError(f"{field}: row {row} holds keys ({redacted(path)}): delete them, and set them on every node")
            if domain not in names and domains != ("A", "B"):
                continue
            if domain not in names:
                raise UserError(
                    f'{field}: row {row} has domain = "{domain}", not A or B: write these, or set data.class_a and data.class_b'
                )
            if split not in SPLITS and "split" in table.column_names:
                raise UserError(f'{field}: row {row} has split = "{split}": write train or test')
            yield Listed(path, names[domain], split, row)


def _table(place: str, field: str) -> pa.Table:
    """The columns that count, as text."""
    store, name = parent_and_name(place)
    wanted = [*COLUMNS, "split"]
    try:
        content = pa.py_buffer(store.read(name))
        if name.lower().endswith(".parquet"):
            file = pa.parquet.ParquetFile(pa.BufferReader(content))
            found = [column for column in wanted if column in file.schema_arrow.names] or file.schema_arrow.names
            table = file.read(found)
        else:
            types = pa.csv.ConvertOptions(column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False)
            table = pa.csv.read_csv(pa.BufferReader(content), convert_options=types)
        found = [column for column in wanted if column in table.column_names]
        text = [table[column].cast(pa.string()) for column in found]
        return pa.table(text, names=found) if set(COLUMNS) <= set(found) else table
    except FileNotFoundError as error:
        raise UserError(f"{field} does not exist: name a CSV or Parquet file with the columns path and domain") from error
    except OSError as error:
        raise UserError(f"{field} cannot be read ({reason(error)}): mend that, or name another file") from error
    except (ValueError, LookupError, pa.ArrowException) as error:  # broken, a column twice, columns that are no text
        raise UserError(
            f"{field} is no CSV or Parquet file of such columns ({redacted(error).splitlines()[0]}): mend it, or name another file"
        ) from error
