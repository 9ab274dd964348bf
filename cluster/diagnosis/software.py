"""Which software a node has, and whether all nodes have the same."""

import functools
import hashlib
import importlib.util
import os
import platform
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cluster.diagnosis.finding import Finding, Verdict
from ringcycle.logs import PACKAGES
from ringcycle.user_cache import tensorflow_version

CHECK = "software"
MISSING = "none"
_LIBRARIES: dict[str, Callable[[], str]] = {
    "TensorFlow": tensorflow_version,
    "Ray": functools.partial(version, "ray"),
    "NumPy": functools.partial(version, "numpy"),
}


def versions() -> dict[str, str]:
    """The versions in this process, by name; MISSING for what is not installed. ringcycle's is a hash of its code."""
    found = {"ringcycle": code_hash(Path(__file__).parents[2]), "Python": platform.python_version()}
    for name, read in _LIBRARIES.items():
        try:
            found[name] = read()
        except PackageNotFoundError:
            found[name] = MISSING
    return found


def code_hash(root: Path) -> str:
    """Identifies the code of this project's packages below `root`, 8 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=4)
    for file in sorted(file for package in PACKAGES for file in (root / package).rglob("*.py")):
        digest.update(f"{file.relative_to(root)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def software(found: Mapping[str, str], ours: Mapping[str, str]) -> Finding:
    """found: a node's versions. ours: those of this command."""
    missing = [name for name, number in found.items() if number == MISSING]
    if missing:
        fact = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        return Finding(CHECK, Verdict.PROBLEM, fact, "install this project's requirements in the Python that `ray start` runs in")
    different = [name for name, number in found.items() if number != ours[name]]
    if different:
        fact = ", ".join(f"{name} {found[name]} where this command has {ours[name]}" for name in different)
        verdict = Verdict.WARNING if different == ["NumPy"] else Verdict.PROBLEM
        return Finding(CHECK, verdict, fact, "install the same versions on all nodes, from the same lock file and checkout")
    return Finding(CHECK, Verdict.OK, ", ".join(f"{name} {number}" for name, number in found.items()))


def bytecode_state() -> str:
    """Whether TensorFlow's modules, thousands of files, are compiled to bytecode: "compiled", "later" (at the first import) or "never"."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.origin:
        return "compiled"  # that it is missing is reported elsewhere
    cached = Path(importlib.util.cache_from_source(spec.origin))
    if cached.is_file():
        return "compiled"
    existing = next(folder for folder in cached.parents if folder.is_dir())
    return "later" if not sys.dont_write_bytecode and os.access(existing, os.W_OK) else "never"


def bytecode(state: str, forbidden: bool) -> Finding:
    """state: as `bytecode_state`. forbidden: by PYTHONDONTWRITEBYTECODE."""
    if state == "never":
        why = "PYTHONDONTWRITEBYTECODE is set" if forbidden else "its folder cannot be written to"
        fact = f"TensorFlow is not compiled to bytecode, and {why}: every process parses it anew, for seconds"
        return Finding("bytecode", Verdict.WARNING, fact, "run `python -m compileall -q` on the site-packages of the environment once")
    fact = "Python's libraries are compiled" if state == "compiled" else "Python's libraries will be compiled by the first start"
    return Finding("bytecode", Verdict.OK, fact)
