"""The image as it is written: k8s/Dockerfile, the locks it installs and what it deletes. test_image.py builds it."""

import re
import runpy
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRUNE = runpy.run_path(str(ROOT / "k8s/prune_image.py"))
Instructions = list[tuple[str, list[str]]]


def arguments(dockerfile: Instructions) -> dict[str, str]:
    """The build arguments that have a default."""
    return dict(word.split("=", 1) for name, words in dockerfile if name == "ARG" for word in words if "=" in word)


def pinned(lock: str) -> dict[str, str]:
    """Versions by package, with the marker."""
    return dict(re.findall(r"^([a-z0-9-]+)==(.*?) \\$", (ROOT / lock).read_text(), re.M))


def deleted_patterns() -> list[str]:
    return [pattern for patterns in PRUNE["UNUSED"].values() for pattern in patterns]


def test_the_image_has_the_tensorflow_of_the_tests(dockerfile: Instructions) -> None:
    """On x86-64 the package without CUDA, which is half as large; elsewhere it does not exist."""
    lock, tested = pinned("requirements.lock"), pinned("requirements-dev.lock")["tensorflow"]
    assert lock["tensorflow-cpu"] == f"{tested} ; platform_machine == 'x86_64'"
    assert lock["tensorflow"] == f"{tested} ; platform_machine != 'x86_64'"
    assert arguments(dockerfile)["LOCK"] == "requirements.lock"


def test_for_gpus_the_same_packages_and_cuda() -> None:
    lock, for_gpus = pinned("requirements.lock"), pinned("requirements-gpu.lock")
    assert for_gpus["tensorflow"] == pinned("requirements-dev.lock")["tensorflow"]
    more = {name for name in for_gpus if name not in lock}
    assert "nvidia-cudnn-cu12" in more and all(name.startswith("nvidia-") for name in more)
    assert {name for name in lock if lock[name] != for_gpus.get(name)} == {"tensorflow", "tensorflow-cpu"}


def test_hashes_are_required(dockerfile: Instructions) -> None:
    installing = [" ".join(words) for name, words in dockerfile if name == "RUN" and "pip" in " ".join(words)]
    assert installing and all(line.count("pip install") == line.count("--require-hashes --requirement") for line in installing)


def test_the_image_has_the_newest_python_that_the_packages_allow(dockerfile: Instructions) -> None:
    """Python 3.11 holds back what decodes images, and with it the cure of its faults."""
    assert [words for name, words in dockerfile if name == "FROM"] == [["${BASE}"]]
    assert arguments(dockerfile)["BASE"] == "python:3.13-slim"
    assert 'requires-python = ">=3.11,<3.14"' in (ROOT / "pyproject.toml").read_text()
    assert re.search(r"^imagecodecs==\S+ ; python_full_version >= '3\.12' ", (ROOT / "requirements.lock").read_text(), re.M)


def test_everything_the_image_copies_exists_and_is_in_the_build_context(dockerfile: Instructions) -> None:
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    copied = {source for name, words in dockerfile if name == "COPY" for source in words[:-1]}
    sources = copied - {"${LOCK}"} | {"requirements.lock", "requirements-gpu.lock"}
    assert all((ROOT / source).exists() for source in sources)
    assert ignore[0] == "*"
    assert {line[1:] for line in ignore if line.startswith("!")} == sources


def test_what_is_deleted_exists_under_these_names() -> None:
    """Otherwise a new version of a package would make the image grow, unnoticed."""
    installed = Path(sysconfig.get_path("platlib"))
    patterns = [pattern for pattern in deleted_patterns() if not pattern.startswith(("**", "nvidia"))]
    assert len(patterns) > 30
    assert [pattern for pattern in patterns if next(installed.glob(pattern), None) is None] == []


def test_no_codec_of_tiff_files_is_deleted() -> None:
    deleted = {Path(pattern).name.strip("_.*") for pattern in deleted_patterns() if pattern.startswith("imagecodecs/")}
    tifffile = (Path(sysconfig.get_path("platlib")) / "tifffile/tifffile.py").read_text()
    used = set(re.findall(r"\bimagecodecs\.([a-z0-9]+)_(?:de|en)code", tifffile))
    assert {"jpegxl", "lzma", "zstd"} <= used and not used & deleted


def test_libraries_go_with_the_last_codec_that_needs_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in {
        "imagecodecs/_png.abi3.so": b"libpng.so",
        "imagecodecs/_avif.abi3.so": b"libavif.so libpng.so",
        "imagecodecs.libs/libpng.so": b"",
        "imagecodecs.libs/libavif.so": b"libaom.so",
        "imagecodecs.libs/libaom.so": b"",
        "package/tests/test.py": b"",
        "package/module.py": b"x = 1",
        "package/module.pyi": b"x: int",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    PRUNE["prune"](tmp_path)
    PRUNE["compile_modules"](tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert left == {"imagecodecs/_png.abi3.so", "imagecodecs.libs/libpng.so", "package/module.py"}
    assert next(tmp_path.glob("package/__pycache__/module.*.pyc")).read_bytes()[4] == 1
    assert "0.0 MB  libraries of these codecs" in capsys.readouterr().out
