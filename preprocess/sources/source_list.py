"""Lists of images: CSV or Parquet files with a column `path`, a column `domain`, and optionally a column `split`."""

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ringcycle.domains import DOMAINS
from ringcycle.errors import UserError
from ringcycle.storage.location import reason, redacted
from ringcycle.storage.store import parent_and_name

COLUMNS = ("path", "domain")
PARTS = ("train", "test")
_RECORDS = 2**14  # converted to Python objects at a time


class Record(NamedTuple):
    """One image of a list: the path as written, "A" or "B", "train" or "test" or "" without a column `split`, and its number from 1."""

    path: str
    domain: str
    split: str
    number: int


def read_list(location: str, domains: tuple[str, str]) -> Iterator[Record]:
    """Read the records of a list.

    domains: the values of its column `domain` that stand for A and B. Records with other values are skipped, but are an error if
    these are "A", "B". Raises UserError, in one line, if the file cannot be read, a column is missing, or a record is wrong.
    """
    field = f'data.source_list = "{redacted(location)}"'
    table = _table(location, field)
    for column in COLUMNS:
        if column not in table.column_names:
            raise UserError(f"{field} has no column {column}, its columns are {', '.join(table.column_names)}: rename one, or add it")
    names = dict(zip(domains, DOMAINS, strict=True))
    number = 0
    for batch in table.to_batches(_RECORDS):
        splits = batch["split"].to_pylist() if "split" in table.column_names else [""] * batch.num_rows
        for path, domain, split in zip(batch["path"].to_pylist(), batch["domain"].to_pylist(), splits, strict=True):
            number += 1
            if not path:
                raise UserError(f"{field}: record {number} has no path: add one, or delete the record")
            if redacted(path) != path:
                fact = f"record {number} contains credentials ({redacted(path)})"
                raise UserError(f"{field}: {fact}: delete them, and set them on every node instead")
            if domain not in names and domains != DOMAINS:
                continue
            if domain not in names:
                fact = f'record {number} has domain = "{domain}", not A or B'
                raise UserError(f"{field}: {fact}: use these names, or set data.class_a and data.class_b")
            if split not in PARTS and "split" in table.column_names:
                raise UserError(f'{field}: record {number} has split = "{split}": use train or test')
            yield Record(path, names[domain], split, number)


def _table(location: str, field: str) -> pa.Table:
    """The columns that are needed, as text."""
    store, name = parent_and_name(location)
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
        raise UserError(f"{field} cannot be read ({reason(error)}): fix this, or name another file") from error
    except (ValueError, LookupError, pa.ArrowException) as error:  # damaged, duplicate columns, columns that are not text
        fact = redacted(error).splitlines()[0]
        raise UserError(f"{field} is not a CSV or Parquet file with these columns ({fact}): correct it, or name another file") from error
