"""Lists of images in CSV and Parquet files; each mistake is reported in one line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from preprocess.sources.layouts import Source, find_images, fingerprint, opener
from ringcycle.storage.location import child
from tests.preprocess.sources.listing import message, names, put


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_lists(root: str, ending: str, tmp_path: Path) -> None:
    paths = ["sub/1.jpg", "sub/2.jpg", "3.jpg", "4.png"]
    for path in paths:
        put(root, path, path.encode())
    table = pa.table({"note": [7, 8, 9, 10], "domain": ["A", "B", "A", "B"], "path": paths, "split": ["train", "train", "test", "train"]})
    source = Source(source_list=write_list(root, f"list.{ending}", table))
    assert names(source) == {"trainA": ["sub/1.jpg"], "trainB": ["4.png", "sub/2.jpg"], "testA": ["3.jpg"]}
    assert opener(source)("sub/2.jpg") == b"sub/2.jpg"
    assert find_images(source)["trainA"][0].size == 9

    put(root, "sub/unlisted.jpg")
    assert fingerprint(find_images(source), "") == fingerprint(find_images(source), "")
    unsplit = Source(source_list=write_list(root, f"unsplit.{ending}", table.drop_columns("split")), test_fraction=0.0)
    assert names(unsplit) == {"trainA": ["3.jpg", "sub/1.jpg"], "trainB": ["4.png", "sub/2.jpg"]}


def test_lists_of_absolute_paths_and_classes(tmp_path: Path) -> None:
    for name in ("x/1.jpg", "y/2.jpg", "y/3.jpg"):
        put(tmp_path, name)
    put(tmp_path, "list.csv", f"path,domain\n{tmp_path}/x/1.jpg,cat\n{tmp_path}/y/2.jpg,dog\nfile://{tmp_path}/y/3.jpg,cow\n".encode())
    source = Source(source_list=f"{tmp_path}/list.csv", class_a="cat", class_b="dog")
    assert names(source) == {"trainA": [f"{tmp_path}/x/1.jpg"], "trainB": [f"{tmp_path}/y/2.jpg"]}
    assert opener(source)(f"{tmp_path}/y/2.jpg") == b"image"
    assert names(source._replace(class_b="cow"))["trainB"] == [f"file://{tmp_path}/y/3.jpg"]
    assert "no images of domain B" in message(source._replace(class_b="bird"))


def test_wrong_lists(root: str) -> None:
    put(root, "1.jpg")
    put(root, "2.jpg")

    def line(text: str, name: str = "list.csv") -> str:
        return message(Source(source_list=put(root, name, text.encode())))

    assert "list.csv" in line("a") and "has no column path, its columns are file, domain: rename" in line("file,domain\n1.jpg,A\n")
    assert "has no column domain, its columns are path, class" in line("path,class\n1.jpg,A\n")
    assert 'record 2 has domain = "zebra", not A or B: use these names, or set data.class_a' in line("path,domain\n1.jpg,A\n2.jpg,zebra\n")
    assert 'record 1 has split = "val": use train or test' in line("path,domain,split\n1.jpg,A,val\n")
    assert "record 2 names 3.jpg, which does not exist" in line("path,domain\n1.jpg,A\n3.jpg,B\n")
    assert "1.jpg is in record 1 and again in record 3: delete one of them" in line("path,domain\n1.jpg,A\n2.jpg,B\n1.jpg,B\n")
    assert "record 2 has no path" in line("path,domain\n1.jpg,A\n,B\n")
    assert "no images of domain B" in line("path,domain\n1.jpg,A\n")
    assert "record 1 contains credentials (s3://***@b/1.jpg): delete them" in line("path,domain\ns3://KEY:SECRET@b/1.jpg,A\n")
    assert "is not a CSV or Parquet file with these columns" in line("path,path,domain\n1.jpg,2.jpg,A\n")
    assert "is not a CSV or Parquet file" in line("path,domain\n1.jpg,A\n2.jpg\n") and "is not a CSV or Parquet file" in line(
        "x", "list.parquet"
    )
    assert "list2.csv" in message(Source(source_list=str(child(root, "list2.csv")))) and "does not exist: name a CSV" in message(
        Source(source_list=str(child(root, "list2.csv")))
    )


def write_list(root: str, name: str, table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    if name.endswith("csv"):
        pa.csv.write_csv(table, sink)
    else:
        pa.parquet.write_table(table, sink)
    return put(root, name, sink.getvalue().to_pybytes())
