"""Lists of images in CSV and Parquet files; each mistake is reported in one line."""

import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from preprocess.sources.layouts import Source, find_images, fingerprint, opener
from ringcycle.storage.location import child
from tests.preprocess.object_store import ObjectStore
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


class TestConfinement:
    """A list is data from others: it chooses neither servers nor files outside its own folder."""

    def line(self, folder: Path, path: str, **more: str) -> str:
        put(folder, "1.jpg")
        put(folder, "list.csv", f"path,domain\n1.jpg,A\n{path},B\n".encode())
        return message(Source(source_list=f"{folder}/list.csv", **more))

    @pytest.mark.parametrize("path", ["/etc/passwd", "file:///etc/passwd", "../secret.jpg", "sub/../../secret.jpg", "s3://other/x.jpg"])
    def test_paths_outside(self, tmp_path: Path, path: str) -> None:
        put(tmp_path, "secret.jpg")
        line = self.line(tmp_path / "lists", path)
        assert (
            "record 2 names" in line
            and "outside the list's own folder or bucket: move it there, or add" in line
            and "data.list_roots" in line
        )

    def test_links_are_resolved(self, tmp_path: Path) -> None:
        secret = put(tmp_path, "secret/x.jpg")
        (tmp_path / "lists").mkdir()
        (tmp_path / "lists" / "file.jpg").symlink_to(secret)
        (tmp_path / "lists" / "folder").symlink_to(tmp_path / "secret")
        for path in ("file.jpg", "folder/x.jpg"):
            assert f"record 2 names {path}, which is outside" in self.line(tmp_path / "lists", path)
        put(tmp_path, "lists/inside.jpg")
        (tmp_path / "lists" / "link.jpg").symlink_to("inside.jpg")
        put(tmp_path, "lists/list.csv", b"path,domain\n1.jpg,A\nlink.jpg,B\n")
        assert names(Source(source_list=f"{tmp_path}/lists/list.csv"))["trainB"] == ["link.jpg"]

    def test_no_server_of_the_lists_choice(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.2)
            address = f"127.0.0.1:{server.getsockname()[1]}"
            line = self.line(tmp_path, f"s3://b?endpoint_override={address}&scheme=http/x.jpg", list_roots="s3://b")
            assert "which has a query: delete it" in line
            with pytest.raises(TimeoutError):
                server.accept()

    def test_roots_allow_more(self, tmp_path: Path) -> None:
        put(tmp_path, "images/x.jpg", b"x")
        put(tmp_path, "images2/x.jpg")
        put(tmp_path, "lists/1.jpg")
        put(tmp_path, "lists/list.csv", f"path,domain\n1.jpg,cat\n../images/x.jpg,dog\n{tmp_path}/images/x.jpg,cow\n".encode())
        source = Source(source_list=f"{tmp_path}/lists/list.csv", class_a="cat", class_b="dog", list_roots=f"/elsewhere,{tmp_path}/images")
        assert names(source)["trainB"] == ["../images/x.jpg"] and opener(source)("../images/x.jpg") == b"x"
        assert names(source._replace(class_b="cow"))["trainB"] == [f"{tmp_path}/images/x.jpg"]
        assert "outside" in self.line(tmp_path / "lists", "../images2/x.jpg", list_roots=f"{tmp_path}/images")

    def test_lists_in_buckets(self, server: ObjectStore, tmp_path: Path) -> None:
        root = server.uri(f"confined/{tmp_path.name}")
        put(root, "a.jpg", b"a")
        put(root, "deep/b c.jpg", b"b")
        name = f"s3://bucket/confined/{tmp_path.name}/deep/b c.jpg"

        def listed(path: str, folder: str = root, **more: str) -> Source:
            return Source(source_list=put(folder, "lists/list.csv", f"path,domain\n{path},B\n{tail}/a.jpg,A\n".encode()), **more)

        tail = f"s3://bucket/confined/{tmp_path.name}"
        source = listed(name)
        assert names(source)["trainB"] == [name] and opener(source)(name) == b"b"  # by the keys and the server of the list's own location
        for path in ("../a.jpg", "/etc/passwd", "s3://bucket/confined/../x.jpg", "s3://other/x.jpg"):
            assert "outside" in message(listed(path))
        local = listed(name, str(tmp_path), list_roots=server.uri("confined"))
        assert names(local)["trainB"] == [name] and opener(local)(name) == b"b"
        assert "outside" in message(listed(name, str(tmp_path), list_roots=server.uri("confined2")))


def write_list(root: str, name: str, table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    if name.endswith("csv"):
        pa.csv.write_csv(table, sink)
    else:
        pa.parquet.write_table(table, sink)
    return put(root, name, sink.getvalue().to_pybytes())
