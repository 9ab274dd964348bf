"""Where images come from: folders on disks or in object stores, in one of three layouts, or a list of files."""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from pyarrow import fs

from preprocess.config import DataConfig
from preprocess.images.image_files import FoundFile, describe_left_out
from preprocess.shards.manifest import FORMAT
from preprocess.sources.list_roots import ListRoots, OutsideRoots
from preprocess.sources.listing import LISTING_ATTEMPTS, entries, folders, images_below
from preprocess.sources.source_list import Record, read_list
from ringcycle.domains import DOMAINS, SPLITS, TEST_SPLITS, TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child, reason, redacted
from ringcycle.storage.store import Store, parent_and_name

Result = TypeVar("Result")


class ImageFile(NamedTuple):
    """A file that looks like an image: name in the source ("trainA/x.jpg"), bytes, modification time (ns since 1970, 0 if unknown)."""

    name: str
    size: int
    mtime_ns: int


ImageFiles = dict[str, list[ImageFile]]
"""The files of each split that has any, sorted by name."""


class Listing(NamedTuple):
    """The images of a source, and the number of files beside them that are none, by ending."""

    images: ImageFiles
    left_out: Counter[str]

    def describe_left_out(self) -> str:
        """One line, or nothing if all files are images."""
        return describe_left_out(self.left_out) if self.left_out else ""


class Source(NamedTuple):
    """Where the images are, as the `data` section of the configuration describes it; fields as in `DataConfig`."""

    source: str = ""
    source_a: str = ""
    source_b: str = ""
    class_a: str = ""
    class_b: str = ""
    source_list: str = ""
    test_fraction: float = 0.0
    list_roots: str = ""

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
            list_roots=",".join(map(absolute, self.list_roots.split(","))),
        )


def source_of(config: DataConfig) -> Source:
    """The source that a configuration names."""
    return Source(**{name: getattr(config, name) for name in Source._fields})


def find_images(source: Source) -> ImageFiles:
    """The images of `list_images`, without the count of other files."""
    return list_images(source).images


def list_images(source: Source) -> Listing:
    """List the images of each split that has any, sorted by name; trainA and trainB always have some.

    Subfolders are searched and links followed, as in the reference implementation. See `listing.images_below` for what counts as an
    image. If the source has no test split of its own, `test_fraction` of each domain is split off by a hash of the name, so adding images
    moves no others. Raises UserError if there is no such source, or a domain has no training images.
    """
    source = source.absolute()
    left_out: Counter[str] = Counter()
    if source.source_list:
        return Listing(_listed(source), left_out)
    if source.source_a:
        roots = (("data.source_a", source.source_a), ("data.source_b", source.source_b))
        found = {domain: _in_folder(field, root, "", f"{domain}/", left_out) for domain, (field, root) in zip(DOMAINS, roots, strict=True)}
        return Listing(_split(source, found), left_out)
    if source.class_a:
        source = source._replace(class_a=source.class_a.strip("/"), class_b=source.class_b.strip("/"))
        names = dict(zip(DOMAINS, (source.class_a, source.class_b), strict=True))
        _check_folders(source.source, names.values(), "name two of them")
        found = {domain: _in_folder("data.source", source.source, name, f"{name}/", left_out) for domain, name in names.items()}
        return Listing(_split(source, found), left_out)
    present = _check_folders(source.source, TRAIN_SPLITS, "it must hold trainA and trainB")
    found = {split: _in_folder("data.source", source.source, split, f"{split}/", left_out) for split in SPLITS if split in present}
    return Listing({split: files for split, files in found.items() if files}, left_out)


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
    roots = _roots(source) if source.source_list else None

    def read(name: str) -> bytes:
        location = roots.locate(name) if roots else _location(source, name)
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
    """The location of an image of a source that is no list."""
    if source.source_a:
        domain, _, path = name.partition("/")
        return child(source.source_a if domain == "A" else source.source_b, path)
    return child(source.source, name)


def _roots(source: Source) -> ListRoots:
    return ListRoots(source.source_list, [root for root in source.list_roots.split(",") if root])


def _listed(source: Source) -> ImageFiles:
    """The images of a list. Sizes and times come from listing their folders: in object stores, one request for a thousand files."""
    field = _field("data.source_list", source.source_list)
    roots = _roots(source)
    wanted: dict[Location, dict[str, Record]] = {}
    for record in read_list(source.source_list, (source.class_a or "A", source.class_b or "B")):
        with _refused(field, record):
            store, file = parent_and_name(roots.locate(record.path))
        first = wanted.setdefault(store.location, {}).setdefault(file, record)
        if first.number != record.number:
            raise UserError(f"{field}: {record.path} is in record {first.number} and again in record {record.number}: delete one of them")
    found: ImageFiles = {}
    for folder in list(wanted):
        records = wanted.pop(folder)
        store = _store("data.source_list", str(folder)) if isinstance(folder, str) else Store(folder)
        if isinstance(folder, Path):
            with _refused(field, next(iter(records.values()))):
                roots.check_real(folder, next(iter(records.values())).path)
        for info in _request("data.source_list", str(folder), partial(entries, store)):
            if info.name in records:
                record = records.pop(info.name)
                if info.link and isinstance(folder, Path):
                    with _refused(field, record):
                        roots.check_real(folder / info.name, record.path)
                part = record.split or ("test" if is_test(record.path, source.test_fraction) else "train")
                found.setdefault(part + record.domain, []).append(ImageFile(record.path, info.size, info.mtime_ns))
        if records:
            missing = next(iter(records.values()))
            fact = f"record {missing.number} names {missing.path}, which does not exist"
            raise UserError(f"{field}: {fact}: correct the path, or delete the record")
    return _checked(source, field, found)


@contextlib.contextmanager
def _refused(field: str, record: Record) -> Iterator[None]:
    try:
        yield
    except OutsideRoots as error:
        raise UserError(f"{field}: record {record.number} names {error}") from error


def _in_folder(field: str, root: str, folder: str, prefix: str, left_out: Counter[str]) -> list[ImageFile]:
    """The images in a folder of `root`, each name with a prefix; counts the others. Raises UserError if a train folder has none."""
    store = _store(field, root)
    if not folder:
        _check_folder(field, root, store, "a folder of images")
    found, others = _request(field, root, partial(images_below, store, folder))
    if not found and folder not in TEST_SPLITS:
        fact = f"{others.total()} files, {_some([kind for kind, _ in others.most_common()])}" if others else "it is empty"
        raise UserError(f"{_field(field, root)}: no images in {folder or 'it'} ({fact}): put JPEG, PNG, WebP or TIFF files there")
    left_out.update(others)
    return [_image_file(prefix, file) for file in found]


def _image_file(prefix: str, file: FoundFile) -> ImageFile:
    return ImageFile(prefix + file.name, file.size, file.mtime_ns)


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
    present = _request("data.source", root, partial(folders, store))
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
