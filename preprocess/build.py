"""From images to shards: `python -m preprocess.build SOURCE OUT`, and what a training calls to have its shards.

Finished shards carry a note beside them until the whole build is complete, so an interrupted build goes on where it was. The result is
the same, byte for byte, for any number of actors and interruptions.
"""

import argparse
import json
import re
import sys
import time
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

import ray
from pyarrow import fs
from pydantic import ValidationError
from rich.console import Console

from preprocess.building.duplicates import drop_duplicates
from preprocess.building.pool import Done, Pool, Task
from preprocess.building.progress import BuildProgress, Progress, Tally
from preprocess.building.recipe import choose_recipe, settings_text
from preprocess.building.result import check_rejected, check_seen, manifest_of, rejected_so_far
from preprocess.building.units import plan_units
from preprocess.config import DataConfig
from preprocess.shards.manifest import NAME, Manifest
from preprocess.sources.layouts import LISTING_ATTEMPTS, ImageFiles, Source, absolute, find_images, fingerprint, opener, source_of
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.ray_start import start_ray
from ringcycle.storage.atomic import sync_folder
from ringcycle.storage.location import Location, child, redacted
from ringcycle.storage.locks import locked
from ringcycle.storage.store import Store, writing

__all__ = ["BuildProgress", "Progress", "build", "check_source", "ensure_shards", "main"]

LOG = "build.json"
_OPTIONS = (
    *("source_a", "source_b", "class_a", "class_b", "source_list", "test_fraction"),
    *("preprocess", "load_size", "crop_size", "channels_a", "channels_b", "bits"),
    *("threads", "build_actors", "max_rejected", "shard_mb"),
)
_SHOWN = 10  # rejected images in the summary
_LOCK = ".lock"
# What a build leaves in its folder, finished or not (names with a dot: cut off while written); only this is ever deleted.
_SHARD = r"(train|test)[AB]-\d+(-unique)?\.arrow(\.json)?"
_OURS = re.compile(rf"\{_LOCK}|{LOG}|{_SHARD}|\.({_SHARD}|{LOG}|{NAME})\..+")


def check_source(config: DataConfig) -> None:
    """Raises UserError, in one line, for a source that cannot be trained on: no folder, an empty domain, shards that are not whole."""
    if not finished_shards(config.source):
        find_images(source_of(config))


def ensure_shards(config: DataConfig, root: Location, progress: Progress | None = None) -> Location:
    """The folder of shards of `config.source`: the source itself if it is one, else below `root`, by fingerprint, built if it is not there.

    Two processes may ask for the same shards at once: on one file system, the second waits for the first. Ray must be initialised for
    a build only. Raises UserError as `check_source` and `build`. Damaged shards are an error, not built again: deleting gigabytes is the
    user's choice.
    """
    finished = finished_shards(config.source)
    if finished:
        return finished
    source = source_of(config)
    images = find_images(source)
    name = fingerprint(images, settings_text(config))
    local = Store(root).local
    if local is None:
        _find_or_build(source, config, images, child(root, name), progress)
        return child(root, name)
    folder, unfinished = local / name, local / f".{name}.unfinished"
    with writing(local):
        local.mkdir(parents=True, exist_ok=True)
        with locked(local / f".{name}.lock"):
            if not folder.exists():
                try:
                    if not (unfinished / NAME).is_file():  # it is there if a build stopped just before the next line
                        _build(source, config, images, unfinished, progress)
                    unfinished.rename(folder)
                except (OSError, UserError):
                    if not _finished_by_another(folder, name):
                        raise
                sync_folder(local)
            _accept(Manifest.load(folder), folder, images, config.max_rejected)
    return folder


def build(source: Source, out: Location, config: DataConfig, progress: Progress | None = None) -> Manifest:
    """Turn the images of `source` into shards and a manifest in `out`, on storage that all nodes see. Ray must be initialised.

    Raises UserError if `out` holds something else or cannot be written, if more than `config.max_rejected` of the images are broken, or
    a domain has none left. What was built stays, so that a second attempt with a higher limit only reads it.
    """
    return _find_or_build(source, config, find_images(source), out, progress)


def _find_or_build(source: Source, config: DataConfig, images: ImageFiles, out: Location, progress: Progress | None) -> Manifest:
    """The manifest in `out`, if it is that of these images and settings; else they are built there."""
    name = fingerprint(images, settings_text(config))
    store = Store(out)
    with writing(out), _alone_in(store):
        present = sorted(info.base_name for info in store.entries())
        if NAME in present:
            manifest = Manifest.load(out)
            if manifest.fingerprint != name:
                raise UserError(
                    f"{store.label()} holds shards of {manifest.source}, {manifest.describe()} (fingerprint {manifest.fingerprint}), "
                    f"not of these images and settings ({name}): name another folder, or delete it"
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
    """Whether the same shards are there now. Where locks do not hold, the first of two builds takes the folder or its unfinished files
    away from the other; the bytes are the same.
    """
    return _holds_manifest(folder) and Manifest.load(folder).fingerprint == name


def _alone_in(store: Store) -> AbstractContextManager[object]:
    """Wait for others that build into the same folder. An object store has no locks: builds of one source write the same bytes there."""
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
    pool = Pool(Task(source, out, recipe, config.threads), units, config.build_actors)
    # Closed at once on an error: else the traceback would keep the actors at work.
    with closing(pool.run()) as results:
        for result in results:
            done[result.unit.shard] = result
            tally.add(result)
            if result.built.rejected:
                check_rejected(rejected_so_far(units, done), images, config.max_rejected)
            if progress:
                progress(tally.progress(time.monotonic() - began))
    duplicates = drop_duplicates(units, done, out)
    manifest = manifest_of(str(source), fingerprint(images, settings_text(config)), images, recipe, units, done, duplicates)
    check_seen(manifest, out, done)
    # Apart from the manifest, which must not differ from build to build.
    Store(out).write(LOG, json.dumps(tally.log(time.monotonic() - began), indent=1).encode() + b"\n")
    Store(out).sync(shard.name for split in manifest.splits.values() for shard in split.shards)
    manifest.save(out)
    _remove_leftovers(out, manifest)
    return manifest


def _accept(manifest: Manifest, folder: Location, images: ImageFiles, max_rejected: float) -> None:
    """Finished shards serve again if they are all there and the limit of this time allows their rejects."""
    manifest.verify(folder, checksums=False)
    check_rejected(manifest.rejected, images, max_rejected)


def _remove_leftovers(out: Location, manifest: Manifest) -> None:
    """Notes, and shards of an interrupted build that was cut otherwise; nothing that a build has not made."""
    kept = {shard.name for split in manifest.splits.values() for shard in split.shards} | {NAME, LOG, _LOCK}
    store = Store(out)
    for name in store.names():
        if name not in kept and _OURS.fullmatch(name):
            store.delete(name)


def finished_shards(source: str) -> Location | None:
    """The source itself, if it is a folder of finished shards. Raises UserError if it is one, but not whole."""
    if not source:
        return None
    place = absolute(source)
    if not _holds_manifest(place):
        return None
    folder = Store(place).local or place
    manifest = Manifest.load(folder)
    manifest.verify(folder, checksums=False)
    missing = [split for split in TRAIN_SPLITS if split not in manifest.splits]
    if missing:
        fact = f"its shards lack {missing[0]}"
        raise UserError(f'data.source = "{redacted(source)}": {fact}: build them of a source with trainA and trainB')
    return folder


def _holds_manifest(folder: Location) -> bool:
    """Whether a manifest lies there. A place that cannot be asked holds none: listing it as a source will say why."""
    try:
        return Store(folder).size(NAME, LISTING_ATTEMPTS) is not None
    except (OSError, UserError):
        return False


def main(arguments: list[str] | None = None) -> int:
    """`python -m preprocess.build`; returns the exit code."""
    fields = DataConfig.model_fields
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.build", description="Turn a folder of images into shards, on all nodes of a cluster."
    )
    parser.add_argument("source", metavar="SOURCE", nargs="?", help=f"{fields['source'].description}; or one of the --source options")
    parser.add_argument("out", metavar="OUT", help="folder for the shards, seen by all nodes")
    for name in _OPTIONS:
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"{fields[name].description} (default: {fields[name].default})")
    given = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        config = _config(given)
        source = source_of(config)
        find_images(source)  # before Ray starts, which takes seconds
        began = time.monotonic()
        with console.status("starting Ray") as status:
            if not ray.is_initialized():
                start_ray()
            manifest = build(source, given.out, config, lambda progress: status.update(progress.describe()))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for line in _summary(manifest, given.out, time.monotonic() - began):
        console.print(line, markup=False)
    return 0


def _summary(manifest: Manifest, out: Location, seconds: float) -> list[str]:
    """What a build made, for the terminal."""
    store = Store(out)
    lines = []
    for split, content in manifest.splits.items():
        lines.append(f"{split}: {content.count:,} images in {len(content.shards)} shard{'s' if len(content.shards) > 1 else ''}")
    lines.append(manifest.describe())
    if manifest.duplicates:
        dropped = sum(one.dropped for one in manifest.duplicates)
        lines.append(
            f"{len(manifest.duplicates):,} duplicates, {dropped:,} of them left out, {len(manifest.near_constant):,} near-constant"
        )
    lines += [f"rejected {one.path}: {one.reason}" for one in manifest.rejected[:_SHOWN]]
    if len(manifest.rejected) > _SHOWN:
        lines.append(f"rejected {len(manifest.rejected) - _SHOWN:,} more, see {store.label(NAME)}")
    speed = json.loads(store.read(LOG))["images_per_second"]
    total = sum(split.count for split in manifest.splits.values())
    counts = f"{total:,} images, {len(manifest.rejected):,} rejected"
    lines.append(f"{counts}, in {store.label()} after {seconds:.1f} s, built at {speed:,.0f} images/s")
    return lines


def _config(given: argparse.Namespace) -> DataConfig:
    values = {name: value for name in ("source", *_OPTIONS) if (value := getattr(given, name)) is not None}
    if values.get("preprocess", "resize_and_crop") == "resize_and_crop":
        values.setdefault("crop_size", 24)  # the crop is no matter of such a build; it only must fit
    try:
        return DataConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":
            raise UserError(str(first["ctx"]["error"])) from error
        field = str(first["loc"][-1])
        raise UserError(f"--{field.replace('_', '-')} = {first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}") from error


if __name__ == "__main__":
    sys.exit(main())
