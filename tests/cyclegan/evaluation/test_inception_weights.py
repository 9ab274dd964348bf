"""The public file's names and shapes are required, its checksum is not; batch normalization is folded into the convolutions."""

import logging
from pathlib import Path

import numpy as np
import pytest

from cyclegan.evaluation import inception_weights
from cyclegan.evaluation.inception_shapes import convolution_shapes
from cyclegan.evaluation.inception_weights import FILE, SHA256, read_inception_weights
from ringcycle.errors import UserError
from tests.cyclegan.evaluation.inception_file import Arrays, formula_weights, write_formula_weights

FIRST = "Conv2d_1a_3x3"
STATISTICS = ("weight", "bias", "running_mean", "running_var")


def named_only() -> Arrays:
    """Every array that is needed, with one number each, but right shapes in the first layer."""
    arrays = {f"{name}.{part}": np.ones(1) for name in convolution_shapes() for part in ("conv.weight", *(f"bn.{s}" for s in STATISTICS))}
    first = {f"{FIRST}.conv.weight": np.ones((32, 3, 3, 3), np.float32), **{f"{FIRST}.bn.{s}": np.ones(32, np.float32) for s in STATISTICS}}
    return arrays | first


def refused(tmp_path: Path, arrays: Arrays) -> str:
    path = write_formula_weights(tmp_path / "weights.pth", arrays)
    with pytest.raises(UserError) as error:
        read_inception_weights(path)
    cure = f": give {FILE}, a release asset of github.com/mseitzer/pytorch-fid (sha256 {SHA256})"
    fact = str(error.value).removeprefix(f"{path} does not hold the weights of InceptionV3 that define FID (").removesuffix(f"){cure}")
    assert len(fact) < 150
    return fact


def test_other_weights_are_refused(tmp_path: Path) -> None:
    names = named_only()
    assert refused(tmp_path, {"model.1.weight": np.ones(3)}) == f"it has no {FIRST}.conv.weight"
    assert refused(tmp_path, names | {"AuxLogits.fc.bias": np.ones(3)}) == "it has AuxLogits.fc.bias too"
    assert refused(tmp_path, names) == "its Conv2d_2a_3x3.conv.weight is float64 [1], not float32 [32, 32, 3, 3]"
    whole = names | {f"{FIRST}.bn.bias": np.ones(32, np.int64)}
    assert refused(tmp_path, whole) == f"its {FIRST}.bn.bias is int64 [32], not float32 [32]"
    for statistic, number in (("weight", np.nan), ("running_mean", np.inf), ("running_var", -1)):
        name = f"{FIRST}.bn.{statistic}"
        assert refused(tmp_path, names | {name: np.full(32, number, np.float32)}) == f"its {name} holds numbers that no training gives"


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "inception.pb"
    path.write_bytes(b"\n\1\0")
    with pytest.raises(UserError, match=rf"^{path} is not a PyTorch state dict that can be used \(.*\): give {FILE}, a release asset of"):
        read_inception_weights(path)


def test_folding(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    arrays = formula_weights()
    path = write_formula_weights(tmp_path / "weights.pth", arrays)
    layers = read_inception_weights(path)
    assert list(layers) == list(convolution_shapes())
    [warning] = caplog.messages
    assert warning.startswith(f"{path} is not {FILE} (its sha256 is ") and warning.endswith("): FID and KID by it compare with no others")

    name = "Mixed_6b.branch7x7_2"
    kernel, bias = layers[name]
    assert kernel.shape == (1, 7, 128, 128) and kernel.dtype == bias.dtype == np.float32
    patch = np.random.default_rng(0).standard_normal((1, 7, 128))
    given = {part: arrays[f"{name}.{part}"].astype(np.float64) for part in ("conv.weight", *(f"bn.{s}" for s in STATISTICS))}
    convolved = np.einsum("hwc,kchw->k", patch, given["conv.weight"])
    normalized = (convolved - given["bn.running_mean"]) / np.sqrt(given["bn.running_var"] + 0.001)
    wanted = normalized * given["bn.weight"] + given["bn.bias"]
    np.testing.assert_allclose(np.einsum("hwc,hwck->k", patch, kernel) + bias, wanted, atol=1e-5)


def test_the_public_file_needs_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    layer = {name: array for name, array in named_only().items() if name.startswith(FIRST)}
    path = write_formula_weights(tmp_path / FILE, layer)
    monkeypatch.setattr(inception_weights, "convolution_shapes", lambda: {FIRST: (32, 3, 3, 3)})
    with caplog.at_level(logging.WARNING):
        read_inception_weights(path)
        [warning] = caplog.messages
        monkeypatch.setattr(inception_weights, "SHA256", warning.split("its sha256 is ")[1][:64])
        read_inception_weights(path)
        assert caplog.messages == [warning]
