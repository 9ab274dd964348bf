"""A list of pairs: a CSV or Parquet file with the columns `a` and `b`, two images that show the same thing in both domains."""

from typing import NamedTuple

from preprocess.sources.columns import read_columns
from ringcycle.domains import DOMAINS
from ringcycle.errors import UserError
from ringcycle.storage.location import redacted

COLUMNS = ("a", "b")
_RECORDS = 2**14  # converted to Python objects at a time


class NamedPair(NamedTuple):
    """The names of a pair's images of (A, B), as the source has them, and the number of its record from 1."""

    names: tuple[str, str]
    number: int


def read_pairs(location: str) -> list[NamedPair]:
    """Read a list of one pair or more, in which no image of a domain occurs twice. Raises UserError, in one line, for anything else."""
    field = field_of(location)
    pairs = list[NamedPair]()
    first: dict[tuple[str, str], int] = {}
    for batch in read_columns("data.pairs", location, COLUMNS).to_batches(_RECORDS):
        for names in zip(batch["a"].to_pylist(), batch["b"].to_pylist(), strict=True):
            pair = NamedPair(names, len(pairs) + 1)
            for image in zip(DOMAINS, names, strict=True):
                if not image[1]:
                    raise UserError(f"{field}: record {pair.number} has no image of {image[0]}: add one, or delete the record")
                before = first.setdefault(image, pair.number)
                if before != pair.number:
                    fact = f"{image[1]} is in record {before} and again in record {pair.number}"
                    raise UserError(f"{field}: {fact}: an image has one partner, delete one of them")
            pairs.append(pair)
    if not pairs:
        raise UserError(f"{field} has no pairs: add some, or leave data.pairs empty and set train.lambda_pairs = 0")
    return pairs


def field_of(location: str) -> str:
    """The field that names a list, for messages."""
    return f'data.pairs = "{redacted(location)}"'
