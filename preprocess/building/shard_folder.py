"""The shards of a source in their folder: found again by fingerprint or by content, or built.

Each finished shard has a note beside it until the build is complete, so an interrupted build resumes where it stopped. The result is the
same, byte for byte, for any number of actors and interruptions.
"""

import json
import logging
import re
import time
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path

from pyarrow import fs

from preprocess.building.duplicates import drop_duplicates
from preprocess.building.pool import Done, Pool, Task
from preprocess.building.progress import Progress, Tally
from preprocess.building.recipe import choose_recipe, settings_text
from preprocess.building.result import check_rejected, check_seen, describe_near_constant, manifest_of, rejected_so_far
from preprocess.building.same_content import FIELD, content_of, is_copy
from preprocess.building.units import plan_units
from preprocess.config import DataConfig
from preprocess.shards.manifest import NAME, Manifest
from preprocess.sources.layouts import ImageFiles, Source, absolute, find_images, fingerprint, list_images, opener, source_of
from preprocess.sources.listing import LISTING_ATTEMPTS
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.storage.atomic import sync_folder
from ringcycle.storage.location import Location, child, redacted
from ringcycle.storage.locks import locked
from ringcycle.storage.store import Store, writing

log = logging.getLogger(__name__)

LOG = "build.json"
_LOCK = ".lock"
_COPY = ".copy"  # beside shards: the fingerprint of shards that serve a copied source as well
_FINGERPRINT = re.compile("[0-9a-f]{16}")
# What a build leaves in its folder, finished or not (names with a dot: interrupted writes). Nothing else is ever deleted.
_SHARD = r"(train|test)[AB]-\d+(-unique)?\.arrow(\.json)?"
_OURS = re.compile(rf"\{_LOCK}|{LOG}|{_SHARD}|\.({_SHARD}|{LOG}|{NAME})\..+")


def check_source(config: DataConfig) -> None:
    """Raises UserError if the source cannot be trained on: there is no such folder, a domain is empty, or its shards are incomplete."""
    if not finished_shards(config.source):
        find_images(source_of(config))


def ensure_shards(config: DataConfig, root: Location, progress: Progress | None = None) -> Location:
    """Build or find the shards of `config.source`: the source itself if it holds shards, else a folder below `root` named by fingerprint.

    Two processes may ask for the same shards at once: on a shared file system, the second waits for the first. Ray must be initialised
    only if they have to be built. Raises UserError as `check_source` and `build`. Damaged shards are an error and are not rebuilt:
    deleting gigabytes is up to the user.
    """
    finished = finished_shards(config.source)
    if finished:
        return finished
    source = source_of(config)
    images = _listed(source)
    name = fingerprint(images, settings_text(config))
    local = Store(root).local
    copy = _shards_of_copy(source, config, images, root, name)
    if copy:
        return copy
    if local is None:
        _find_or_build(source, config, images, child(root, name), progress)
        return child(root, name)
    folder, unfinished = local / name, local / f".{name}.unfinished"
    with writing(local):
        local.mkdir(parents=True, exist_ok=True)
        with locked(local / f".{name}.lock"):
            if not folder.exists():
                try:
                    if not (unfinished / NAME).is_file():  # complete if a build stopped just before the next line
                        _build(source, config, images, unfinished, progress)
                    unfinished.rename(folder)
                except (OSError, UserError):
                    if not _finished_by_another(folder, name):
                        raise
                sync_folder(local)
            _accept(Manifest.load(folder), folder, images, config.max_rejected)
    return folder


def _shards_of_copy(source: Source, config: DataConfig, images: ImageFiles, root: Location, name: str) -> Location | None:
    """Finished shards of the same images whose modification times differ, as after copying them; a note saves comparing them again."""
    store = Store(root)
    try:
        present = {info.base_name for info in store.entries()}
        if name in present:
            return None
        if name + _COPY in present:
            noted = store.read(name + _COPY).decode()
            others = [noted] if noted in present else []
        else:
            noted = ""
            others = sorted(one for one in present if _FINGERPRINT.fullmatch(one))
        for other in others:
            folder = child(store.local or root, other)
            if noted or is_copy(images, settings_text(config), opener(source), folder, LOG):
                _accept(Manifest.load(folder), folder, images, config.max_rejected)
                if not noted:
                    log.info("%s was built from the same images: using it", Store(folder).label())
                    with suppress(OSError):
                        store.write(name + _COPY, other.encode())
                return folder
    except (OSError, ValueError) as error:
        log.warning("%s cannot be searched for shards of the same images (%s)", store.label(), error)
    return None


def build(source: Source, out: Location, config: DataConfig, progress: Progress | None = None) -> Manifest:
    """Turn the images of `source` into shards and a manifest in `out`, on storage that all nodes see. Ray must be initialised.

    Raises UserError if `out` holds something else or cannot be written, if more than `config.max_rejected` of the images are broken, or
    if a domain has none left. Finished shards are kept, so a second build with a higher limit finds them.
    """
    return _find_or_build(source, config, _listed(source), out, progress)


def _listed(source: Source) -> ImageFiles:
    """The images of a source; logs in one line which files are none."""
    listing = list_images(source)
    if listing.left_out:
        log.warning("%s", listing.describe_left_out())
    return listing.images


def _find_or_build(source: Source, config: DataConfig, images: ImageFiles, out: Location, progress: Progress | None) -> Manifest:
    """The manifest in `out` if it belongs to these images and settings; else build it there."""
    name = fingerprint(images, settings_text(config))
    store = Store(out)
    with writing(out), _alone_in(store):
        present = sorted(info.base_name for info in store.entries())
        if NAME in present:
            manifest = Manifest.load(out)
            if manifest.fingerprint != name and not is_copy(images, settings_text(config), opener(source), out, LOG):
                raise UserError(
                    f"{store.label()} holds shards of {manifest.source}, {manifest.describe()} (fingerprint {manifest.fingerprint}), "
                    f"not of these images and settings ({name}): name another folder, or delete this one"
                )
            _accept(manifest, out, images, config.max_rejected)
            return manifest
        foreign = [file for file in present if not _OURS.fullmatch(file)]
        if foreign:
            raise UserError(f"{store.label()} holds other files ({foreign[0]}): name an empty or a new folder")
        try:
            return _build(source, config, images, out, progress)
        except (OSError, UserError):
            if not _finished_by_another(out, name):
                raise
            manifest = Manifest.load(out)
            _accept(manifest, out, images, config.max_rejected)
            return manifest


def _finished_by_another(folder: Location, name: str) -> bool:
    """Whether another build has finished the same shards. Without working locks, it may remove files that this one still needs."""
    return _holds_manifest(folder) and Manifest.load(folder).fingerprint == name


def _alone_in(store: Store) -> AbstractContextManager[object]:
    """Wait for other builds into the same folder. An object store has no locks, but builds of one source write the same bytes."""
    if store.kind(LISTING_ATTEMPTS) == fs.FileType.File:
        raise UserError(f"{store.label()} is a file: name an empty or a new folder")
    if store.local is None:
        return nullcontext()
    store.local.mkdir(parents=True, exist_ok=True)
    return locked(store.local / _LOCK)


def _build(source: Source, config: DataConfig, images: ImageFiles, out: Location, progress: Progress | None) -> Manifest:
    out = Store(out).local or out
    if isinstance(out, Path):
        out.mkdir(parents=True, exist_ok=True)
    source = source.absolute()
    recipe = choose_recipe(config, images, opener(source))
    units = plan_units(images, recipe, config.shard_mb)
    began = time.monotonic()
    done: dict[str, Done] = {}
    tally = Tally(units)
    most_lethal = int(config.max_rejected * sum(map(len, images.values())))
    pool = Pool(Task(source, out, recipe, config.threads), units, config.build_actors, most_lethal)
    # Closed at once on an error; otherwise the traceback would keep the actors working.
    with closing(pool.run()) as results:
        for result in results:
            done[result.unit.shard] = result
            tally.add(result)
            if result.built.rejected:
                check_rejected(rejected_so_far(units, done), images, config.max_rejected)
            if progress:
                progress(tally.progress(time.monotonic() - began))
    content = content_of(images, settings_text(config), units, done, opener(source))
    duplicates = drop_duplicates(units, done, out)
    manifest = manifest_of(str(source), fingerprint(images, settings_text(config)), images, recipe, units, done, duplicates)
    check_seen(manifest, out, done)
    # Not part of the manifest, which must be equal for every build.
    Store(out).write(LOG, json.dumps(tally.log(time.monotonic() - began) | {FIELD: content.model_dump()}, indent=1).encode() + b"\n")
    Store(out).sync(shard.name for split in manifest.splits.values() for shard in split.shards)
    manifest.save(out)
    _remove_leftovers(out, manifest)
    if manifest.near_constant:
        log.warning("%s", describe_near_constant(manifest))
    return manifest


def _accept(manifest: Manifest, folder: Location, images: ImageFiles, max_rejected: float) -> None:
    """Raises UserError unless finished shards are all there, and their rejected images within the current limit."""
    manifest.verify(folder, checksums=False)
    check_rejected(manifest.rejected, images, max_rejected)


def _remove_leftovers(out: Location, manifest: Manifest) -> None:
    """Delete notes, and shards of an interrupted build with other units; only files that a build has written."""
    kept = {shard.name for split in manifest.splits.values() for shard in split.shards} | {NAME, LOG, _LOCK}
    store = Store(out)
    for name in store.names():
        if name not in kept and _OURS.fullmatch(name):
            store.delete(name)


def finished_shards(source: str) -> Location | None:
    """The source itself, if it is a folder of finished shards, else None. Raises UserError if its shards are incomplete."""
    if not source:
        return None
    location = absolute(source)
    if not _holds_manifest(location):
        return None
    folder = Store(location).local or location
    manifest = Manifest.load(folder)
    manifest.verify(folder, checksums=False)
    missing = [split for split in TRAIN_SPLITS if split not in manifest.splits]
    if missing:
        fact = f"its shards contain no {missing[0]}"
        raise UserError(f'data.source = "{redacted(source)}": {fact}: build them from a source with trainA and trainB')
    return folder


def _holds_manifest(folder: Location) -> bool:
    """Whether a folder holds a manifest. False if it cannot be read: listing it as a source then reports the reason."""
    try:
        return Store(folder).size(NAME, LISTING_ATTEMPTS) is not None
    except (OSError, UserError):
        return False
