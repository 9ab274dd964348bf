"""The command translates images, reports files that are none, and refuses mistakes in one line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.config import ModelSpec
from cyclegan.inference.files import plan_outputs
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes
from cyclegan.translate import main
from preprocess.images.decode import BrokenImage, decode
from tests.cyclegan.made_checkpoint import damage, write_checkpoint

ROOT = Path(__file__).parents[2]
TRAINED = {"preprocess": "resize_and_crop", "load_size": 16, "crop_size": 12}
UNKNOWN = "at native scale, as the checkpoint names no other"
AWKWARD = Path(os.environ.get("RINGCYCLE_TEST_DATA", "../shared/data")) / "awkward"


def save(path: Path, height: int, width: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return path


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def translate(*arguments: str | Path) -> int:
    return main([str(a) for a in arguments])


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_folder_with_broken_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path / "run")
    source = tmp_path / "in"
    save(source / "a.png", 37, 53)
    save(source / "a.bmp", 8, 9)
    save(source / "deep" / "[red]b.webp", 5, 70)
    (source / "deep" / "[bold]c.jpg").write_text("no image")
    (source / "d.png").write_bytes((source / "a.png").read_bytes()[:900])
    (source / "notes.txt").write_text("not meant")
    assert translate("--checkpoint", tmp_path / "run", "--direction", "AtoB", source, tmp_path / "out") == 1
    assert files(tmp_path / "out") == ["a.bmp.png", "a.png.png", "deep/[red]b.png"]
    assert size(tmp_path / "out/a.png.png") == (53, 37)
    assert size(tmp_path / "out/deep/[red]b.png") == (70, 5)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        f"{tmp_path / 'out'}: 3 translated, 2 skipped (AtoB, step 10 of {tmp_path / 'run/checkpoints/step-00000010'}, {UNKNOWN})"
    ]
    assert printed.err.splitlines() == [
        "left out: 1 .txt (no image format this version reads)",
        f"skipped: {source / 'd.png'}: truncated file",
        f"skipped: {source / 'deep/[bold]c.jpg'}: unknown image format",
    ]


def test_one_image_to_each_kind_of_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = write_checkpoint(tmp_path / "run")
    image = save(tmp_path / "a.png", 30, 20)
    for direction in ("AtoB", "BtoA"):
        for name in (f"{direction}.png", f"{direction}.JPG", direction):
            assert translate("--checkpoint", checkpoint, "--direction", direction, image, tmp_path / "out" / name) == 0
    assert files(tmp_path / "out") == ["AtoB.JPG", "AtoB.png", "AtoB/a.png", "BtoA.JPG", "BtoA.png", "BtoA/a.png"]
    ab, ba = (decode(tmp_path / "out" / f"{d}.png").astype(int) for d in ("AtoB", "BtoA"))
    np.testing.assert_array_equal(ab, decode(tmp_path / "out/AtoB/a.png"))
    assert np.abs(ab - ba).mean() > 10
    assert np.abs(ab - decode(tmp_path / "out/AtoB.JPG")).mean() < 12  # noise at quality 95; another image differs by 70
    with Image.open(tmp_path / "out/AtoB.JPG") as image:
        assert image.format == "JPEG"
    assert "1 translated, 0 skipped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sides"),
    [
        ([], (32, 16)),
        (["--restore-size"], (60, 30)),
        (["--scale", "native"], (60, 30)),
        (["--scale", "24"], (48, 24)),
        (["--scale", "24", "--restore-size"], (60, 30)),
    ],
)
def test_scales(arguments: list[str], sides: tuple[int, int], tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "run", fields={"data": TRAINED})
    image = save(tmp_path / "a.png", 30, 60)
    assert translate("--checkpoint", tmp_path / "run", "--direction", "AtoB", *arguments, image, tmp_path / "b.png") == 0
    assert size(tmp_path / "b.png") == sides


@pytest.mark.skipif(not AWKWARD.is_dir(), reason=f"no folder {AWKWARD}; RINGCYCLE_TEST_DATA names its parent")
def test_awkward_images_come_out_in_their_size_or_are_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path / "run")
    assert translate("--checkpoint", tmp_path / "run", "--direction", "BtoA", AWKWARD, tmp_path / "out") == 1
    for image, result in plan_outputs(AWKWARD, tmp_path / "out").items():
        try:
            height, width, _ = decode(image).shape
        except BrokenImage:
            assert not result.exists()
        else:
            assert size(result) == (width, height)
    printed = capsys.readouterr()
    assert "61 translated, 10 skipped" in printed.out
    assert sum(line.startswith("skipped: ") for line in printed.err.splitlines()) == 10  # beside lines of progress, if the machine is slow


def test_an_image_above_the_limit_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path / "run")
    large, _ = save(tmp_path / "in" / "a.png", 30, 20), save(tmp_path / "in" / "b.png", 20, 20)
    given = ("--checkpoint", tmp_path / "run", "--direction", "AtoB", "--max-megapixels", "5e-4")
    assert translate(*given, large, tmp_path / "out") == 2
    fact = "20x30 pixels, more than 0.0005 megapixels (--max-megapixels)"
    assert capsys.readouterr().err == f"error: INPUT = {large} cannot be translated: {fact}: raise that, or give a smaller image\n"
    assert translate(*given, tmp_path / "in", tmp_path / "out") == 1
    assert capsys.readouterr().err == f"skipped: {large}: {fact}\n"
    with pytest.raises(SystemExit, match="2"):
        translate(*given[:-1], "-1", large, tmp_path / "out")
    assert capsys.readouterr().err.endswith("error: argument --max-megapixels: -1 is not above 0\n")


def test_a_damaged_checkpoint_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path / "run", 9)
    damage(write_checkpoint(tmp_path / "run", 10))
    image = save(tmp_path / "a.png", 8, 8)
    assert translate("--checkpoint", tmp_path / "run", "--direction", "AtoB", image, tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert "step 9 of" in printed.out
    assert printed.err.startswith("damaged checkpoint skipped: ")


def test_results_that_cannot_be_written_are_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(tmp_path / "run")
    image = save(tmp_path / "a.png", 8, 8)
    (tmp_path / "file").write_text("x")
    assert translate("--checkpoint", tmp_path / "run", "--direction", "AtoB", image, tmp_path / "file" / "out") == 2
    assert "cannot be written (Not a directory)" in capsys.readouterr().err


MISTAKES = """
import sys
from cyclegan.inference.files import plan_outputs
from cyclegan.translate import main
good, text, empty = ["--checkpoint", "run", "--direction", "AtoB"], "notes.txt", "empty"
for arguments in (
    ["--checkpoint", "run", "--direction", "AtoC", "a.png", "out"],
    [*good, "--scale", "big", "a.png", "out"],
    [*good, "--memory", "2 towers", "a.png", "out"],
    ["--checkpoint", "nowhere", "--direction", "AtoB", "a.png", "out"],
    ["--checkpoint", "empty", "--direction", "AtoB", "a.png", "out"],
    [*good, "none.png", "out"],
    [*good, "empty", "out"],
    [*good, "notes.txt", "out"],
    [*good, ".", "."],
):
    assert main(arguments) == 2, arguments
assert "tensorflow" not in sys.modules
"""


def test_mistakes_cost_one_line_each_and_no_tensorflow(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "run")
    save(tmp_path / "a.png", 8, 8)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", MISTAKES], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "error: --direction = AtoC: there is no such direction: give AtoB or BtoA",
        "error: --scale = big: give trained, native, or the pixels of the shorter side, a number from 8 to 100,000",
        "error: --memory = 2 towers is no size: give one such as 2GiB or 1500MiB",
        "error: --checkpoint = nowhere does not exist: give the folder of a run, or of one of its checkpoints",
        "error: --checkpoint = empty has neither checkpoint.json nor a folder checkpoints: give the folder of a run or of a checkpoint",
        "error: INPUT = none.png does not exist: give an image or a folder of images",
        "error: INPUT = empty holds no images (it is empty): give a folder with JPEG, PNG, WebP or TIFF files",
        "error: INPUT = notes.txt cannot be translated: unknown image format: give an image, or a folder of images",
        "error: OUTPUT = . is in INPUT = ., among the images to read: give another folder",
    ]
    assert not (tmp_path / "out").exists()


def test_the_command_prints_nothing_but_the_result(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "run", fields={"data": TRAINED})
    save(tmp_path / "a.png", 9, 8)
    command = [sys.executable, "-m", "cyclegan.translate", "--checkpoint", "run", "--direction", "AtoB", "a.png", "out"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (
        done.stdout == "out/a.png: 1 translated, 0 skipped (AtoB, step 10 of run/checkpoints/step-00000010, at the trained scale, 16x16)\n"
    )
    assert size(tmp_path / "out/a.png") == (16, 18)


@pytest.mark.process
def test_a_death_in_tensorflow_names_its_cause(tmp_path: Path) -> None:
    """An unknown flag ends the process in C++, while its output is hidden."""
    write_checkpoint(tmp_path / "run")
    save(tmp_path / "a.png", 9, 8)
    command = [sys.executable, "-m", "cyclegan.translate", "--checkpoint", "run", "--direction", "AtoB", "a.png", "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_XLA_FLAGS": "--tf_xla_no_such_flag"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: native code ended this process: F") and done.stderr.count("\n") == 1
    assert done.stderr.endswith("Unknown flag in TF_XLA_FLAGS: --tf_xla_no_such_flag\n")


LARGE = """
import sys
from pathlib import Path
from cyclegan.translate import main
code = main(sys.argv[1:])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) * 1024)
sys.exit(code)
"""


@pytest.mark.process
def test_memory_stays_below_its_bound_and_the_result_the_same(tmp_path: Path) -> None:
    model = ModelSpec(filters=16, blocks=2, discriminator_filters=4)
    flat = np.random.default_rng(0).normal(0, 0.1, FlatParameters(generator_shapes(model)).size).astype(np.float32)
    write_checkpoint(tmp_path / "run", model=model, flat=flat)
    save(tmp_path / "a.png", 1499, 2003)

    def translated(memory: int, result: str) -> list[str]:
        arguments = ["--checkpoint", "run", "--direction", "AtoB", "--memory", str(memory), "--scale", "native", "a.png", result]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", LARGE, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{result}: 1 translated, 0 skipped (AtoB, step 10 of run/checkpoints/step-00000010")
        assert int(done.stdout.splitlines()[1]) <= memory
        return done.stderr.splitlines()

    # TensorFlow takes 0.6 GiB; the image at once 1.5 GiB more.
    stderr = translated(2**30, "strips.png")
    assert stderr[0] == "2003x1499 pixels are too many at once: in strips, with up to 275.2 MiB of files in /var/tmp"
    assert translated(4 * 2**30, "whole.png") == []
    strips, whole = (decode(tmp_path / name).astype(int) for name in ("strips.png", "whole.png"))
    assert np.std(whole) > 10 and np.abs(strips - whole).max() <= 1
