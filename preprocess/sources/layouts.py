"""Where images come from: folders on disks or in object stores, in one of four layouts, or a list of files."""

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
from preprocess.sources.source_list import read_list
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child, reason, redacted
from ringcycle.storage.store import Store, parent_and_name

Answer = TypeVar("Answer")

TRAIN = ("trainA", "trainB")
SPLITS = (*TRAIN, "testA", "testB")
PATIENCE = 2  # attempts to list an object store, of several requests each: a wrong address should not cost a minute


class ImageFile(NamedTuple):
    """A file that looks like a image: its name in the source ("trainA/x.jpg"), bytes, time of change (ns since 1970, 0 if unknown)."""

    name: str
    size: int
    mtime_ns: int


ImageFiles = dict[str, list[ImageFile]]
"""The files of each split that has any, sorted by name."""


class Source(NamedTuple):
    """What the `data` section says of the place of the images; fields as in `DataConfig`."""

    source: str = ""
    source_a: str = ""
    source_b: str = ""
    class_a: str = ""
    class_b: str = ""
    source_list: str = ""
    test_fraction: float = 0.0

    def __str__(self) -> str:
        """How it is named to the user and in the manifest: without keys."""
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


def find_images(source: Source | str) -> ImageFiles:
    """List the images of each split that has any, sorted by name; trainA and trainB always have some. A text is a `Source.source`.

    Folders inside a folder count too, as with the reference; so do links. A image is a file with one of decode.EXTENSIONS in
    any case; names that start with a dot are skipped. Where the source does not say what is for testing, `test_fraction` of each
    domain is, by a hash of the name: the same images however many are added. Raises UserError if there is no such source, or a
    domain has no train image.
    """
    source = (Source(source) if isinstance(source, str) else source).absolute()
    if source.source_list:
        return _listed(source)
    if source.source_a:
        folders = (("data.source_a", source.source_a), ("data.source_b", source.source_b))
        found = {domain: _in_folder(field, place, "", f"{domain}/") for domain, (field, place) in zip("AB", folders, strict=True)}
        return _split(source, found)
    if source.class_a:
        source = source._replace(class_a=source.class_a.strip("/"), class_b=source.class_b.strip("/"))
        names = {"A": source.class_a, "B": source.class_b}
        _check_folders(source.source, names.values(), "name two of them")
        return _split(source, {domain: _in_folder("data.source", source.source, name, "") for domain, name in names.items()})
    present = _check_folders(source.source, TRAIN, "it must hold trainA and trainB")
    found = {split: _in_folder("data.source", source.source, split, "") for split in SPLITS if split in present}
    return {split: files for split, files in found.items() if files}


def fingerprint(images: dict[str, list[ImageFile]], settings: str) -> str:
    """Name a source and the settings that decide the pixels of its shards (`recipe.settings_text`), 16 hexadecimal digits.

    Names, sizes and times of change stand for the content: reading it all would cost as much as the build. The place of the source does
    not count, so that it may move; nor do actors, threads and the size of a shard file, which leave the images as they are.
    """
    digest = hashlib.blake2b(f"format {FORMAT}, {settings}\n".encode(), digest_size=8)
    for split in sorted(images):
        for file in images[split]:
            digest.update(f"{split}\0{file.name}\0{file.size}\0{file.mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def opener(source: Source | str) -> Callable[[str], bytes]:
    """A function that reads a file of the source by the name that `find_images` gave. It raises OSError."""
    whole = (Source(source) if isinstance(source, str) else source).absolute()

    def read(name: str) -> bytes:
        place = _place(whole, name)
        if isinstance(place, Path):
            return place.read_bytes()
        store, file = parent_and_name(place)
        return store.read(file)

    return read


def absolute(source: str) -> str:
    """A place as seen from any working directory; empty if there is none."""
    return source if "://" in source or not source else str(Path(source).expanduser().absolute())


def is_test(name: str, fraction: float) -> bool:
    """Whether a image belongs to the test set, by a hash of its name: images that are added move no other."""
    return int.from_bytes(hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()) < fraction * 2**64


def _place(source: Source, name: str) -> Location:
    """Where a image lies."""
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
    """The images of a list. Sizes and times come from listings of their folders: one request for a thousand files in object stores."""
    field = _field("data.source_list", source.source_list)
    wanted: dict[Location, dict[str, tuple[str, str, str, int]]] = {}
    for path, domain, split, row in read_list(source.source_list, (source.class_a or "A", source.class_b or "B")):
        store, file = parent_and_name(_place(source, path))
        before = wanted.setdefault(store.location, {}).setdefault(file, (path, domain, split, row))
        if before[3] != row:
            raise UserError(f"{field}: {path} stands in row {before[3]} and again in row {row}: delete one")
    found: ImageFiles = {}
    for place in list(wanted):
        rows = wanted.pop(place)
        store = _store("data.source_list", str(place)) if isinstance(place, str) else Store(place)
        for info in _ask("data.source_list", str(place), partial(store.entries, attempts=PATIENCE)):
            if info.type == fs.FileType.File and info.base_name in rows:
                path, domain, split, _ = rows.pop(info.base_name)
                part = split or ("test" if is_test(path, source.test_fraction) else "train")
                found.setdefault(part + domain, []).append(ImageFile(path, info.size, info.mtime_ns or 0))
        if rows:
            path, _, _, row = next(iter(rows.values()))
            raise UserError(f"{field}: row {row} names {path}, which does not exist: mend the path, or delete the row")
    return _checked(source, field, found)


def _in_folder(field: str, place: str, folder: str, prefix: str) -> list[ImageFile]:
    """The images below a folder of a place, named by their path in the place. Raises UserError if there is none, but for test folders."""
    store = _store(field, place)
    if not folder:
        _check_folder(field, place, store, "a folder of images")
    listing = _ask(field, place, partial(store.entries, folder, recursive=True, attempts=PATIENCE))
    files = [info for info in listing if info.type == fs.FileType.File]
    images = sorted(_images(store.root, files, prefix))
    if not images and folder not in ("testA", "testB"):
        kinds = Counter(PurePosixPath(info.path).suffix.lower() or "no ending" for info in files)
        fact = f"{len(files)} files, {_some([kind for kind, _ in kinds.most_common()])}" if files else "it is empty"
        raise UserError(f"{_field(field, place)}: no images in {folder or 'it'} ({fact}): put JPEG, PNG, WebP or TIFF files there")
    return images


def _split(source: Source, domains: dict[str, list[ImageFile]]) -> ImageFiles:
    """Deal the images of both domains to train and test, by the names inside their folders: a pair of equal names stays together."""
    lengths = {"A": len(source.class_a or "A") + 1, "B": len(source.class_b or "B") + 1}
    found: ImageFiles = {}
    for domain, files in domains.items():
        for file in files:
            part = "test" if is_test(file.name[lengths[domain] :], source.test_fraction) else "train"
            found.setdefault(part + domain, []).append(file)
    return _checked(source, str(source), found)


def _checked(source: Source, named: str, found: ImageFiles) -> ImageFiles:
    for split in TRAIN:
        if split not in found:
            held = len(found.get(f"test{split[-1]}", []))
            if not held:
                raise UserError(f"{named}: no images of domain {split[-1]}: name a source that has some of both")
            raise UserError(f"data.test_fraction = {source.test_fraction:g} leaves none of {held} images of domain {split[-1]}: use less")
    return {split: sorted(found[split]) for split in SPLITS if split in found}


def _check_folders(place: str, wanted: Iterable[str], cure: str) -> set[str]:
    """The folders of data.source and what lies in them; raises UserError if it lacks one that is wanted."""
    if not place:
        raise UserError("data.source is empty: name a folder that holds trainA and trainB")
    store = _store("data.source", place)
    _check_folder("data.source", place, store, "a folder that holds trainA and trainB")
    top = _ask("data.source", place, partial(store.entries, attempts=PATIENCE))
    present = {info.base_name for info in top if info.type == fs.FileType.Directory}
    for folder in wanted:
        inside = "/" in folder and _ask("data.source", place, partial(Store(child(place, folder)).kind, PATIENCE)) == fs.FileType.Directory
        if folder not in present and not inside:
            fact = f"has no folder {folder}, its folders are {_some(sorted(present))}"
            raise UserError(f"{_field('data.source', place)} {fact}: {cure}")
    return present


def _check_folder(field: str, place: str, store: Store, wanted: str) -> None:
    kind = _ask(field, place, partial(store.kind, PATIENCE))
    if kind == fs.FileType.NotFound:
        raise UserError(f"{_field(field, place)} does not exist: name {wanted}")
    if kind == fs.FileType.File:
        raise UserError(f"{_field(field, place)} is a file: name {wanted}")


def _images(root: str, files: list[fs.FileInfo], prefix: str) -> list[ImageFile]:
    images = []
    for info in files:
        name = info.path[len(root) :].lstrip("/")
        parts = PurePosixPath(name).parts
        if PurePosixPath(name).suffix.lower() in EXTENSIONS and not any(part.startswith(".") for part in parts):
            images.append(ImageFile(prefix + name, info.size, info.mtime_ns or 0))
    return images


def _store(field: str, place: str) -> Store:
    store = Store(absolute(place))
    try:
        _ = store.root
    except UserError as error:
        raise UserError(f"{field} = {error}") from error
    return store


def _ask(field: str, place: str, question: Callable[[], Answer]) -> Answer:
    """Ask the file system; what it answers in several lines (no permission, no network) becomes the fact of one."""
    try:
        return question()
    except (OSError, ValueError) as error:
        fact = reason(error) if isinstance(error, OSError) else redacted(error).partition("\n")[0]
        raise UserError(f"{_field(field, place)} cannot be listed ({fact}): mend that, or name another place") from error


def _field(name: str, place: str) -> str:
    return f'{name} = "{redacted(place)}"'


def _some(names: list[str]) -> str:
    """At most five names."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") if names else "none"
