"""Recognises a copied source: equal names, sizes and bytes, but other modification times, and so another fingerprint."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ValidationError

from preprocess.building.duplicates import DIGITS
from preprocess.building.pool import Done
from preprocess.building.units import Unit
from preprocess.sources.layouts import ImageFile, ImageFiles
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

FIELD = "content"  # in the log beside the manifest
_READERS = 8

log = logging.getLogger(__name__)


class Content(BaseModel):
    """What a build read, without modification times: its settings, a digest of names and sizes, and one of all bytes."""

    settings: str
    names: str
    files: str


def names_of(images: ImageFiles) -> str:
    """A digest of the names and sizes of a source's images."""
    digest = hashlib.blake2b(digest_size=16)
    for split in sorted(images):
        for file in images[split]:
            digest.update(f"{split}\0{file.name}\0{file.size}\n".encode())
    return digest.hexdigest()


def content_of(images: ImageFiles, settings: str, units: Iterable[Unit], done: Mapping[str, Done], read: Callable[[str], bytes]) -> Content:
    """What a build has read, from its units' results before duplicates are dropped; only rejected files are read once more."""
    digests: list[str] = []
    for unit in units:
        built = done[unit.shard].built
        rejected = {one.path for one in built.rejected}
        stored = (built.contents[i : i + DIGITS] for i in range(0, len(built.contents), DIGITS))
        digests.extend(_digest(read, file) if file.name in rejected else next(stored) for file in unit.files)
    return Content(settings=settings, names=names_of(images), files=_combined(digests))


def is_copy(images: ImageFiles, settings: str, read: Callable[[str], bytes], shards: Location, log_name: str) -> bool:
    """Whether finished shards were built from images of the same names, sizes and bytes. Reads all images if names and sizes agree."""
    try:
        before = Content.model_validate(json.loads(Store(shards).read(log_name))[FIELD])
    except (OSError, ValueError, LookupError, TypeError, ValidationError):  # built by version 0.1.0, or nothing is there
        return False
    if before.settings != settings or before.names != names_of(images):
        return False
    files = [file for group in images.values() for file in group]
    size = sum(file.size for file in files) / 2**30
    log.info("comparing %s images (%.1f GiB) with those of %s, since only times differ", f"{len(files):,}", size, Store(shards).label())
    with ThreadPoolExecutor(_READERS) as pool:
        return before.files == _combined(pool.map(lambda file: _digest(read, file), files))


def _digest(read: Callable[[str], bytes], file: ImageFile) -> str:
    """As in `units`."""
    return hashlib.blake2b(read(file.name), digest_size=DIGITS // 2).hexdigest()


def _combined(digests: Iterable[str]) -> str:
    return hashlib.blake2b("".join(digests).encode(), digest_size=16).hexdigest()
