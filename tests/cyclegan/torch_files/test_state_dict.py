"""State dicts that PyTorch wrote are read as PyTorch reads them; whatever else a file holds is refused in one line."""

import random
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cyclegan.torch_files.broken import BrokenTorchFile
from cyclegan.torch_files.pickle_writer import call, name, pickled, value
from cyclegan.torch_files.state_dict import MOST_BYTES, parse, read_state_dict
from ringcycle.errors import UserError
from tests.cyclegan.torch_files.written import dictionary, legacy, storage, tensor, zipped

FOLDER = Path(__file__).parent
COUNTED = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
TENSORS = {
    "single": COUNTED,
    "transposed": COUNTED.transpose(2, 0, 1),
    "row": COUNTED[1, 2],
    "double": np.array([1 / 3, -1e300]),
    "half": np.array([0.5, -65504], np.float16),
    "brain": np.array([[1, 75 * 2.0**120], [-3.140625, 0]], np.float32),  # 1e38, rounded to 8 bits
    "whole": np.array(2**62),
    "byte": np.array([0, 255], np.uint8),
    "parameter": np.array([2.5], np.float32),
}
"""What `make_files` put into its files."""

NETWORK = {"0.weight": (3, 2, 1, 1), **dict.fromkeys(["0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"], (3,))}
ONE = storage("0", 6)
SIX = np.arange(6, dtype=np.float32).tobytes()


def reason(data: bytes) -> str:
    with pytest.raises(BrokenTorchFile) as error:
        parse(data)
    assert str(error.value).isprintable() and len(str(error.value)) < 200
    return str(error.value)


def one_tensor(tensor: bytes, content: bytes = SIX) -> bytes:
    return zipped(pickled(dictionary({"x": tensor})), {"0": content})


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_files_of_pytorch(kind: str) -> None:
    arrays = read_state_dict(FOLDER / f"tensors.{kind}.pth", "").arrays
    assert list(arrays) == list(TENSORS)
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, TENSORS[key], strict=True)
        assert not array.flags.writeable
    network = read_state_dict(FOLDER / f"network.{kind}.pth", "").arrays
    assert {key: array.shape for key, array in network.items()} == {**NETWORK, "1.num_batches_tracked": ()}
    assert [set(array.ravel().tolist()) for array in network.values()] == [{i} for i in range(7)]


def test_the_checksum_is_that_of_the_file() -> None:
    checksum = read_state_dict(FOLDER / "network.legacy.pth", "").sha256
    assert checksum == "cfa35fd2bc0417bb86b592c039d25f1bd37c65498a7299b7a1399a9efc879d86"


def test_arrays_are_not_copied() -> None:
    content = np.arange(1 << 20, dtype=np.float32)
    array = parse(zipped(pickled(dictionary({"a": tensor(storage("0", content.size), content.shape)})), {"0": content.tobytes()}))["a"]
    np.testing.assert_array_equal(array, content)
    assert not array.flags.owndata


def test_dictionaries_of_python_2() -> None:
    pairs = b"](" + b"](" + value("x") + tensor(ONE, (2, 3)) + b"ee"
    ordered = name("collections", "OrderedDict") + pairs + b"\x85R"
    for data in (zipped(pickled(ordered), {"0": SIX}), legacy(pickled(ordered), {"0": (6, SIX)})):
        np.testing.assert_array_equal(parse(data)["x"], np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_truncated_files_are_refused(kind: str) -> None:
    data = (FOLDER / f"network.{kind}.pth").read_bytes()
    for length in range(0, len(data), 3):
        reason(data[:length])


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_altered_files_are_read_or_refused(kind: str) -> None:
    data = (FOLDER / f"tensors.{kind}.pth").read_bytes()
    draws = random.Random(0)
    for _ in range(300):
        altered = bytearray(data)
        for _ in range(draws.randint(1, 3)):
            altered[draws.randrange(len(data))] = draws.randrange(256)
        try:
            arrays = parse(bytes(altered))
        except BrokenTorchFile:
            continue
        assert sum(array.nbytes for array in arrays.values()) <= 4 * len(data)


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((7,), (1,), 0),
        ((6,), (1,), 1),
        ((2, 3), (4, 1), 0),
        ((6,), (-1,), 5),
        ((1,), (1,), -1),
        ((-2, -3), (3, 1), 0),
        ((0, 3), (3, 1), 0),
        ((1000, 1000), (0, 0), 0),  # a million times one number
        ((2**62, 2**62), (1, 1), 0),
        ((2**200,), (2**200,), 2**200),
        ((2, 2**63), (1, 0), 0),
    ],
)
def test_tensors_beyond_their_storage(shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> None:
    expected = "a tensor is empty, or reaches beyond the 6 elements of its storage"
    assert reason(one_tensor(tensor(ONE, shape, strides, offset))) == expected


@pytest.mark.parametrize(
    "made",
    [
        tensor(ONE, (1,) * 17),
        tensor(ONE, (2, 3), (1,)),
        call("torch._utils", "_rebuild_tensor_v2", ONE, 0, ("a",), (1,), False, b"}"),
        call("torch._utils", "_rebuild_tensor_v2", ONE, 0, (2,), (1,), False),
        call("torch._utils", "_rebuild_tensor_v2", ONE, 0, (2,), (1,), False, b"}", dictionary({"conj": value(True)})),
        call("torch._utils", "_rebuild_tensor_v2", "0", 0, (2,), (1,), False, b"}"),
        tensor(ONE, (call("torch", "Size", (2,)),)),
    ],
)
def test_tensors_of_unknown_forms(made: bytes) -> None:
    assert reason(one_tensor(made)) == "it holds a tensor of an unknown form"


def test_other_storages() -> None:
    stated = "its storage 0 is empty, or does not have the stated number of elements"
    for elements in (5, 7, -6, 2**70):
        assert reason(one_tensor(tensor(storage("0", elements), (2,)))) == stated
    assert reason(one_tensor(tensor(storage("0", 0), (2,)), b"")) == stated
    assert reason(one_tensor(tensor(storage("0", 6, "ComplexFloatStorage"), (2,)))).startswith("it names torch.ComplexFloatStorage, ")
    assert reason(one_tensor(tensor(storage("1", 6), (2,)))) == "it has no entry archive/data/1"
    plain = "it holds something other than tensors on plain storages"
    assert reason(one_tensor(tensor(storage("0", 6, "FloatStorage", ("1", 0, 3)), (2,)))) == plain
    assert reason(one_tensor(value("module") + b"Q")) == plain
    twice = pickled(dictionary({"x": tensor(ONE, (2,)), "y": tensor(storage("0", 3, "DoubleStorage"), (2,))}))
    for data in (zipped(twice, {"0": SIX}), legacy(twice, {"0": (6, SIX)})):
        assert reason(data) == "its storage 0 is described in two ways"


def test_what_is_no_state_dict() -> None:
    for plain in (value("text"), value((1, 2)), b"}", tensor(ONE, (2,))):
        assert reason(zipped(pickled(plain), {"0": SIX})) == "it holds no dictionary of tensors"
    whole = dictionary({"x": tensor(ONE, (2,)), "epoch": value(3)})
    assert reason(zipped(pickled(whole), {"0": SIX})) == "its entry epoch is no tensor"
    module = call("models.networks", "ResnetGenerator")
    assert reason(zipped(pickled(module), {})) == "it names models.networks.ResnetGenerator, and only tensors are read"


def test_zip_files_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/readme", "")
    assert reason(path.read_bytes()) == "it is a zip file without the one entry data.pkl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickled(b"}"))
        archive.writestr("a/byteorder", "big")
    assert reason(path.read_bytes()) == "its numbers are big-endian"


def test_legacy_files_of_other_kinds() -> None:
    x = pickled(dictionary({"x": tensor(storage("0", 6, "FloatStorage", None), (2, 3))}))
    good = legacy(x, {"0": (6, SIX)})
    np.testing.assert_array_equal(parse(good)["x"], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(parse(good + b"more")["x"], np.arange(6).reshape(2, 3))
    elements = "it is cut off, or a storage does not have the stated number of elements"
    assert reason(legacy(x, {"0": (5, SIX)})) == elements
    huge = pickled(dictionary({"x": tensor(storage("0", 2**62), (2,))}))
    assert reason(legacy(huge, {"0": (2**62, SIX)})) == elements
    negative = pickled(dictionary({"x": tensor(storage("0", -2), (2,))}))
    assert reason(legacy(negative, {"0": (-2, SIX)})) == elements
    for others in ({}, {"1": (6, SIX)}, {"0": (6, SIX), "1": (6, SIX)}):
        assert reason(legacy(x, others)) == "its list of storages is not that of its tensors"
    assert reason(pickled(3)) == "it is a pickle, but not of torch.save"
    assert reason(good.replace(b"\x88", b"\x89", 1)) == "it was written by an unknown version, or on a big-endian machine"
    assert reason(good.replace(struct.pack("<i", 1001), struct.pack("<i", 1002), 1)).startswith("it was written by an unknown version")


def test_files_that_are_none(tmp_path: Path) -> None:
    path, cure = tmp_path / "weights.pth", "give another"
    for content in (b"", b"<!DOCTYPE html>", b"\x89HDF\r\n", b"\x80\4K\1."):
        path.write_bytes(content)
        with pytest.raises(UserError) as error:
            read_state_dict(path, cure)
        fact = "it does not begin as torch.save's files do"
        assert str(error.value) == f"{path} is not a PyTorch state dict that can be used ({fact}): give another"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(UserError, match=r"weights\.pth is not .* \(it has more than 1 GiB\): give another$"):
        read_state_dict(path, cure)
    for missing in (tmp_path / "missing", tmp_path):
        with pytest.raises(UserError, match=r"\(there is no such file\): give another$"):
            read_state_dict(missing, cure)
