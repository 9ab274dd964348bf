"""Two folders, classes, lists, and the split by hash; each mistake is reported in one line."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from pydantic import ValidationError

from preprocess.build import check_source
from preprocess.config import DataConfig
from preprocess.sources.layouts import Source, find_images, fingerprint, is_test, opener, source_of
from ringcycle.errors import UserError
from ringcycle.storage.location import child
from ringcycle.storage.store import parent_and_name
from tests.preprocess.object_store import ObjectStore, object_store

Write = Callable[[str, bytes], str]


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path, server: ObjectStore) -> str:
    """An empty location to fill, on a disk and in a bucket."""
    return str(tmp_path) if request.param == "folder" else server.uri(f"of/{tmp_path.name}")


def put(root: str, name: str, content: bytes = b"image") -> str:
    location = child(root, name)
    if isinstance(location, Path):
        location.parent.mkdir(parents=True, exist_ok=True)
    store, file = parent_and_name(location)
    store.write(file, content)
    return str(location)


def names(source: Source) -> dict[str, list[str]]:
    return {split: [file.name for file in files] for split, files in find_images(source).items()}


def message(source: Source) -> str:
    with pytest.raises(UserError) as error:
        find_images(source)
    assert "\n" not in str(error.value) and "SECRET" not in str(error.value)
    return str(error.value)


def config_message(**fields: object) -> str:
    with pytest.raises(ValidationError) as error:
        DataConfig.model_validate(fields)
    return str(error.value.errors()[0]["ctx"]["error"])


def test_standard_layout_anywhere(root: str) -> None:
    for name in ("trainA/a.jpg", "trainA/deep/b c é%20?#.png", "trainB/x.webp", "testA/t.jpg", "trainB/notes.txt"):
        put(root, name, name.encode())
    source = Source(root, test_fraction=0.9)
    assert names(source) == {
        "trainA": ["trainA/a.jpg", "trainA/deep/b c é%20?#.png"],
        "trainB": ["trainB/x.webp"],
        "testA": ["testA/t.jpg"],
    }
    assert all(opener(source)(name) == name.encode() for files in names(source).values() for name in files)


def test_two_folders(root: str) -> None:
    for n in range(40):
        put(root, f"horses/{n}.jpg", b"%d" % n)
        put(root, f"my zebras/deep/{n}.jpg")
    source = Source(source_a=str(child(root, "horses")), source_b=str(child(root, "my zebras")), test_fraction=0.25)
    found = names(source)
    assert set(found) == {"trainA", "trainB", "testA", "testB"}
    assert sorted(found["trainA"] + found["testA"]) == sorted(f"A/{n}.jpg" for n in range(40))
    assert sorted(found["trainB"] + found["testB"]) == sorted(f"B/deep/{n}.jpg" for n in range(40))
    assert 4 <= len(found["testA"]) <= 18
    assert opener(source)("A/7.jpg") == b"7"
    assert set(names(source._replace(test_fraction=0.0))) == {"trainA", "trainB"}


def test_classes(root: str) -> None:
    for name in ("horse/1.jpg", "horse/2.jpg", "zebra/1.jpg", "cat/1.jpg", "more/dog/1.jpg"):
        put(root, name)
    source = Source(root, class_a="horse", class_b="zebra")
    assert names(source) == {"trainA": ["horse/1.jpg", "horse/2.jpg"], "trainB": ["zebra/1.jpg"]}
    assert names(source._replace(class_b="more/dog"))["trainB"] == ["more/dog/1.jpg"]
    assert opener(source)("zebra/1.jpg") == b"image"
    line = message(source._replace(class_b="zebar"))
    assert "has no folder zebar, its folders are cat, horse, more, zebra: name two of them" in line
    assert str(source).endswith(" (horse and zebra)") and "SECRET" not in str(source)


def test_slashes_around_a_class_are_ignored(tmp_path: Path) -> None:
    for n in range(20):
        put(str(tmp_path), f"horse/{n}.jpg")
        put(str(tmp_path), f"zebra/{n}.jpg")
    plain = find_images(Source(str(tmp_path), class_a="horse", class_b="zebra", test_fraction=0.5))
    assert find_images(Source(str(tmp_path), class_a="/horse/", class_b="zebra/", test_fraction=0.5)) == plain
    assert [file.name[6:] for file in plain["testA"]] == [file.name[6:] for file in plain["testB"]]


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
        put(str(tmp_path), name)
    put(str(tmp_path), "list.csv", f"path,domain\n{tmp_path}/x/1.jpg,cat\n{tmp_path}/y/2.jpg,dog\nfile://{tmp_path}/y/3.jpg,cow\n".encode())
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


def test_wrong_folders(root: str) -> None:
    put(root, "a/1.jpg")
    put(root, "empty/readme.txt")
    a, empty, absent = (str(child(root, name)) for name in ("a", "empty", "absent"))
    assert message(Source(source_a=a, source_b=absent)).startswith("data.source_b = ") and "does not exist" in message(
        Source(source_a=a, source_b=absent)
    )
    assert "no images in it (1 files, .txt)" in message(Source(source_a=a, source_b=empty))
    assert "data.test_fraction = 0.99 leaves none of the 1 images of domain A for training: use a smaller fraction" in message(
        Source(source_a=a, source_b=a, test_fraction=0.99)
    )
    assert "does not exist" in message(Source(absent))


def test_a_wrong_bucket_or_address_fails_within_seconds(server: ObjectStore) -> None:
    assert "does not exist" in message(Source(server.uri("x").replace("bucket", "absent")))
    began = time.monotonic()
    with pytest.raises(UserError, match=r"cannot be listed \(When getting information for key"):
        check_source(DataConfig(source=server.uri("x").replace(str(server.port), "9")))
    assert time.monotonic() - began < 60  # nine attempts, as for known locations, would take two minutes


def test_the_split_is_stable_and_close_to_its_fraction() -> None:
    everything = [f"deep/{n}.jpg" for n in range(20_000)]
    test = {name for name in everything if is_test(name, 0.1)}
    assert abs(len(test) / 20_000 - 0.1) < 0.01
    assert {name for name in everything if is_test(name, 0.05)} < test
    assert not any(is_test(name, 0.0) for name in everything)


def test_moving_images_to_the_test_split_changes_the_fingerprint(tmp_path: Path) -> None:
    for n in range(40):
        put(str(tmp_path), f"a/{n}.jpg")
    source = Source(source_a=f"{tmp_path}/a", source_b=f"{tmp_path}/a", test_fraction=0.2)
    assert fingerprint(find_images(source), "") != fingerprint(find_images(source._replace(test_fraction=0.4)), "")
    before = {file.name for file in find_images(source)["testA"]}
    for n in range(40, 80):
        put(str(tmp_path), f"a/{n}.jpg")
    assert before <= {file.name for file in find_images(source)["testA"]}


def test_wrong_configurations() -> None:
    assert config_message(source="x", source_a="y", source_b="z") == 'data.source = "x", but also data.source_a = "y": give one of them'
    assert config_message(source="s3://K:SECRET@b/x", source_list="l.csv") == (
        'data.source = "s3://***@b/x", but also data.source_list = "l.csv": give one of them'
    )
    assert config_message(source_a="x") == 'data.source_a = "x", but data.source_b is empty: give both'
    assert config_message(source="x", class_b="dog") == 'data.class_b = "dog", but data.class_a is empty: give both'
    assert "classes lie in data.source" in config_message(source_a="x", source_b="y", class_a="cat", class_b="dog")
    assert "name two" in config_message(source="x", class_a="cat", class_b="cat")
    assert "not written to HDFS" in config_message(source="x", shards="hdfs://host/x")


def test_credentials_are_neither_printed_nor_stored() -> None:
    config = DataConfig(source="s3://KEY:SECRET@bucket/x?region=r", shards="s3://KEY:SECRET@bucket/shards")
    for text in (str(config), repr(config), str(config.model_dump()), config.model_dump_json(), str(source_of(config))):
        assert "SECRET" not in text and "KEY" not in text
    assert config.model_dump()["source"] == "s3://***@bucket/x?region=r"
    assert source_of(config).source == "s3://KEY:SECRET@bucket/x?region=r"


def write_list(root: str, name: str, table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    if name.endswith("csv"):
        pa.csv.write_csv(table, sink)
    else:
        pa.parquet.write_table(table, sink)
    return put(root, name, sink.getvalue().to_pybytes())
