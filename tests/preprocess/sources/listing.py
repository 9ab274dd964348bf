"""Filling a source and listing it, on a disk or in a bucket."""

from pathlib import Path

import pytest

from preprocess.sources.layouts import Source, find_images
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import parent_and_name


def put(root: Location, name: str, content: bytes = b"image") -> str:
    """Write a file below `root`; returns its location."""
    location = child(root, name)
    if isinstance(location, Path):
        location.parent.mkdir(parents=True, exist_ok=True)
    store, file = parent_and_name(location)
    store.write(file, content)
    return str(location)


def as_source(source: Source | Location) -> Source:
    """A folder as a source."""
    return source if isinstance(source, Source) else Source(str(source))


def names(source: Source | Location) -> dict[str, list[str]]:
    """The names of the images of each split."""
    return {split: [file.name for file in files] for split, files in find_images(as_source(source)).items()}


def message(source: Source | Location) -> str:
    """The one-line message for a wrong source."""
    with pytest.raises(UserError) as error:
        find_images(as_source(source))
    assert "\n" not in str(error.value) and "SECRET" not in str(error.value)
    return str(error.value)
