"""Every command of README and the pages, as it is written there, in a folder like the one that they speak of."""

import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from preprocess.synthetic import write_dataset
from tests.cluster.launch import SMALL
from tests.documented_commands import PAGES, blocks, commands, module_of
from tests.hosts import Host, can_make_namespaces, running_hosts
from tests.ray_nodes import ROOT, clean_environment

ELSEWHERE = {
    r"make ": "continuous integration runs `make test`, `make losses` and `make chaos`, which install everything first",
    r"pip install": "tests/test_packaging.py installs the package",
    r"source |export |ray start |ray job submit": "the commands for plain hosts follow below, together",
    r"docker |helm |kubectl |\$EDITOR": "there is no Kubernetes cluster here: tests/k8s renders the manifests and runs their entrypoint",
    r"python -m benchmarks\.": "minutes; what they print is in benchmarks/RESULTS.md",
}
"""Commands that are not run here by themselves, and why."""

QUICK = {
    **SMALL,
    "train.steps": "2",
    "cluster.workers": "1",
    "evaluate.images": "2",
}
"""Settings that make each command short. The command line overrides them where a page gives its own."""

EVERYWHERE = [command for page in PAGES for command in commands(page)]
RUN = list(dict.fromkeys(command for command in EVERYWHERE if not any(re.match(pattern, command) for pattern in ELSEWHERE)))
SHOWN_WITH_ARGUMENTS = {module_of(command) for command in RUN if command != f"python -m {module_of(command)}"}
RUN = [command for command in RUN if command != f"python -m {module_of(command)}" or module_of(command) not in SHOWN_WITH_ARGUMENTS]
"""A module that a sentence only names runs with the arguments that another place gives."""

FIRST = [command for command in RUN if "--run.name mine" in command or " SHARDS --load-size" in command]
"""What makes the run and the shards that the other commands read."""


@dataclass(frozen=True)
class Place:
    """A folder with images, runs and `.venv`. environment: of each command in it."""

    folder: Path
    environment: dict[str, str]

    def run(self, script: str, host: Host | None = None, variables: Mapping[str, str] | None = None, seconds: float = 400) -> str:
        """Run lines of shell, which must succeed; returns what they print."""
        done = subprocess.run(
            [*(host.prefix if host else []), "bash", "-euo", "pipefail", "-c", script.replace("/shared/", f"{self.folder}/shared/")],
            cwd=self.folder,
            env={**self.environment, **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Place:
    """Where a reader stands after the README's first training."""
    folder = tmp_path_factory.mktemp("reader")
    write_dataset(folder / "IMAGES", images=8, test=2)
    (folder / ".venv").symlink_to(sys.prefix)
    for name in ("configs", "k8s", "cluster", "cyclegan", "preprocess", "ringcycle"):
        (folder / name).symlink_to(ROOT / name)
    settings = {f"RINGCYCLE_{name.upper().replace('.', '__')}": value for name, value in QUICK.items()}
    here = {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": "local", "RINGCYCLE_CLUSTER__COMPILE_CACHE": str(programs)}
    place = Place(folder, {**clean_environment(), **settings, **here})
    for command in FIRST:
        place.run(command)
    place.run("python -m cyclegan.convert runs/mine checkpoints/horse2zebra")
    (folder / "shared").mkdir()
    for name, target in {
        "SOURCE": "IMAGES",
        "horses": "IMAGES/trainA",
        "zebras": "IMAGES/trainB",
        "shared/images": folder / "IMAGES",
        "shared/runs": folder / "runs",
    }.items():
        (folder / name).symlink_to(target)
    return place


def test_every_command_runs_here_or_elsewhere() -> None:
    others = [command for command in EVERYWHERE if module_of(command) is None]
    assert [command for command in others if not any(re.match(pattern, command) for pattern in ELSEWHERE)] == []
    assert [pattern for pattern in ELSEWHERE if not any(re.match(pattern, command) for command in EVERYWHERE)] == []


@pytest.mark.process
@pytest.mark.parametrize("command", [command for command in RUN if command not in FIRST])
def test_it_runs_as_written(command: str, place: Place) -> None:
    output = place.run(command)
    assert "Traceback" not in output
    for name in re.findall(r"(?:--(?:output|images|json|sheet) |mine )([\w.]+\.(?:toml|png|json|onnx))\b", command):
        assert (place.folder / name).stat().st_size > 0


@pytest.mark.process
@pytest.mark.skipif(not can_make_namespaces(), reason="two hosts need network namespaces, hence root and iproute2")
def test_a_cluster_of_plain_hosts(place: Place) -> None:
    """README's lines for hosts: its first ones on two of them, then the job."""
    (lines,) = (block for page in PAGES for block in blocks(page) if "ray start --head" in block)
    starts = ("ray start --head", "ray start --address", "ray job submit")
    head, other, job = (next(i for i, line in enumerate(lines) if line.startswith(start)) for start in starts)
    both, token = lines[:head], secrets.token_hex(32)
    with hosts_of(token) as (first, second):
        others = {"RAY_TMPDIR": tempfile.mkdtemp(prefix="rc"), "RINGCYCLE_CLUSTER__WORKERS": "2"}

        def run(line: str, host: Host) -> str:
            script = "\n".join(["unset RAY_ADDRESS", *both, line]).replace("RAY_AUTH_TOKEN=…", f"RAY_AUTH_TOKEN={token}")
            return place.run(script.replace("FIRST_HOST", first.address), host, others)

        run(lines[head], first)
        run(lines[other], second)
        output = run(lines[job], first)
    assert {host for _, host in re.findall(r"worker (\d): process \d+ on (\S+),", output)} == {first.address, second.address}
    assert "finished: 2 steps" in output


@contextmanager
def hosts_of(token: str) -> Iterator[list[Host]]:
    """Two hosts that know a way to others, as Ray expects of a host. At the end all processes that have the token are killed."""
    with running_hosts(2) as hosts:
        for host in hosts:
            subprocess.run(["ip", "-n", host.name, "route", "add", "default", "dev", "eth0"], check=True)
        try:
            yield hosts
        finally:
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    if process.environ().get("RAY_AUTH_TOKEN") == token:
                        process.kill()
