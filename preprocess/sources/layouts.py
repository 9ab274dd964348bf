"""Where images come from: folders on disks or in object stores, in one of three layouts, or a list of files."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from pyarrow import fs

from preprocess.config import DataConfig
from preprocess.images.decode import EXTENSIONS
from preprocess.shards.manifest import FORMAT
from preprocess.sources.source_list import Record, read_list
from ringcycle.domains import DOMAINS, SPLITS, TEST_SPLITS, TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child, reason, redacted
from ringcycle.storage.store import Store, parent_and_name

Result = TypeVar("Result")

LISTING_ATTEMPTS = 2  # for listing an object store, several requests each: a wrong address should fail within seconds


class ImageFile(NamedTuple):
    """A file that looks like an image: name in the source ("trainA/x.jpg"), bytes, modification time (ns since 1970, 0 if unknown)."""

    name: str
    size: int
    mtime_ns: int


ImageFiles = dict[str, list[ImageFile]]
"""The files of each split that has any, sorted by name."""


class Source(NamedTuple):
    """Where the images are, as the `data` section of the configuration describes it; fields as in `DataConfig`."""

    source: str = ""
    source_a: str = ""
    source_b: str = ""
    class_a: str = ""
    class_b: str = ""
    source_list: str = ""
    test_fraction: float = 0.0

    def __str__(self) -> str:
        """The source as shown to the user and in the manifest, without credentials."""
        if self.source_a:
            return redacted(f"{self.source_a} and {self.source_b}")
        classes = f" ({self.class_a} and {self.class_b})" if self.class_a else ""
        return redacted(self.source_list or self.source) + classes

    def absolute(self) -> "Source":
        """The same source as seen from any working directory."""
        return self._replace(
            source=absolute(self.source),
            source_a=absolute(self.source_a),
            source_b=absolute(self.source_b),
            source_list=absolute(self.source_list),
        )


def source_of(config: DataConfig) -> Source:
    """The source that a configuration names."""
    return Source(**{name: getattr(config, name) for name in Source._fields})


def find_images(source: Source) -> ImageFiles:
    """List the images of each split that has any, sorted by name; trainA and trainB always have some.

    Subfolders are searched and links followed, as in the reference implementation. An image is a file with one of decode.EXTENSIONS,
    in any case; names that start with a dot are skipped. If the source has no test split of its own, `test_fraction` of each domain
    is split off by a hash of the name, so adding images moves no others. Raises UserError if there is no such source, or a domain
    has no training images.
    """
    source = source.absolute()
    if source.source_list:
        return _listed(source)
    if source.source_a:
        folders = (("data.source_a", source.source_a), ("data.source_b", source.source_b))
        found = {domain: _in_folder(field, root, "", f"{domain}/") for domain, (field, root) in zip(DOMAINS, folders, strict=True)}
        return _split(source, found)
    if source.class_a:
        source = source._replace(class_a=source.class_a.strip("/"), class_b=source.class_b.strip("/"))
        names = dict(zip(DOMAINS, (source.class_a, source.class_b), strict=True))
        _check_folders(source.source, names.values(), "name two of them")
        return _split(source, {domain: _in_folder("data.source", source.source, name, "") for domain, name in names.items()})
    present = _check_folders(source.source, TRAIN_SPLITS, "it must hold trainA and trainB")
    found = {split: _in_folder("data.source", source.source, split, "") for split in SPLITS if split in present}
    return {split: files for split, files in found.items() if files}


def fingerprint(images: dict[str, list[ImageFile]], settings: str) -> str:
    """Identify a source and the settings that determine the pixels of its shards (`recipe.settings_text`), 16 hexadecimal digits.

    Names, sizes and modification times stand for the content: reading it all would take as long as the build. Not included are the
    location of the source, so that it may move, and the number of actors and threads and the shard size, which do not change any image.
    """
    digest = hashlib.blake2b(f"format {FORMAT}, {settings}\n".encode(), digest_size=8)
    for split in sorted(images):
        for file in images[split]:
            digest.update(f"{split}\0{file.name}\0{file.size}\0{file.mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def opener(source: Source) -> Callable[[str], bytes]:
    """A function that reads a file of the source by the name that `find_images` gave it. It raises OSError."""
    source = source.absolute()

    def read(name: str) -> bytes:
        location = _location(source, name)
        if isinstance(location, Path):
            return location.read_bytes()
        store, file = parent_and_name(location)
        return store.read(file)

    return read


def absolute(source: str) -> str:
    """A location that is valid in any working directory; empty stays empty."""
    return source if "://" in source or not source else str(Path(source).expanduser().absolute())


def is_test(name: str, fraction: float) -> bool:
    """Whether an image belongs to the test split, by a hash of its name: adding images moves no others."""
    return int.from_bytes(hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()) < fraction * 2**64


def _location(source: Source, name: str) -> Location:
    """The location of an image."""
    if source.source_list:
        if name.startswith("file://"):
            return Path(name.removeprefix("file://"))
        if "://" in name:
            scheme, _, path = name.partition("://")
            bucket, _, key = path.partition("/")
            return child(f"{scheme}://{bucket}", key)
        return Path(name) if name.startswith("/") else child(parent_and_name(source.source_list)[0].location, name)
    if source.source_a:
        domain, _, path = name.partition("/")
        return child(source.source_a if domain == "A" else source.source_b, path)
    return child(source.source, name)


def _listed(source: Source) -> ImageFiles:
    """The images of a list. Sizes and times come from listing their folders: in object stores, one request for a thousand files."""
    field = _field("data.source_list", source.source_list)
    wanted: dict[Location, dict[str, Record]] = {}
    for record in read_list(source.source_list, (source.class_a or "A", source.class_b or "B")):
        store, file = parent_and_name(_location(source, record.path))
        first = wanted.setdefault(store.location, {}).setdefault(file, record)
        if first.number != record.number:
            raise UserError(f"{field}: {record.path} is in record {first.number} and again in record {record.number}: delete one of them")
    found: ImageFiles = {}
    for folder in list(wanted):
        records = wanted.pop(folder)
        store = _store("data.source_list", str(folder)) if isinstance(folder, str) else Store(folder)
        for info in _request("data.source_list", str(folder), partial(store.entries, attempts=LISTING_ATTEMPTS)):
            if info.type == fs.FileType.File and info.base_name in records:
                path, domain, split, _ = records.pop(info.base_name)
                part = split or ("test" if is_test(path, source.test_fraction) else "train")
                found.setdefault(part + domain, []).append(ImageFile(path, info.size, info.mtime_ns or 0))
        if records:
            missing = next(iter(records.values()))
            fact = f"record {missing.number} names {missing.path}, which does not exist"
            raise UserError(f"{field}: {fact}: correct the path, or delete the record")
    return _checked(source, field, found)


def _in_folder(field: str, root: str, folder: str, prefix: str) -> list[ImageFile]:
    """The images in a folder of `root`, named by their path below `root`. Raises UserError if there are none, except in test folders."""
    store = _store(field, root)
    if not folder:
        _check_folder(field, root, store, "a folder of images")
    listing = _request(field, root, partial(store.entries, folder, recursive=True, attempts=LISTING_ATTEMPTS))
    files = [info for info in listing if info.type == fs.FileType.File]
    images = sorted(_images(store.root, files, prefix))
    if not images and folder not in TEST_SPLITS:
        kinds = Counter(PurePosixPath(info.path).suffix.lower() or "no extension" for info in files)
        fact = f"{len(files)} files, {_some([kind for kind, _ in kinds.most_common()])}" if files else "it is empty"
        raise UserError(f"{_field(field, root)}: no images in {folder or 'it'} ({fact}): put JPEG, PNG, WebP or TIFF files there")
    return images


def _split(source: Source, domains: dict[str, list[ImageFile]]) -> ImageFiles:
    """Split the images of both domains into train and test by their names within the folders: files of equal name stay together."""
    lengths = {"A": len(source.class_a or "A") + 1, "B": len(source.class_b or "B") + 1}
    found: ImageFiles = {}
    for domain, files in domains.items():
        for file in files:
            part = "test" if is_test(file.name[lengths[domain] :], source.test_fraction) else "train"
            found.setdefault(part + domain, []).append(file)
    return _checked(source, str(source), found)


def _checked(source: Source, named: str, found: ImageFiles) -> ImageFiles:
    """The splits in order, sorted by name; raises UserError if a domain has no training images."""
    for split in TRAIN_SPLITS:
        if split not in found:
            count = len(found.get(f"test{split[-1]}", []))
            if not count:
                raise UserError(f"{named}: no images of domain {split[-1]}: name a source with images of both domains")
            fact = f"leaves none of the {count} images of domain {split[-1]} for training"
            raise UserError(f"data.test_fraction = {source.test_fraction:g} {fact}: use a smaller fraction")
    return {split: sorted(found[split]) for split in SPLITS if split in found}


def _check_folders(root: str, wanted: Iterable[str], cure: str) -> set[str]:
    """The names of the folders in data.source; raises UserError if one that is wanted is missing."""
    if not root:
        raise UserError("data.source is empty: name a folder that holds trainA and trainB")
    store = _store("data.source", root)
    _check_folder("data.source", root, store, "a folder that holds trainA and trainB")
    top = _request("data.source", root, partial(store.entries, attempts=LISTING_ATTEMPTS))
    present = {info.base_name for info in top if info.type == fs.FileType.Directory}
    for folder in wanted:
        if folder not in present and not ("/" in folder and _is_folder(root, folder)):
            fact = f"has no folder {folder}, its folders are {_some(sorted(present))}"
            raise UserError(f"{_field('data.source', root)} {fact}: {cure}")
    return present


def _is_folder(root: str, name: str) -> bool:
    kind = _request("data.source", root, partial(Store(child(root, name)).kind, LISTING_ATTEMPTS))
    return bool(kind == fs.FileType.Directory)


def _check_folder(field: str, root: str, store: Store, wanted: str) -> None:
    kind = _request(field, root, partial(store.kind, LISTING_ATTEMPTS))
    if kind == fs.FileType.NotFound:
        raise UserError(f"{_field(field, root)} does not exist: name {wanted}")
    if kind == fs.FileType.File:
        raise UserError(f"{_field(field, root)} is a file: name {wanted}")


def _images(root: str, files: list[fs.FileInfo], prefix: str) -> list[ImageFile]:
    images = []
    for info in files:
        name = info.path[len(root) :].lstrip("/")
        parts = PurePosixPath(name).parts
        if PurePosixPath(name).suffix.lower() in EXTENSIONS and not any(part.startswith(".") for part in parts):
            images.append(ImageFile(prefix + name, info.size, info.mtime_ns or 0))
    return images


def _store(field: str, root: str) -> Store:
    store = Store(absolute(root))
    try:
        _ = store.root
    except UserError as error:
        raise UserError(f"{field} = {error}") from error
    return store


def _request(field: str, root: str, act: Callable[[], Result]) -> Result:
    """Query the file system; an error, however many lines it has (no permission, no network), becomes the fact of a UserError."""
    try:
        return act()
    except (OSError, ValueError) as error:
        fact = reason(error) if isinstance(error, OSError) else redacted(error).partition("\n")[0]
        raise UserError(f"{_field(field, root)} cannot be listed ({fact}): fix this, or name another source") from error


def _field(name: str, value: str) -> str:
    return f'{name} = "{redacted(value)}"'


def _some(names: list[str]) -> str:
    """At most five of the names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") if names else "none"
