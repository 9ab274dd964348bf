"""Lists of images: CSV or Parquet files with a column `path`, a column `domain`, and optionally a column `split`."""

from collections.abc import Iterator
from typing import NamedTuple

from preprocess.sources.columns import read_columns
from ringcycle.domains import DOMAINS
from ringcycle.errors import UserError
from ringcycle.storage.location import redacted

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
    table = read_columns("data.source_list", location, COLUMNS, ["split"])
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
