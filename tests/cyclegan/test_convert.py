"""Weights of the reference become a run that translates, and come back; each mistake costs one line."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cyclegan
from cluster.checkpointing.resume import load_weights
from cluster.driver.start_from import start_weights
from cluster.load_config import load_config
from cyclegan.checkpoint_files.arrays import DISCRIMINATOR_WEIGHTS, WEIGHTS
from cyclegan.checkpoint_files.folders import verify
from cyclegan.config import ImageFormat, ModelSpec
from cyclegan.conversion.writing import TrainedNetworks
from cyclegan.convert import main
from cyclegan.evaluate import main as evaluate
from cyclegan.inference.generator_checkpoint import read_generators
from cyclegan.torch_files.pickle_writer import call, pickled
from cyclegan.torch_files.state_dict import read_state_dict
from cyclegan.translate import main as translate
from ringcycle.errors import UserError
from tests.cyclegan.conversion.computed import computed
from tests.cyclegan.conversion.formula import BLOCKS, FILTERS, KINDS, NETWORKS
from tests.cyclegan.conversion.reference import Arrays, reference_state_dicts, write_files
from tests.cyclegan.made_checkpoint import write_checkpoint
from tests.cyclegan.torch_files.written import zipped

ROOT = Path(__file__).parents[2]
TORCH = os.environ.get("RINGCYCLE_TEST_TORCH", "")
SIZES = f"{FILTERS} filters, {BLOCKS} blocks, 3 and 3 channels, {FILTERS} discriminator filters"


def convert(*arguments: str | Path) -> int:
    return main([str(a) for a in arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert convert(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: ") and printed.err.count("\n") == 1
    return printed.err.removeprefix("error: ").removesuffix("\n")


def image(path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 26, 3), np.uint8)).save(path)
    return path


def state_dicts(folder: Path) -> dict[str, Arrays]:
    return {network: read_state_dict(path, "").arrays for network in NETWORKS if (path := folder / f"latest_net_{network}.pth").exists()}


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_in_and_out(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, result = write_files(tmp_path / "horses", reference_state_dicts(), kind), tmp_path / "run"
    assert convert(source, result) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"G_AB from {source}/latest_net_G_A.pth",
        f"G_BA from {source}/latest_net_G_B.pth",
        f"D_B from {source}/latest_net_D_A.pth",
        f"D_A from {source}/latest_net_D_B.pth",
        "left out: 24 biases before instance norms, on which no result depends",
        f"{result}: a run with {SIZES}",
        f"train on from it: --run.start_from {result} --model.filters 4 --model.blocks 2 --model.discriminator_filters 4",
    ]
    verify(result / "checkpoints" / "step-00000001")
    assert convert(result, tmp_path / "back") == 0
    checkpoint = result / "checkpoints/step-00000001"
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/back/latest_net_G_A.pth from G_AB",
        f"{tmp_path}/back/latest_net_G_B.pth from G_BA",
        f"{tmp_path}/back/latest_net_D_A.pth from D_B",
        f"{tmp_path}/back/latest_net_D_B.pth from D_A",
        "the reference has no --netG for this generator: its define_G must make it",
        f"{tmp_path}/back: step 1 of {checkpoint}; options of the reference: --model cycle_gan --ngf 4 --input_nc 3 --output_nc 3 "
        "--norm instance --netD basic --ndf 4",
    ]
    for network, arrays in state_dicts(tmp_path / "back").items():
        theirs = reference_state_dicts()[network]
        assert list(arrays) == list(theirs)
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, theirs[key] if array.any() else np.zeros_like(theirs[key]), strict=True)
    # Biases before norms are zero by now: the second way changes nothing.
    assert convert(tmp_path / "back", tmp_path / "again") == 0
    assert "left out" not in capsys.readouterr().out
    np.testing.assert_array_equal(read_generators(tmp_path / "again").weights, read_generators(result).weights)


def test_a_run_from_it_translates_and_starts_another(tmp_path: Path) -> None:
    source, result = write_files(tmp_path / "horses", reference_state_dicts(), epoch="200"), tmp_path / "run"
    assert convert(source, result, "--epoch", "200", "--load-size", "24", "--crop-size", "20") == 0
    assert translate(["--checkpoint", str(result), "--direction", "BtoA", str(image(tmp_path / "a.png")), str(tmp_path / "b.png")]) == 0
    with Image.open(tmp_path / "b.png") as translated:
        assert translated.size == (24, 28)
    assert cyclegan.load(result, "AtoB", scale="native").translate(np.zeros((9, 8, 3), np.uint8)).shape == (9, 8, 3)
    sizes = ["--model.filters", "4", "--model.blocks", "2", "--model.discriminator_filters", "4", "--run.start_from", str(result)]
    start = start_weights(load_config(sizes, {}), ImageFormat())
    assert start == result / "checkpoints/step-00000001"
    np.testing.assert_array_equal(load_weights(start)["generators.weights"], read_generators(result).weights)


@pytest.mark.parametrize(
    ("name", "arguments", "direction"),
    [
        ("horse2zebra.pth", [], "AtoB"),
        ("horse2zebra.pth", ["--direction", "BtoA"], "BtoA"),
        ("latest_net_G_B.pth", [], "BtoA"),
        ("latest_net_G_B.pth", ["--direction", "AtoB"], "AtoB"),
    ],
)
def test_a_single_generator(name: str, arguments: list[str], direction: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(tmp_path, {"G": reference_state_dicts()["G_A"]}, epoch="x")
    file = (tmp_path / "x_net_G.pth").rename(tmp_path / name)
    assert convert(file, tmp_path / "run", *arguments) == 0
    other = "BtoA" if direction == "AtoB" else "AtoB"
    here, there = (f"G_{each.replace('to', '')}" for each in (direction, other))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{here} from {file}"
    assert f"{there} is missing and starts anew; {other} is not translated before it is trained" in lines
    assert {"D_A is missing and starts anew", "D_B is missing and starts anew"} < set(lines)
    given_image = image(tmp_path / "a.png")
    given = ["--checkpoint", str(tmp_path / "run"), "--scale", "native", str(given_image), str(tmp_path / "b.png"), "--direction"]
    assert translate([*given, direction]) == 0
    capsys.readouterr()
    assert translate([*given, other]) == evaluate(["--checkpoint", str(tmp_path / "run"), str(tmp_path)]) == 2
    checkpoint = tmp_path / "run/checkpoints/step-00000001"
    fact = f"{other}: {checkpoint} was converted without a generator of this direction"
    cure = f"give {direction}, or train a run that starts from it"
    both = f"{checkpoint} was converted without a generator of {other}: give one with both, or train a run that starts from it"
    assert capsys.readouterr().err.splitlines() == [f"error: --direction = {fact}: {cure}", f"error: --checkpoint = {both}"]
    with pytest.raises(UserError, match=f"^direction = {other}: "):
        cyclegan.load(tmp_path / "run", other)  # type: ignore[arg-type]
    assert convert(tmp_path / "run", tmp_path / "back") == 0
    assert len(state_dicts(tmp_path / "back")) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:4] == [f"{name} is not written: it was never trained" for name in (there, "D_B", "D_A")]
    suffix = "_A" if direction == "AtoB" else "_B"
    options = f"--model test --model_suffix {suffix} --no_dropout --ngf 4 --input_nc 3 --output_nc 3 --norm instance"
    assert lines[-1].endswith(f"options of the reference: {options}")


def test_a_unet_with_batch_norms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(write_files(tmp_path / "maps", reference_state_dicts("unet_batch")), tmp_path / "run") == 0
    generator = "--model.generator unet --model.filters 4 --model.unet_depth 5 --model.norm batch"
    options = f"{generator} --model.discriminator pixel --model.discriminator_filters 4"
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{tmp_path}/run: a run with 4 filters, unet that halves 5 times, 3 and 3 channels, 4 discriminator filters",
        f"train on from it: --run.start_from {tmp_path}/run {options}",
    ]
    given = ["--checkpoint", str(tmp_path / "run"), "--direction", "AtoB", "--scale", "native"]
    assert translate([*given, str(image(tmp_path / "a.png")), str(tmp_path / "b.png")]) == 0
    start_weights(load_config([*options.split(), "--run.start_from", str(tmp_path / "run")], {}), ImageFormat())
    capsys.readouterr()
    assert convert(tmp_path / "run", tmp_path / "back") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[4] == "running statistics of batch norms are initial ones: use the reference without --eval"
    assert lines[-1].endswith("--ngf 4 --input_nc 3 --output_nc 3 --norm batch --netD pixel --ndf 4")
    assert convert(tmp_path / "back", tmp_path / "again") == 0
    np.testing.assert_array_equal(read_generators(tmp_path / "again").weights, read_generators(tmp_path / "run").weights)


def test_what_the_reference_does_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(write_files(tmp_path / "horses", reference_state_dicts()), tmp_path / "run") == 0
    trained = TrainedNetworks(tmp_path / "run/checkpoints/step-00000001")
    for name, settings in (("spectral", {"spectral_norm": True}), ("resized", {"upsample": "resize"})):
        model = trained.model.model_copy(update=settings)
        flat, discriminators = trained.weights[WEIGHTS], trained.weights[DISCRIMINATOR_WEIGHTS]
        write_checkpoint(tmp_path / name, model=model, flat=flat, discriminators=discriminators)
    capsys.readouterr()
    assert convert(tmp_path / "spectral", tmp_path / "back") == 0
    lines = capsys.readouterr().out.splitlines()
    fact = "is not written: it has spectral norm, which the reference does not have"
    assert lines[2:4] == [f"D_B {fact}", f"D_A {fact}"] and "--netD" not in lines[-1]
    assert list(state_dicts(tmp_path / "back")) == ["G_A", "G_B"]
    checkpoint = tmp_path / "resized/checkpoints/step-00000010"
    expected = f"SOURCE = {checkpoint} has model.upsample = resize, which the reference does not have: give another one"
    assert refused(capsys, tmp_path / "resized", tmp_path / "out") == expected


def test_the_folder_of_the_test_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the reference's script places a published generator."""
    write_files(tmp_path / "horse2zebra_pretrained", {"G": reference_state_dicts()["G_A"]})
    assert convert(tmp_path / "horse2zebra_pretrained", tmp_path / "run") == 0
    assert capsys.readouterr().out.startswith(f"G_AB from {tmp_path}/horse2zebra_pretrained/latest_net_G.pth\n")


def test_the_average_is_written_where_there_is_one(tmp_path: Path) -> None:
    model = ModelSpec(filters=FILTERS, blocks=BLOCKS, discriminator_filters=FILTERS)
    write_files(tmp_path / "horses", reference_state_dicts())
    assert convert(tmp_path / "horses", tmp_path / "run") == 0
    trained = TrainedNetworks(tmp_path / "run/checkpoints/step-00000001")
    flat, discriminators = trained.weights[WEIGHTS], trained.weights[DISCRIMINATOR_WEIGHTS]
    average, fields = np.arange(flat.size, dtype=np.float32), {"train": {"ema": 0.9}}
    write_checkpoint(tmp_path / "ours", model=model, flat=flat, average=average, fields=fields, discriminators=discriminators)
    assert convert(tmp_path / "ours", tmp_path / "back", "--epoch", "5") == 0
    written = read_state_dict(tmp_path / "back/5_net_G_A.pth", "").arrays
    assert written["model.1.weight"][0, 0, 0, 0] == average[0] != flat[0]


def test_mistakes_cost_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = write_files(tmp_path / "horses", reference_state_dicts(), epoch="latest"), tmp_path / "out"
    write_files(source, {"G_A": reference_state_dicts()["G_A"]}, epoch="5")
    fact = f"--epoch = 6, but SOURCE = {source} has no networks of it: give one of 5, latest"
    assert refused(capsys, source, out, "--epoch", "6") == fact
    assert refused(capsys, source, out, "--direction", "AtoC") == "--direction = AtoC: there is no such direction: give AtoB or BtoA"
    assert refused(capsys, source, out, "--crop-size", "300").startswith("--crop-size = 300, but --load-size = 286: give the sizes of the")
    assert refused(capsys, source, source) == f"OUTPUT = {source} is not empty: give a new folder"
    cure = "give a .pth file of a generator, or a folder with latest_net_G_A.pth and the like"
    (tmp_path / "d").mkdir()
    (source / "latest_net_D_A.pth").rename(tmp_path / "d/latest_net_D_A.pth")
    assert refused(capsys, tmp_path / "d", out) == f"SOURCE = {tmp_path}/d has no generator of --epoch = latest: {cure}"
    (tmp_path / "empty").mkdir()
    assert refused(capsys, tmp_path / "empty", out) == f"SOURCE = {tmp_path}/empty is empty: {cure}, or the folder of a run"
    assert refused(capsys, tmp_path / "none", out).startswith(f"SOURCE = {tmp_path}/none does not exist: give the folder of a run")
    module = tmp_path / "latest_net_G_A.pth"
    module.write_bytes(zipped(pickled(call("models.networks", "ResnetGenerator")), {}))
    fact = "it names models.networks.ResnetGenerator, and only tensors are read"
    assert refused(capsys, module, out) == f"{module} is not a PyTorch state dict that can be used ({fact}): {cure}"
    assert not out.exists()


def test_files_that_are_there_are_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(tmp_path / "horses", reference_state_dicts())
    assert convert(tmp_path / "horses", tmp_path / "run") == 0
    capsys.readouterr()
    expected = f"OUTPUT = {tmp_path}/horses has a latest_net_G_A.pth already: give another folder, or another --epoch"
    assert refused(capsys, tmp_path / "run", tmp_path / "horses") == expected


@pytest.mark.skipif(not TORCH, reason="RINGCYCLE_TEST_TORCH names no interpreter with PyTorch")
def test_with_pytorch(tmp_path: Path) -> None:
    """PyTorch's own files of all kinds, in both formats, for domains of 3 channels and 1; and back into PyTorch's networks."""

    def torch(command: str, folder: Path) -> None:
        arguments = [TORCH, "-m", "tests.cyclegan.conversion.torch_networks", command, str(folder)]
        done = subprocess.run(arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    torch("save", tmp_path)
    for kind in KINDS:
        assert convert(tmp_path / kind, tmp_path / f"{kind} run") == 0
        trained = TrainedNetworks(tmp_path / f"{kind} run/checkpoints/step-00000001")
        with np.load(tmp_path / f"{kind}.npz") as expected:
            for network, result in computed(trained.weights, trained.model.model_copy(update={"convolution": "plain"})).items():
                np.testing.assert_allclose(result, expected[network], rtol=0, atol=1e-4, err_msg=f"{kind} {network}")
        assert convert(tmp_path / f"{kind} run", tmp_path / "back" / kind) == 0
    torch("check", tmp_path / "back")
