"""Lists of pairs in CSV and Parquet files; each mistake is reported in one line."""

import pyarrow as pa
import pytest

from preprocess.sources.pair_list import NamedPair, read_pairs
from ringcycle.errors import UserError
from ringcycle.storage.location import child
from tests.preprocess.sources.listing import put
from tests.preprocess.sources.test_source_list import write_list


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_pairs(root: str, ending: str) -> None:
    table = pa.table({"note": [7, 8], "b": ["trainB/2.jpg", "trainB/1, left.jpg"], "a": ["trainA/1.jpg", "007"]})
    assert read_pairs(write_list(root, f"pairs.{ending}", table)) == [
        NamedPair(("trainA/1.jpg", "trainB/2.jpg"), 1),
        NamedPair(("007", "trainB/1, left.jpg"), 2),
    ]
    same_names = write_list(root, f"same.{ending}", pa.table({"a": ["1.jpg"], "b": ["1.jpg"]}))
    assert read_pairs(same_names) == [NamedPair(("1.jpg", "1.jpg"), 1)]


def test_wrong_lists(root: str) -> None:
    def line(text: str, name: str = "pairs.csv") -> str:
        return message(put(root, name, text.encode()))

    assert "has no column b, its columns are a, c: rename one, or add it" in line("a,c\n1.jpg,2.jpg\n")
    assert "record 2 has no image of B: add one, or delete the record" in line("a,b\n1.jpg,2.jpg\n3.jpg,\n")
    assert "3.jpg is in record 1 and again in record 3: an image has one partner, delete one of them" in line(
        "a,b\n1.jpg,3.jpg\n2.jpg,1.jpg\n4.jpg,3.jpg\n"
    )
    assert "1.jpg is in record 1 and again in record 2" in line("a,b\n1.jpg,3.jpg\n1.jpg,3.jpg\n")
    assert "has no pairs: add some, or leave data.pairs empty and set train.lambda_pairs = 0" in line("a,b\n")
    assert "is not a CSV or Parquet file with these columns" in line("") and "is not a CSV or Parquet file" in line("x", "pairs.parquet")
    assert "absent.csv" in message(str(child(root, "absent.csv")))
    assert "does not exist: name a CSV or Parquet file with the columns a and b" in message(str(child(root, "absent.csv")))


def message(location: str) -> str:
    with pytest.raises(UserError) as error:
        read_pairs(location)
    text = str(error.value)
    assert text.startswith('data.pairs = "') and "\n" not in text and "SECRET" not in text
    return text
