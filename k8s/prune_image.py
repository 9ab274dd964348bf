"""Deletes what no command opens from the packages of an image, compiles the rest to bytecode, and prints what that changed.

    python prune_image.py [FOLDER]

FOLDER holds the packages, by default those of this Python. k8s/Dockerfile runs it in the instruction that installs them, since a later
layer would only hide the files. tests/k8s/test_image.py trains, submits, builds, translates and exports in the result.
"""

import compileall
import py_compile
import shutil
import sys
import sysconfig
from pathlib import Path

UNUSED = {
    "headers of TensorFlow and CUDA": ["tensorflow/include", "nvidia/*/include"],
    "sources and static libraries": [
        f"**/*{suffix}" for suffix in (".a", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx")
    ],
    "tests of packages": ["**/tests"],
    # Only TensorFlow's own code generators import it. Its metadata goes too, so that the bill of materials is true.
    "libclang": ["clang", "libclang-*.dist-info"],
    "Ray for Java, and its reinforcement learning": ["ray/jars", "ray/rllib"],
    "source maps of Ray's dashboard": ["ray/dashboard/client/build/**/*.map"],
    "Arrow's RPC": ["pyarrow/_flight.*", "pyarrow/libarrow_flight.*", "pyarrow/libarrow_python_flight.*"],
    # Copies, since a wheel has no symbolic links. Programs ask for the name that ends with the ABI's version.
    "further names of Arrow's libraries": ["pyarrow/libarrow*.so", "pyarrow/libarrow*.so.*.*.*"],
    # tifffile asks for the others. AVIF is Pillow's.
    "codecs that no image format of ours has": [
        f"imagecodecs/_{codec}.*"
        for codec in (
            *("aec", "avif", "bcn", "bitshuffle", "blosc", "blosc2", "brotli", "bz2", "h5checksum", "htj2k", "lz4", "lz4f", "lzf"),
            *("lzfse", "lzham", "lzo", "meshopt", "pcodec", "pglz", "pixarlog", "qoi", "quantize", "rcomp", "rgbe", "snappy"),
            *("sperr", "sz3", "szip", "ultrahdr", "zfp", "zlibng", "zopfli"),
        )
    ],
}
"""What is deleted, as glob patterns, by reason."""

LIBRARIES = "imagecodecs.libs"
"""The folder of shared libraries of which those go that no codec is left to load."""


def main(folder: Path) -> None:
    """Prune the packages in `folder`; compile them and Python's own library, which official images ship without bytecode."""
    before = size(folder)
    prune(folder)
    standard = Path(sysconfig.get_path("stdlib"))
    compile_modules(*([standard] if folder.is_relative_to(standard) else [standard, folder]))
    bytecode = sum(path.stat().st_size for path in folder.rglob("*.pyc"))
    print(f"{before / 1e6:,.0f} MB before, {size(folder) / 1e6:,.0f} MB now, of which bytecode {bytecode / 1e6:,.0f} MB")


def prune(folder: Path) -> None:
    """Delete what is not needed, and print how much went for which reason."""
    for reason, patterns in UNUSED.items():
        gone = sum(delete(path) for pattern in patterns for path in sorted(folder.glob(pattern)))
        print(f"{gone / 1e6:7.1f} MB  {reason}")
    gone = 0
    while found := unneeded(folder):
        gone += sum(map(delete, found))
    print(f"{gone / 1e6:7.1f} MB  libraries of these codecs")


def compile_modules(*folders: Path) -> None:
    """Write bytecode that is never checked against its source: nobody edits an image, and builds may set all times to one.

    Forced, since Python has compiled a few of these modules for its own start, to be checked by their time.
    """
    for folder in folders:
        compileall.compile_dir(folder, quiet=2, force=True, workers=0, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def delete(path: Path) -> int:
    """Delete a file or folder, unless an earlier pattern did. Returns its bytes."""
    if not path.exists():
        return 0
    gone = size(path)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return gone


def unneeded(folder: Path) -> list[Path]:
    """Libraries whose name stands in no codec and in no other library, as it would if one of those needed it."""
    libraries = sorted((folder / LIBRARIES).glob("*"))
    users = [*libraries, *sorted((folder / LIBRARIES).with_suffix("").glob("*.so"))]
    content = {user: user.read_bytes() for user in users}
    return [library for library in libraries if not any(library.name.encode() in content[user] for user in users if user != library)]


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else sysconfig.get_path("platlib")))
