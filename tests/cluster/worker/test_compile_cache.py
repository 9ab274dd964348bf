"""The compile cache: where it lies, and what TensorFlow makes of its path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.paths import compile_cache, processor_kind, tensorflow_version
from ringcycle.errors import UserError
from tests.ray_nodes import ROOT

COMPILE = """
import sys
from pathlib import Path
from cluster.worker.compile_cache import set_up_xla
set_up_xla(Path(sys.argv[1]))
import tensorflow as tf
tf.function(lambda x: x @ x + 1, jit_compile=True)(tf.ones([8, 8]))
"""


@pytest.mark.parametrize("name", ["with a blank", "it's", 'a "quoted" \\ name'])
def test_programs_are_kept_whatever_the_folder_is_called(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run([sys.executable, "-c", COMPILE, str(tmp_path / name)], env=environment, check=True, capture_output=True)
    assert [path.suffix for path in (tmp_path / name).iterdir()] == [".pb"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_folder_is_private_and_named_by_what_its_programs_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    default = compile_cache("")
    assert default.parent == tmp_path / "ringcycle"
    assert default.parent.stat().st_mode & 0o777 == 0o700
    assert default.name.startswith("tensorflow-2.")
    assert default.name.endswith(processor_kind())
    assert compile_cache(str(tmp_path / "given")).parent == tmp_path / "given"


@pytest.mark.parametrize("package", ["tensorflow", "tensorflow_cpu"])
def test_either_package_of_tensorflow_tells_the_version(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / f"{package}-9.8.7.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text(f"Metadata-Version: 2.4\nName: {package}\nVersion: 9.8.7\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert tensorflow_version() == "9.8.7"


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(UserError, match=r"shared may be written to by others \(mode 0777\), so it cannot be trusted: delete it"):
        compile_cache(str(folder))


def test_machines_with_other_instructions_have_other_folders(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("processor : 0\nflags\t\t: fpu avx2\nprocessor : 1\nflags\t\t: fpu avx2\n")
    (tmp_path / "new").write_text("processor : 0\nflags\t\t: fpu avx2 avx512f\n")
    assert processor_kind(tmp_path / "old") == processor_kind(tmp_path / "old")
    assert processor_kind(tmp_path / "old") != processor_kind(tmp_path / "new")
    assert processor_kind(tmp_path / "missing") in processor_kind()
