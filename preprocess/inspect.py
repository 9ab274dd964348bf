"""`python -m preprocess.inspect SHARDS`: what is inside, whether it is whole, and what it looks like."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from preprocess.images.contact_sheet import contact_sheet, evenly
from preprocess.shards.manifest import Manifest, Split
from preprocess.shards.shard_set import ShardSet
from ringcycle.errors import UserError
from ringcycle.storage.atomic import write_atomic
from ringcycle.storage.location import Location, is_remote, redacted

MISTAKEN = 2
_MIB = 2**20


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, print what is inside, write sheets; 2 after a user's mistake, a damaged shard among them."""
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.inspect", description="Say what is in a folder of shards, verify all checksums, draw contact sheets."
    )
    parser.add_argument("shards", metavar="SHARDS", help="folder of shards, or their place in an object store")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="write a contact sheet for each split, FILE-trainA.png and so on")
    parser.add_argument("--all", action="store_true", help="list every rejected, duplicate and near-constant image, not the first ten")
    given = parser.parse_args(arguments)
    place: Location = given.shards if is_remote(given.shards) else Path(given.shards)
    try:
        if given.sheet and given.sheet.suffix.lower() != ".png":
            raise UserError(f"--sheet = {given.sheet} does not end with .png: give a name that does")
        manifest = Manifest.load(place)
        for line in describe(manifest, None if given.all else 10):
            print(line)
        manifest.verify(place)
        print("checksums: all shards are as they were written")
        for path in write_sheets(manifest, place, given.sheet) if given.sheet else ():
            print(f"contact sheet: {path}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKEN
    return 0


def describe(manifest: Manifest, most: int | None) -> Iterator[str]:
    """What the manifest says, line by line; at most `most` images of each list are named."""
    yield f"fingerprint {manifest.fingerprint}, of {redacted(manifest.source)}"
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
    yield f"duplicates: {len(manifest.duplicates):,}, {dropped:,} of them left out, {kept:,} kept (in test, or in the other domain)"
    yield from _some([f"{one.path} is {one.of}{', left out' if one.dropped else ''}" for one in manifest.duplicates], most)
    yield f"near-constant: {len(manifest.near_constant):,}"
    yield from _some(manifest.near_constant, most)


def write_sheets(manifest: Manifest, place: Location, path: Path) -> list[Path]:
    """A contact sheet of each split, beside `path`; returns their files. Raises UserError if one cannot be written."""
    written = []
    for name, split in manifest.splits.items():
        shards = ShardSet(place, split)
        sheet = contact_sheet([(shards.key(i), shards.image(i)) for i in evenly(len(shards))])
        target = path.with_stem(f"{path.stem}-{name}")
        try:
            write_atomic(target, lambda file, sheet=sheet: sheet.save(file, "PNG"))  # type: ignore[misc]
        except OSError as error:
            raise UserError(f"--sheet: {target} cannot be written ({error.strerror}): give another place") from error
        written.append(target)
    return written


def _sizes(split: Split) -> str:
    """Width x height, or the range of it."""
    (low_height, low_width), (high_height, high_width) = split.smallest, split.largest
    low, high = f"{low_width}x{low_height}", f"{high_width}x{high_height}"
    return low if low == high else f"{low} to {high}"


def _kind(reason: str) -> str:
    """A reason without its numbers and details, to be counted."""
    text = reason.partition(" (")[0]
    return text.partition("pixels, ")[2] or text


def _some(lines: list[str], most: int | None) -> Iterator[str]:
    shown = lines if most is None else lines[:most]
    yield from (f"  {line}" for line in shown)
    if len(shown) < len(lines):
        yield f"  and {len(lines) - len(shown):,} more, --all lists them"


if __name__ == "__main__":
    sys.exit(main())
