"""Columns of text from CSV and Parquet files, which a user names in a field of the configuration."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ringcycle.errors import UserError
from ringcycle.storage.location import reason, redacted
from ringcycle.storage.store import parent_and_name


def read_columns(field: str, location: str, needed: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """The columns `needed`, and those of `optional` that are there, as text.

    field: what names the file, such as data.source_list. Raises UserError, in one line, if the file cannot be read or lacks a column.
    """
    named = f'{field} = "{redacted(location)}"'
    store, name = parent_and_name(location)
    wanted = [*needed, *optional]
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
    except FileNotFoundError as error:
        raise UserError(f"{named} does not exist: name a CSV or Parquet file with the columns {' and '.join(needed)}") from error
    except OSError as error:
        raise UserError(f"{named} cannot be read ({reason(error)}): fix this, or name another file") from error
    except (ValueError, LookupError, pa.ArrowException) as error:  # damaged, duplicate columns, columns that are not text
        fact = redacted(error).splitlines()[0]
        raise UserError(f"{named} is not a CSV or Parquet file with these columns ({fact}): correct it, or name another file") from error
    for column in needed:
        if column not in found:
            raise UserError(f"{named} has no column {column}, its columns are {', '.join(table.column_names)}: rename one, or add it")
    return pa.table(text, names=found)
