"""`python -m cluster.programs`, as a user runs it: cold, then from the cache."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from cluster.hardware.cpu_features import CPUINFO
from cluster.programs import main
from ringcycle.user_cache import private_folder
from tests.cluster.launch import TINY, options
from tests.hosts import can_make_namespaces
from tests.ray_nodes import ROOT, clean_environment

pytestmark = pytest.mark.process

SETTINGS = {**TINY, "train.pool_size": 2}
UNITS = ["generator_pass", "discriminator_pass", "update_generators", "update_discriminators"]


def programs(*arguments: str, prefix: Sequence[str] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-m", "cluster.programs", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**clean_environment(), **environment}, timeout=300)


def another_host(cpuinfo: Path | None = None) -> list[str]:
    """A prefix: the same files under another host name, without this host's network, and with another /proc/cpuinfo if one is given."""
    if not can_make_namespaces():
        return []
    mount = f"mount --bind {cpuinfo} /proc/cpuinfo; " if cpuinfo else ""
    return ["unshare", "--net", "--uts", "--mount", "bash", "-euc", f'hostname elsewhere; {mount}exec "$@"', "bash"]


def test_signatures_variables_operations_memory_and_cache(tmp_path: Path) -> None:
    """Of a cache on shared storage: another host finds the programs, one with another processor compiles its own."""
    arguments = options({**SETTINGS, "cluster.compile_cache": private_folder(tmp_path / "cache")})
    cold, warm = programs(*arguments), programs(*arguments, prefix=another_host())
    assert (cold.returncode, cold.stderr) == (0, "")
    assert re.findall(r"^(\w+): compiled in [\d.]+ s, cache (\w+)$", cold.stdout, re.M) == [(unit, "miss") for unit in UNITS]
    assert re.findall(r"^(\w+): compiled in [\d.]+ s, cache (\w+)$", warm.stdout, re.M) == [(unit, "hit") for unit in UNITS]
    # What XLA made is the same, whether the cache had it or not.
    assert cold.stdout.splitlines()[3:8] == warm.stdout.splitlines()[3:8]

    units = dict(zip(UNITS, cold.stdout.split("\n\n")[1:], strict=True))
    assert re.search(r"^  real +uint8\[2, 1, 24, 32, 3\], argument$", units["generator_pass"], re.M)
    assert re.search(r"^  generators\.weights +float32\[\d+\], variable read$", units["generator_pass"], re.M)
    assert re.search(r"^  pool\.images +float32\[2, 1, 2, 24, 32, 3\], variable updated in place$", units["discriminator_pass"], re.M)
    for pair in ("generators", "discriminators"):
        lines = units[f"update_{pair}"].splitlines()
        size = int(re.search(rf"{pair}\.weights +float32\[(\d+)\], variable updated in place", units[f"update_{pair}"])[1])  # type: ignore[index]
        updated = [line.split()[0] for line in lines if line.endswith("variable updated in place")]
        averaged = ["average"] if pair == "generators" else []
        assert sorted(updated) == [f"{pair}.{name}" for name in (*averaged, "first", "second", "updates", "weights")]
        assert "  results: none" in lines
        # Weights, two moments and the gradient, by XLA's own count.
        arguments_mib = float(re.search(r"arguments ([\d.]+)", lines[-1])[1])  # type: ignore[index]
        assert arguments_mib == pytest.approx(4 * 4 * size / 2**20, abs=0.06)
    assert all(re.search(r"^  operations: \d+: \d+ \w+", unit, re.M) for unit in units.values())

    if can_make_namespaces():  # a processor that may lack instructions of the first compiles its own programs
        (tmp_path / "cpuinfo").write_text(re.sub(r"^(flags.*) \w+$", r"\1", CPUINFO.read_text(), flags=re.M))
        other = programs(*arguments, prefix=another_host(tmp_path / "cpuinfo"))
        assert re.findall(r"cache (\w+)$", other.stdout, re.M) == ["miss"] * 4, other.stdout + other.stderr
        assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_death_in_xla_names_its_cause(tmp_path: Path) -> None:
    """An unknown flag ends the process in C++, while its output is hidden."""
    done = programs(*options({**SETTINGS, "cluster.compile_cache": tmp_path}), XLA_FLAGS="--xla_no_such_flag")
    assert done.returncode != 0
    assert done.stderr.startswith("error: native code ended this process: F") and done.stderr.count("\n") == 1
    assert "Unknown flag in XLA_FLAGS: --xla_no_such_flag" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["--model.filters", "0"], "model.filters = 0: "),
        (["--data.channels_a", "1"], "train.lambda_identity = 0.5, but images of A have 1 channels and of B 3: "),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], fact: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == "" and errors.startswith(f"error: {fact}") and errors.count("\n") == 1
