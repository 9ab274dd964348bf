"""`python -m preprocess.inspect SHARDS`: describes shards, verifies their checksums, and draws contact sheets."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from preprocess.images.contact_sheet import contact_sheet, evenly
from preprocess.shards.manifest import Manifest, Split
from preprocess.shards.shard_set import DAMAGE, ShardSet
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.errors import UserError
from ringcycle.output import say
from ringcycle.storage.atomic import write_atomic
from ringcycle.storage.location import Location, is_remote, redacted

_MIB = 2**20


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, describe and verify the shards, write contact sheets; returns the exit code."""
    parser = Parser(
        prog="python -m preprocess.inspect", description="Describe a folder of shards, verify all checksums, draw contact sheets."
    )
    parser.add_argument("shards", metavar="SHARDS", help="folder of shards, or its URI in an object store")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="write a contact sheet of each split: FILE-trainA.png and so on")
    parser.add_argument("--all", action="store_true", help="list all rejected, duplicate and near-constant images, not only the first ten")
    given = parser.parse_args(arguments)
    location: Location = given.shards if is_remote(given.shards) else Path(given.shards)
    try:
        if given.sheet and given.sheet.suffix.lower() != ".png":
            raise UserError(f"--sheet = {given.sheet} does not end with .png: use a name that does")
        manifest = Manifest.load(location)
        say(*describe(manifest, None if given.all else 10))
        manifest.verify(location)
        say("checksums: all shards are intact")
        for path in write_sheets(manifest, location, given.sheet) if given.sheet else ():
            say(f"contact sheet: {path}")
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    return ExitCode.OK


def describe(manifest: Manifest, most: int | None) -> Iterator[str]:
    """Describe a manifest, line by line; at most `most` images of each list are named, all if None."""
    yield f"fingerprint {manifest.fingerprint}, from {redacted(manifest.source)}"
    yield manifest.describe()
    for name, split in manifest.splits.items():
        size = sum(shard.bytes for shard in split.shards) / _MIB
        yield f"{name}: {split.count:,} images, {_sizes(split)}, {len(split.shards)} shard(s), {size:,.1f} MiB"
    reasons = Counter(_kind(one.reason) for one in manifest.rejected)
    kinds = "".join(f", {count:,} {reason}" for reason, count in reasons.most_common())
    yield f"rejected: {len(manifest.rejected):,}{kinds}"
    yield from _some([f"{one.path}: {one.reason}" for one in manifest.rejected], most)
    dropped = sum(one.dropped for one in manifest.duplicates)
    kept = len(manifest.duplicates) - dropped
    yield f"duplicates: {len(manifest.duplicates):,}, {dropped:,} of them dropped, {kept:,} kept (in test, or in the other domain)"
    yield from _some([f"{one.path} is {one.of}{', dropped' if one.dropped else ''}" for one in manifest.duplicates], most)
    yield f"near-constant: {len(manifest.near_constant):,}"
    yield from _some(manifest.near_constant, most)


def write_sheets(manifest: Manifest, location: Location, path: Path) -> list[Path]:
    """Write a contact sheet of each split beside `path`; returns their paths. Raises UserError if one cannot be written."""
    written = []
    for name, split in manifest.splits.items():
        shards = ShardSet(location, split)
        try:
            sheet = contact_sheet([(shards.key(i), shards.image(i)) for i in evenly(len(shards))])
        except DAMAGE as error:
            fact = redacted(error).partition("\n")[0]
            raise UserError(f"{shards.folder}: the shards of {name} are damaged ({fact}): delete the folder and build it again") from error
        target = path.with_stem(f"{path.stem}-{name}")
        try:
            write_atomic(target, lambda file, sheet=sheet: sheet.save(file, "PNG"))  # type: ignore[misc]
        except OSError as error:
            raise UserError(f"--sheet: {target} cannot be written ({error.strerror}): name another folder") from error
        written.append(target)
    return written


def _sizes(split: Split) -> str:
    """Width x height, or the range of sizes."""
    (low_height, low_width), (high_height, high_width) = split.smallest, split.largest
    low, high = f"{low_width}x{low_height}", f"{high_width}x{high_height}"
    return low if low == high else f"{low} to {high}"


def _kind(reason: str) -> str:
    """A reason without numbers and details, for counting."""
    text = reason.partition(" (")[0]
    return text.partition("pixels, ")[2] or text


def _some(lines: list[str], most: int | None) -> Iterator[str]:
    shown = lines if most is None else lines[:most]
    yield from (f"  {line}" for line in shown)
    if len(shown) < len(lines):
        yield f"  and {len(lines) - len(shown):,} more; --all lists them"


if __name__ == "__main__":
    sys.exit(run(main))
