"""Paths and URIs: children, what the user is shown, and no credentials in it."""

from pathlib import Path

import pytest

from ringcycle.storage.location import as_location, child, is_remote, reason, redacted, shown


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("s3://KEY:SECRET@bucket/x?region=r", "s3://***@bucket/x?region=r"),
        ("s3://KEY:SEC/RET+=@bucket/x", "s3://***@bucket/x"),
        ("s3://KEY@bucket/x", "s3://***@bucket/x"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("'s3://K:S@b/x' and 's3://K:S@c/y'", "'s3://***@b/x' and 's3://***@c/y'"),
        ("/data/a@b:c", "/data/a@b:c"),
        ("/here/KEY:SECRET@bucket/x", "/here/***@bucket/x"),
        ("s3:/KEY:SEC/RET@bucket/x", "s3:/***@bucket/x"),
        ("/here/s3:/KEY:SECRET@bucket/x", "/here/s3:/***@bucket/x"),
        ("s3:KEY:SECRET@bucket/x", "s3:***@bucket/x"),
        ("s3:/KEY@bucket/x", "s3:/***@bucket/x"),
        ('data.source = "KEY:SEC/RET@bucket/x": no such folder', 'data.source = "***@bucket/x": no such folder'),
        ("s3:/bucket/a@b", "s3:/bucket/a@b"),
        ("file:///data/a@b", "file:///data/a@b"),
    ],
)
def test_redacted(text: str, safe: str) -> None:
    assert redacted(text) == safe


def test_child() -> None:
    assert child(Path("/a"), "b") == Path("/a/b") and child("/a", "b/c") == Path("/a/b/c")
    assert child("s3://K:S@bucket/x/?region=r", "y.json") == "s3://K:S@bucket/x/y.json?region=r"


def test_is_remote() -> None:
    assert is_remote("s3://b/x") and not is_remote("/a") and not is_remote("file:///a") and not is_remote(Path("a"))


def test_shown_and_reason_are_safe() -> None:
    assert shown("s3://K:S@bucket/x/?region=r") == "s3://***@bucket/x" and shown(Path("/a/b")) == "/a/b"
    assert reason(OSError("s3://K:S@bucket/x failed\nmore")) == "s3://***@bucket/x failed"
    assert reason(FileNotFoundError(2, "No such file or directory")) == "No such file or directory"


def test_as_location() -> None:
    assert as_location("s3://b/x") == "s3://b/x" and as_location("a/b") == Path("a/b")
