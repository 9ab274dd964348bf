"""From a list of pairs, by name, to their images in the shards."""

from collections.abc import Sequence

import numpy as np

from preprocess.feed.pairs import Pairs
from preprocess.shards.cache import CacheSettings
from preprocess.shards.key_search import Place, find_keys
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import DAMAGE, ShardSet
from preprocess.sources.pair_list import NamedPair
from ringcycle.domains import DOMAINS, SPLITS, TEST_SPLITS, TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.options import suggestion
from ringcycle.storage.location import Location, redacted
from ringcycle.storage.store import Store

_AROUND = 8  # names before and after a missing one, among which a similar one is looked for


def find_pairs(field: str, pairs: Sequence[NamedPair], folder: Location, manifest: Manifest, cache: CacheSettings | None = None) -> Pairs:
    """The pairs as images of the train splits of `manifest`, whose shards are in `folder`.

    field: names the list in messages. Raises UserError, in one line, for the first name that no image for training has, for images of
    different sizes, which cannot be cropped alike, and if a shard cannot be read.
    """
    sets = {name: ShardSet(folder, split, cache) for name, split in manifest.splits.items()}
    try:
        numbers = [_numbers(field, pairs, domain, sets, manifest) for domain in range(2)]
        if len({size for split in TRAIN_SPLITS for size in (manifest.splits[split].smallest, manifest.splits[split].largest)}) > 1:
            _check_sizes(field, pairs, numbers, [sets[split] for split in TRAIN_SPLITS])
    except DAMAGE as error:
        label, fact = Store(folder).label(), redacted(error).partition("\n")[0]
        raise UserError(f"{field}: the images cannot be found, as {label} cannot be read ({fact}): rebuild it if it is damaged") from error
    order = np.argsort(numbers[0])
    a, b = (np.array(column, np.int64)[order] for column in numbers)
    return Pairs(a, b)


def _numbers(field: str, pairs: Sequence[NamedPair], domain: int, sets: dict[str, ShardSet], manifest: Manifest) -> list[int]:
    places = find_keys(sets[TRAIN_SPLITS[domain]], [pair.names[domain] for pair in pairs])
    for pair, place in zip(pairs, places, strict=True):
        if not place.present:
            name = pair.names[domain]
            raise UserError(f"{field}: record {pair.number} names {redacted(name)}, {_absence(name, place, domain, sets, manifest)}")
    return [place.at for place in places]


def _absence(name: str, place: Place, domain: int, sets: dict[str, ShardSet], manifest: Manifest) -> str:
    """Why a train split does not hold an image of this name, and what to do."""
    delete = "or delete the record"
    for rejected in manifest.rejected:
        if rejected.path == name:
            return f"which was rejected ({rejected.reason}): replace the image, {delete}"
    for duplicate in manifest.duplicates:
        if duplicate.path == name and duplicate.dropped:
            return f"which was dropped, being the same file as {duplicate.of}: name that one, {delete}"
    for split in SPLITS:
        if split in sets and find_keys(sets[split], [name])[0].present:
            if split in TEST_SPLITS:
                return f"which is held out for testing ({split}): name an image for training, {delete}"
            return f"which is an image of {DOMAINS[1 - domain]}: exchange the columns of this record, {delete}"
    shards = sets[TRAIN_SPLITS[domain]]
    longer = f"{shards.key(0).partition('/')[0]}/{name}"  # perhaps without the folder that names begin with
    near = [shards.key(i) for i in range(max(0, place.at - _AROUND), min(len(shards), place.at + _AROUND))]
    close = f", did you mean {longer}?" if find_keys(shards, [longer])[0].present else suggestion(name, near)
    return f"which is no image of {TRAIN_SPLITS[domain]}{close or ', whose names are such as ' + shards.key(0)}; correct it, {delete}"


def _check_sizes(field: str, pairs: Sequence[NamedPair], numbers: list[list[int]], sets: list[ShardSet]) -> None:
    for shards, column in zip(sets, numbers, strict=True):
        shards.prefetch(column)
    for pair, *both in zip(pairs, *numbers, strict=True):
        (height, width), other = (shards.image(i).shape[:2] for shards, i in zip(sets, both, strict=True))
        if (height, width) != other:
            fact = f"record {pair.number} pairs {pair.names[0]}, {width}x{height}, with {pair.names[1]}, {other[1]}x{other[0]}"
            raise UserError(f"{field}: {fact}: make them equal in size, use data.preprocess = resize_and_crop, or delete the record")
