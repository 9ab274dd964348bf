"""From pictures to shards: `python -m preprocess.build SOURCE OUT`, and what a training calls to have its shards.

Finished shards carry a note beside them until the whole build is complete, so an interrupted build goes on where it was. The result is
the same, byte for byte, for any number of actors and interruptions.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError
from rich.console import Console

from preprocess.build_pool import Done, Pool, Task
from preprocess.build_units import CHANNELS, Unit, note, plan_units
from preprocess.config import DataConfig
from preprocess.errors import UserError
from preprocess.files import write_atomic
from preprocess.manifest import FORMAT, NAME, Manifest, Rejected, Split
from preprocess.ray_start import start_ray
from preprocess.sources import TRAIN, PictureFile, absolute, find_pictures, fingerprint

LOG = "build.json"
_SHOWN = 3  # rejected pictures named in an error


@dataclass(frozen=True)
class BuildProgress:
    """Where a build stands. done and total count pictures; `new` of those done were decoded by this build, in `seconds`."""

    done: int
    total: int
    new: int
    rejected: int
    seconds: float

    def describe(self) -> str:
        """Pictures, rejected ones, pictures/s and time left, in one line."""
        speed = self.new / self.seconds if self.seconds else 0.0
        left = f"{(self.total - self.done) / speed:.0f} s left" if speed else "starting"
        return f"preprocessing {self.done:,}/{self.total:,} pictures, {self.rejected:,} rejected, {speed:.0f} pictures/s, {left}"


Progress = Callable[[BuildProgress], None]


def check_source(config: DataConfig) -> None:
    """Raises UserError, in one line, for a source that cannot be trained on. Needs no Ray."""
    if not _has_manifest(config.source):
        find_pictures(config.source)


def ensure_shards(config: DataConfig, root: Path, progress: Progress | None = None) -> Path:
    """The folder of shards of `config.source`: the source itself if it is one, else below `root`, by fingerprint, built if it is not there.

    Two processes may ask for the same shards at once: the second waits for the first. Ray must be initialised.
    """
    if _has_manifest(config.source):
        Manifest.load(Path(config.source)).verify(Path(config.source), checksums=False)
        return Path(config.source)
    pictures = find_pictures(config.source)
    folder = root / fingerprint(pictures, config.load_size)
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{folder.name}.lock"):
        if (folder / NAME).is_file():
            Manifest.load(folder).verify(folder, checksums=False)
            return folder
        unfinished = root / f".{folder.name}.unfinished"
        _build(config, pictures, unfinished, progress)
        unfinished.rename(folder)
    return folder


def build(source: str, out: Path, config: DataConfig, progress: Progress | None = None) -> Manifest:
    """Turn the pictures of `source` into shards and a manifest in `out`. Ray must be initialised.

    Raises UserError if `out` holds something else, if more than `config.max_rejected` of the pictures are broken, or a domain has none left.
    """
    pictures = find_pictures(source)
    name = fingerprint(pictures, config.load_size)
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / ".lock"):
        if (out / NAME).is_file():
            manifest = Manifest.load(out)
            if manifest.fingerprint != name:
                raise UserError(
                    f"{out} holds shards of {manifest.source} with load_size {manifest.load_size} (fingerprint {manifest.fingerprint}), "
                    f"not of these pictures and settings ({name}): name another folder, or delete it"
                )
            manifest.verify(out, checksums=False)
            return manifest
        foreign = [path.name for path in out.iterdir() if path.name != ".lock" and path.suffix not in (".arrow", ".json")]
        if foreign:
            raise UserError(f"{out} holds other files ({foreign[0]}): name an empty or a new folder")
        return _build(config.model_copy(update={"source": source}), pictures, out, progress)


def _build(config: DataConfig, pictures: dict[str, list[PictureFile]], out: Path, progress: Progress | None) -> Manifest:
    out.mkdir(parents=True, exist_ok=True)
    source = absolute(config.source)
    units = plan_units(pictures, config.load_size, config.shard_mb)
    began = time.monotonic()
    done: dict[str, Done] = {}
    pool = Pool(Task(source, out.absolute(), config.load_size, config.threads), units, config.build_actors)
    for result in pool.run():
        done[result.unit.shard] = result
        if progress:
            progress(_progress(done.values(), units, time.monotonic() - began))
    rejected = [one for unit in units for one in done[unit.shard].built.rejected]
    total = sum(len(files) for files in pictures.values())
    if len(rejected) > config.max_rejected * total:
        raise UserError(
            f"data.max_rejected = {config.max_rejected:g}, but {len(rejected)} of {total} pictures are broken ({_some(rejected)}): "
            "mend or remove them, or raise data.max_rejected"
        )
    manifest = Manifest(
        format=FORMAT,
        fingerprint=fingerprint(pictures, config.load_size),
        source=source,
        load_size=config.load_size,
        dtype="uint8",
        channels=CHANNELS,
        splits={split: _split(split, units, done) for split in pictures},
        rejected=rejected,
    )
    for split in TRAIN:
        if not manifest.splits[split].count:
            raise UserError(f"{config.source}: every picture in {split} is broken ({_some(rejected)}): put whole pictures there")
    _write_log(out, done.values(), time.monotonic() - began)
    manifest.save(out)
    _remove_leftovers(out, manifest, units)
    return manifest


def _split(split: str, units: list[Unit], done: dict[str, Done]) -> Split:
    shards = [built.shard for unit in units if unit.split == split and (built := done[unit.shard].built).shard]
    return Split(count=sum(shard.count for shard in shards), shards=shards)


def _progress(done: Iterable[Done], units: list[Unit], seconds: float) -> BuildProgress:
    results = list(done)
    return BuildProgress(
        done=sum(len(result.unit.files) for result in results),
        total=sum(len(unit.files) for unit in units),
        new=sum(len(result.unit.files) for result in results if result.fresh),
        rejected=sum(len(result.built.rejected) for result in results),
        seconds=seconds,
    )


def _write_log(out: Path, done: Iterable[Done], seconds: float) -> None:
    """How the build went; apart from the manifest, which must not differ from build to build."""
    results = list(done)
    new = sum(len(result.unit.files) for result in results if result.fresh)
    log = {
        "seconds": round(seconds, 3),
        "pictures": new,
        "pictures_per_second": round(new / seconds, 1),
        "nodes": sorted({result.node for result in results}),
        "shared_cpus": any(result.shared_cpus for result in results),
    }
    text = json.dumps(log, indent=1).encode() + b"\n"
    write_atomic(out / LOG, lambda file: file.write(text))


def _remove_leftovers(out: Path, manifest: Manifest, units: list[Unit]) -> None:
    """Notes, and shards of an interrupted build that was cut otherwise."""
    for unit in units:
        note(out, unit.shard).unlink(missing_ok=True)
    kept = {shard.name for split in manifest.splits.values() for shard in split.shards} | {NAME, LOG, ".lock"}
    for path in out.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _has_manifest(source: str) -> bool:
    return bool(source) and "://" not in source and (Path(source) / NAME).is_file()


def _some(rejected: list[Rejected]) -> str:
    named = ", ".join(f"{one.path}: {one.reason}" for one in rejected[:_SHOWN])
    return named + (f" and {len(rejected) - _SHOWN} more" if len(rejected) > _SHOWN else "")


def main(arguments: list[str] | None = None) -> int:
    """`python -m preprocess.build`; returns the exit code."""
    fields = DataConfig.model_fields
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.build", description="Turn a folder of pictures into shards, on all nodes of a cluster."
    )
    parser.add_argument("source", metavar="SOURCE", help=fields["source"].description)
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for the shards, seen by all nodes")
    for name in ("load_size", "threads", "build_actors", "max_rejected", "shard_mb"):
        parser.add_argument(
            f"--{name.replace('_', '-')}", default=fields[name].default, help=f"{fields[name].description} (default: %(default)s)"
        )
    given = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        config = _config(given)
        find_pictures(config.source)
        began = time.monotonic()
        with console.status("starting Ray") as status:
            start_ray()
            manifest = build(config.source, given.out.absolute(), config, lambda progress: status.update(progress.describe()))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    total = sum(split.count for split in manifest.splits.values())
    seconds = time.monotonic() - began
    for split, content in manifest.splits.items():
        console.print(f"{split}: {content.count:,} pictures in {len(content.shards)} shards", markup=False)
    for one in manifest.rejected:
        console.print(f"rejected {one.path}: {one.reason}", markup=False)
    console.print(f"{total:,} pictures, {len(manifest.rejected):,} rejected, in {given.out} after {seconds:.1f} s", markup=False)
    return 0


def _config(given: argparse.Namespace) -> DataConfig:
    names = ("source", "load_size", "threads", "build_actors", "max_rejected", "shard_mb")
    try:
        # The crop is no matter of a build; it only must fit.
        return DataConfig.model_validate({**{name: getattr(given, name) for name in names}, "crop_size": 8})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][-1]) if first["loc"] else "settings"
        raise UserError(f"--{field.replace('_', '-')} = {first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}") from error


if __name__ == "__main__":
    sys.exit(main())
