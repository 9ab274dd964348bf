"""Checkpoints made by an attacker: sizes, types and names are checked before anything is read, and each is reported in one line."""

import hashlib
import io
import json
import resource
import struct
import zipfile
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.checkpoint import main as list_checkpoints
from cluster.checkpointing.resume import load_state
from cyclegan.checkpoint_files.arrays import expected_arrays
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import verify
from cyclegan.checkpoint_files.index import Part, read_index
from cyclegan.checkpoint_files.names import INDEX
from cyclegan.checkpoint_files.parts import read_arrays
from cyclegan.config import ImageFormat, ModelConfig, ModelSpec, TrainConfig
from cyclegan.evaluate import main as evaluate
from cyclegan.training.state import make_state
from cyclegan.translate import main as translate
from ringcycle.errors import UserError
from tests.cyclegan.made_checkpoint import MODEL, SIZE, weights, write_checkpoint

PART = "part-00000-x.npz"
LIMIT = 2**31  # bytes of address space beyond what is in use: an attack that asks for 4 GiB fails


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in members:
            made.writestr(name, content)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def encrypted() -> bytes:
    data = bytearray(archive(("generators.weights.npy", npy(weights()))))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


def one(content: bytes) -> bytes:
    return archive(("generators.weights.npy", content))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "4 MB that unpack to 4 GiB": lambda: archive(
        ("generators.weights.npy", header(f"({2**30},)") + bytes(2**22)), method=zipfile.ZIP_DEFLATED
    ),
    "a header that states 4 GiB": lambda: one(header(f"({2**30},)") + bytes(2**22)),
    "a shape beyond 64 bits": lambda: one(header(f"({10**30}, {10**30})")),
    "a negative shape": lambda: one(header("(-1,)")),
    "a shape that is no tuple": lambda: one(header("7")),
    "a nested header": lambda: one(header("(" * 3000 + ")" * 3000)),
    "a type that is none": lambda: one(header("(1,)", "'nonsense'")),
    "objects": lambda: one(npy(np.array([print], object))),
    "another type": lambda: one(npy(weights().astype(np.float64))),
    "another shape": lambda: one(npy(weights()[:-1])),
    "one weight too few in the file": lambda: one(npy(weights())[:-4]),
    "bytes after the array": lambda: one(npy(weights()) + b"x"),
    "two arrays of one name": lambda: archive(*[("generators.weights.npy", npy(weights()))] * 2),
    "a name outside the folder": lambda: archive(("../../elsewhere.npy", npy(weights()))),
    "a name with control characters": lambda: archive(("\x1b[2J\n.npy", npy(weights()))),
    "a plain .npy file": lambda: npy(weights()),
    "an encrypted archive": encrypted,
    "a compressed archive": lambda: archive(("generators.weights.npy", npy(weights())), method=zipfile.ZIP_LZMA),
    "an empty file": lambda: b"",
    "an unknown header": lambda: one(b"\x93NUMPY\x09\x00" + bytes(100)),
}


def forge(folder: Path, part: bytes | None = None, **fields: Any) -> None:
    """Replace the first part, or fields of the index, with matching checksums."""
    content = json.loads((folder / INDEX).read_text())
    if part is not None:
        (folder / PART).write_bytes(part)
        content["parts"][0] |= {"bytes": len(part), "sha256": hashlib.sha256(part).hexdigest()}
    content |= fields
    index = read_index(folder).model_copy(update=content | {"parts": [Part.model_construct(**part) for part in content["parts"]]})
    seal = json.loads(index.model_dump_json(exclude={"sha256"}, warnings=False))
    text = index.model_dump_json(exclude={"sha256", "pairs"}, warnings=False)  # without pairs, as `Index.seal`
    (folder / INDEX).write_text(json.dumps({**seal, "sha256": hashlib.sha256(text.encode()).hexdigest()}))


@pytest.fixture
def little_memory() -> Any:
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.usefixtures("little_memory")
def test_hostile_parts_are_damaged(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_checkpoint(tmp_path / "run")
    forge(folder, HOSTILE[kind]())
    with pytest.raises(DamagedCheckpoint) as caught:
        verify(folder)
    assert str(caught.value).startswith(f"{folder / PART}: ")
    refused_everywhere(tmp_path, capsys)


def refused_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command reports it without a traceback, in lines that can be printed."""
    run = str(tmp_path / "run")
    folder = str(tmp_path / "run" / "checkpoints" / "step-00000010")
    assert list_checkpoints(["list", run]) == 1
    table = capsys.readouterr().out
    assert "damaged: " in table and len(table.splitlines()) == 2 and "\x1b" not in table
    (tmp_path / "a.png").write_bytes(b"")
    source = tmp_path / "source"
    for split, direction in (("testA", "AtoB"), ("testB", "BtoA")):
        for file in (source / split / "0.png", source / "truth" / direction / "0.png"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
    for checkpoint in (run, folder):
        assert translate(["--checkpoint", checkpoint, "--direction", "AtoB", str(tmp_path / "a.png"), str(tmp_path / "out")]) == 2
        assert evaluate(["--checkpoint", checkpoint, str(source)]) == 2
        lines = capsys.readouterr().err.splitlines()
        errors = [line for line in lines if line.startswith("error: --checkpoint = ")]
        assert len(errors) == 2
        assert all(line.startswith(("error: ", "damaged checkpoint skipped: ")) and line.isprintable() for line in lines), lines


@pytest.mark.parametrize(
    "name", ["../../../elsewhere.bin", "/etc/passwd", "part-00000-x.npz\n", "part-0000\u0660-x.npz", "part-00000-X.npz", ""]
)
def test_parts_outside_the_folder_are_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_checkpoint(tmp_path / "run")
    parts = json.loads((folder / INDEX).read_text())["parts"]
    if name.startswith(".."):
        (folder / name).resolve().write_bytes((folder / PART).read_bytes())
    forge(folder, parts=[{**parts[0], "file": name}, parts[1]])
    with pytest.raises(DamagedCheckpoint, match="parts: 0: file: String should match pattern"):
        verify(folder)
    forge(write_checkpoint(tmp_path / "run"), parts=[*parts, {**parts[0], "file": name}])
    with pytest.raises(DamagedCheckpoint, match="parts: 2: file: String should match pattern"):
        verify(folder)
    refused_everywhere(tmp_path, capsys)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: nested(100_000),
        lambda text: text.replace('"config": {', '"config": {"extra": {"a": ' + nested(100_000) + "},"),
        lambda text: text.replace('"config": {', '"config": {"extra": {"a": ' + nested(150) + "},"),
        lambda text: text.replace('"format": 4', '"format": 3').replace('"config": {', '"config": {"model": ' + nested(100_000) + ","),
        lambda text: text.replace('"step": 10', '"step": 0'),
        lambda text: text.replace('"step": 10', '"step": -10'),
        lambda text: text.replace('"step": 10', f'"step": {10**40}'),
        lambda text: text.replace('"position": 10', '"position": 1' + "0" * 5000),
        lambda text: text.replace('"workers": 2', '"workers": 99999999999'),
        lambda text: text.replace('"cycle_loss": null', '"cycle_loss": NaN'),
        lambda text: text.replace('"format": 4', '"format": 3').replace('"config": {', '"config": 7, "old": {'),
        lambda text: text.replace('"format": 4', '"format": 3').replace('"config": {', '"config": {"train": 7,'),
        lambda text: text.replace('"format": 4', '"format": -1'),
        lambda text: '{"format": 3}',
        lambda text: "[3]",
    ],
)
def test_hostile_indexes_are_damaged(edit: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_checkpoint(tmp_path / "run")
    text = json.dumps(json.loads((folder / INDEX).read_text()))
    assert edit(text) != text
    (folder / INDEX).write_text(edit(text))
    with pytest.raises(DamagedCheckpoint) as caught:
        verify(folder)
    assert str(caught.value).startswith(f"{folder / INDEX}: ") and str(caught.value).isprintable()
    refused_everywhere(tmp_path, capsys)


def test_an_index_that_is_huge_is_not_read(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    with (folder / INDEX).open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(DamagedCheckpoint, match="larger than 16 MiB"):
        verify(folder)


def test_retention_of_nonsense_is_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path, fields={"run": {"keep": -1}})
    assert list_checkpoints(["list", str(tmp_path)]) == 0
    assert "newest" in capsys.readouterr().out


def test_the_arrays_of_a_state_are_the_expected_ones() -> None:
    sizes = ModelSpec(filters=6, blocks=2, channels_a=6, channels_b=1), ModelSpec(filters=4, channels_b=4)
    kinds = ModelSpec(filters=4, generator="unet", unet_depth=3, norm="batch", discriminator="pixel", spectral_norm=True)
    for spec in (MODEL, *sizes, kinds):
        train = TrainConfig(pool_size=3, batch=2)
        images = {name: getattr(spec, name) for name in ImageFormat.model_fields}
        model = ModelConfig(**{name: getattr(spec, name) for name in ModelConfig.model_fields})
        expected = expected_arrays({"model": model.model_dump(), "train": train.model_dump()}, ImageFormat(**images))
        arrays = {**make_state(spec, train, (24, 28)).views(shared=True), "pool.rows": np.arange(2)}
        assert expected.keys() == arrays.keys()
        for name, array in arrays.items():
            assert expected[name].fits(array.dtype, array.shape), name
            assert not expected[name].fits(array.dtype, (*array.shape, 1))
    assert expected_arrays({"model": {"norm": "layer"}, "train": {}}, ImageFormat()) == {}


def test_arrays_of_either_memory_order_come_back(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    arrays = {
        "c": np.arange(12).reshape(3, 4),
        "f": np.asfortranarray(np.arange(12).reshape(3, 4)),
        "none": np.zeros((0, 4)),
        "scalar": np.array(3),
    }
    file = io.BytesIO()
    np.savez(file, **arrays)
    forge(folder, archive(*[(f"{name}.npy", npy(array)) for name, array in arrays.items()]))
    found = read_arrays(folder, verify(folder).parts[0])
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    assert prod(weights().shape) == SIZE


def test_a_checkpoint_without_weights_does_not_resume(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    with pytest.raises(UserError, match=r"cannot be resumed from \(.*part-00000-x\.npz: pool\.images is missing\): delete it"):
        load_state(folder, np.arange(1))
    pools = {"pool.rows": np.arange(1), "pool.images": np.zeros((2, 1, 50, 8, 8, 3), np.float32), "pool.filled": np.zeros((2, 1, 50), bool)}
    forge(folder, archive(*[(f"{name}.npy", npy(array)) for name, array in pools.items()]))
    verify(folder)
    with pytest.raises(UserError, match=r"cannot be resumed from \(generators\.weights is missing\)"):
        load_state(folder, np.arange(1))
    with pytest.raises(UserError, match=r"the image pools of row 7 are missing"):
        load_state(folder, np.array([7]))
