"""Shards return the images that were written, as views of the files."""

import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from preprocess.images.decoded_image import ImageArray
from preprocess.shards.manifest import Split
from preprocess.shards.shard_set import ShardSet, write_shard


def some(count: int, dtype: type, channels: int = 3, seed: int = 0) -> list[ImageArray]:
    """Images of different sizes."""
    random = np.random.default_rng(seed)
    shapes = [(3 + i, 5 - i % 3, channels) for i in range(count)]
    return [random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True) for shape in shapes]


def write_set(folder: Path, groups: list[list[ImageArray]]) -> Split:
    shards = []
    for n, group in enumerate(groups):
        keys = [f"trainA/{n}-{i} é.png" for i in range(len(group))]
        shards.append(write_shard(folder / f"trainA-{n:05d}.arrow", keys, group))
    return Split(count=sum(shard.count for shard in shards), shards=shards, smallest=(1, 1), largest=(64, 64))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_images_come_back_exactly(tmp_path: Path, dtype: type, channels: int) -> None:
    groups = [some(3, dtype, channels, seed=1), some(1, dtype, channels, seed=2), some(4, dtype, channels, seed=3)]
    shards = ShardSet(tmp_path, write_set(tmp_path, groups))
    flat = [image for group in groups for image in group]
    assert len(shards) == 8
    for i in [7, 0, 3, 4, 1, 2, 6, 5]:
        assert shards.image(i).dtype == dtype
        np.testing.assert_array_equal(shards.image(i), flat[i])
    assert shards.key(3) == "trainA/1-0 é.png"


def test_index_out_of_range(tmp_path: Path) -> None:
    shards = ShardSet(tmp_path, write_set(tmp_path, [some(2, np.uint8)]))
    for i in (-1, 2):
        with pytest.raises(IndexError, match="of 2"):
            shards.image(i)


def test_an_image_is_a_read_only_view_of_the_mapped_file_and_no_descriptor_stays_open(tmp_path: Path) -> None:
    shards = ShardSet(tmp_path, write_set(tmp_path, [some(2, np.uint8), some(2, np.uint8)]))
    before = set(os.listdir("/proc/self/fd"))
    image = shards.image(2)
    assert not image.flags.writeable and not image.flags.owndata
    address = image.__array_interface__["data"][0]
    assert mapped_file(address) == str(tmp_path / "trainA-00001.arrow")
    assert not [n for n in set(os.listdir("/proc/self/fd")) - before if "arrow" in readlink(n)]
    del shards
    assert mapped_file(address) == str(tmp_path / "trainA-00001.arrow")
    image.sum()


def test_files_are_opened_when_first_needed(tmp_path: Path) -> None:
    split = write_set(tmp_path, [some(2, np.uint8), some(2, np.uint8)])
    (tmp_path / "trainA-00001.arrow").unlink()
    shards = ShardSet(tmp_path, split)
    shards.image(1)
    with pytest.raises(OSError, match="trainA-00001"):
        shards.image(2)


def test_equal_images_give_equal_bytes(tmp_path: Path) -> None:
    one, two, other = (tmp_path / name for name in ("one.arrow", "two.arrow", "other.arrow"))
    assert write_shard(one, ["a", "b"], some(2, np.uint8)).sha256 == write_shard(two, ["a", "b"], some(2, np.uint8)).sha256
    assert one.read_bytes() == two.read_bytes()
    assert write_shard(other, ["a", "c"], some(2, np.uint8)).sha256 != write_shard(two, ["a", "b"], some(2, np.uint8)).sha256


def test_non_contiguous_images_are_stored_in_order(tmp_path: Path) -> None:
    image = some(1, np.uint8)[0][::-1, ::-1]
    shards = ShardSet(tmp_path, write_set(tmp_path, [[image]]))
    np.testing.assert_array_equal(shards.image(0), image)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        write_shard(tmp_path / "x.arrow", [], [])
    with pytest.raises(ValueError, match="differ"):
        write_shard(tmp_path / "x.arrow", ["a", "b"], [some(1, np.uint8)[0], some(1, np.uint16)[0]])
    with pytest.raises(OSError):
        write_shard(tmp_path / "absent" / "x.arrow", ["a"], some(1, np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_view_travels_to_another_process_as_its_pixels(tmp_path: Path) -> None:
    image = ShardSet(tmp_path, write_set(tmp_path, [some(2, np.uint16)])).image(1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image)), image)


def test_many_images_are_many_record_batches_of_an_ordinary_arrow_file(tmp_path: Path) -> None:
    images = [np.full((400, 500, 3), i, np.uint8) for i in range(7)]  # 600,000 bytes: one record batch each
    shards = ShardSet(tmp_path, write_set(tmp_path, [images, some(3, np.uint8)]))
    for i, image in enumerate(images):
        np.testing.assert_array_equal(shards.image(i), image)
    np.testing.assert_array_equal(shards.image(9), some(3, np.uint8)[2])
    table = pa.ipc.open_file(tmp_path / "trainA-00000.arrow")
    assert table.num_record_batches == 7 and table.read_all()["key"].to_pylist() == [f"trainA/0-{i} é.png" for i in range(7)]


def test_damage_is_found_by_checksum_when_the_image_is_read(tmp_path: Path) -> None:
    split = write_set(tmp_path, [[np.full((400, 500, 3), i, np.uint8) for i in range(3)]])
    path = tmp_path / "trainA-00000.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # in the second of three
    path.write_bytes(content)
    shards = ShardSet(tmp_path, split)
    assert shards.image(0)[0, 0, 0] == 0 and shards.image(2)[0, 0, 0] == 2
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^its images 1 to 1 are damaged: their CRC-32 is [0-9a-f]{8}, but [0-9a-f]{8} was written"):
            shards.image(1)


def mapped_file(address: int) -> str:
    """The file behind an address of this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, _, _, _, _, *name = line.split(maxsplit=5)
        low, high = (int(end, 16) for end in span.split("-"))
        if low <= address < high:
            return name[0] if name else ""
    return ""


def readlink(descriptor: str) -> str:
    """The file of a descriptor; empty if it has been closed."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""
