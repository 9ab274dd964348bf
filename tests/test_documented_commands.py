"""Every command of README and the pages, as it is written there, in a folder like the one that they speak of."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from PIL import Image

from preprocess.synthetic import write_dataset
from tests.cluster.launch import SMALL
from tests.documented_commands import PAGES, blocks, commands, module_of
from tests.hosts import Host, can_make_namespaces, running_hosts
from tests.ray_nodes import ROOT, clean_environment

ELSEWHERE = {
    r"make ": "continuous integration runs `make test`, `make losses` and `make chaos`, which install everything first",
    r"pip install": "tests/test_packaging.py installs the package",
    r"source |export (RAY|RINGCYCLE)|ray start |ray job submit|python -m cluster\.serve|curl ": "they follow below, together",
    r"docker |helm |kubectl |export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=\$": "tests/k8s runs what the manifests run",
    r"\$EDITOR|sbatch|tail|export TRAIN|qsub": "tests/hpc has stand-ins for Slurm and PBS",
    r"export MLFLOW|wandb login|.*--run\.tracker": "tests/cluster/tracking has an MLflow server, and wandb offline",
    r"python -m cluster\.calibrate": "minutes; tests/cluster/test_calibrate.py measures with it",
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

SMALL_TOML = """
[data]
source = "/storage/images"
load_size = 72
crop_size = 64
[model]
filters = 8
blocks = 1
discriminator_filters = 8
[run]
storage = "/storage/runs"
[cluster]
workers = 2
cpus_per_worker = 6
"""
"""A configuration for Kubernetes, where the variables of this process do not count."""

CUT = {
    " --train.steps 5000 --evaluate.every 500": "",
    " --model.filters 32 --model.blocks 6 --model.discriminator_filters 32": "",
    " --data.load_size 286 --data.crop_size 256": "",
    " | kubectl apply -f -": "",
    "sha256:…": f"sha256:{64 * 'a'}",
}
"""What is left out of commands: hours of training, a Kubernetes cluster, and a digest that a reader has to fill in."""

MAY_FIND_FAULT = ("cluster.doctor",)
"""Commands whose exit code may be 1: it tells of this machine."""

EVERYWHERE = [command for page in PAGES for command in commands(page)]
RUN = [command for command in EVERYWHERE if not any(re.match(pattern, command) for pattern in ELSEWHERE)]
RUN = list({command.removeprefix(".venv/bin/"): command for command in reversed(RUN)}.values())[::-1]
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

    def run(
        self, script: str, host: Host | None = None, variables: Mapping[str, str] | None = None, seconds: float = 400, most: int = 0
    ) -> str:
        """Run lines of shell, whose exit code must be at most `most`; returns what they print."""
        done = subprocess.run(
            [*(host.prefix if host else []), "bash", "-euo", "pipefail", "-c", script.replace("/shared/", f"{self.folder.parent}/shared/")],
            cwd=self.folder,
            env={**self.environment, **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        assert 0 <= done.returncode <= most, f"{script}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Place:
    """Where a reader stands after the README's first training."""
    folder = tmp_path_factory.mktemp("reader") / "project"
    write_dataset(folder / "IMAGES", images=8, test=2)
    (folder / ".venv").symlink_to(sys.prefix)
    for name in (".gitignore", "configs", "k8s", "cluster", "cyclegan", "preprocess", "ringcycle"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "mine.toml").write_text(SMALL_TOML)
    settings = {f"RINGCYCLE_{name.upper().replace('.', '__')}": value for name, value in QUICK.items()}
    here = {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": "local", "RINGCYCLE_CLUSTER__COMPILE_CACHE": str(programs)}
    place = Place(folder, {**clean_environment(), **settings, **here})
    for command in FIRST:
        place.run(command)
    place.run("python -m cyclegan.convert runs/mine checkpoints/horse2zebra")
    (folder.parent / "shared").mkdir()
    for name, target in {
        "SOURCE": "IMAGES",
        "horses": "IMAGES/trainA",
        "zebras": "IMAGES/trainB",
        "portrait.jpg": "IMAGES/testA/00000.jpg",
        "RUN": "runs/mine",
        "runs/one": "mine",
        "runs/two": "mine",
        "../shared/images": folder / "IMAGES",
        "../shared/runs": folder / "runs",
    }.items():
        (folder / name).symlink_to(target)
    return place


def test_every_command_runs_here_or_elsewhere() -> None:
    others = [command for command in EVERYWHERE if module_of(command) is None]
    assert [command for command in others if not any(re.match(pattern, command) for pattern in ELSEWHERE)] == []
    assert [pattern for pattern in ELSEWHERE if not any(re.match(pattern, command) for command in EVERYWHERE)] == []


@pytest.mark.process
@pytest.mark.parametrize("command", [command for command in RUN if command not in FIRST], ids=lambda command: command[:70])
def test_it_runs_as_written(command: str, place: Place) -> None:
    if "cluster.k8s" in command and not shutil.which("kubectl"):
        pytest.skip("kubectl, which reads overlays, is not installed")
    script = command
    for words, instead in CUT.items():
        script = script.replace(words, instead)
    shutil.rmtree(place.folder / "OUT", ignore_errors=True)
    output = place.run(script, most=module_of(command) in MAY_FIND_FAULT)
    assert "Traceback" not in output
    for name in re.findall(r"(?:--(?:out|output|images|json) |mine )([\w.]+\.(?:toml|png|json|onnx|html))\b", command):
        assert (place.folder / name).stat().st_size > 0


@pytest.mark.process
@pytest.mark.skipif(not can_make_namespaces(), reason="the server's port is free in a network namespace, which needs root and iproute2")
def test_the_server(place: Place) -> None:
    """The lines of docs/serve.md for a server on this machine, on a host of its own."""
    here = [line for line in EVERYWHERE if "0.0.0.0" not in line and "HOST" not in line]
    (server,) = {line for line in here if line.startswith("python -m cluster.serve ")}
    asking = [line for line in here if line.startswith("curl ")]
    assert asking
    with (
        running_hosts(1) as (host,),
        subprocess.Popen(
            [*host.prefix, "bash", "-c", f"exec {server}"], cwd=place.folder, env=place.environment, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert any("ready" in line for line in process.stdout)
            for line in asking:
                place.run(line.replace("curl ", "curl --fail --silent --show-error "), host)
                with Image.open(place.folder / "translated.png") as image:
                    assert image.size == (72, 72)
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.process
@pytest.mark.skipif(not can_make_namespaces(), reason="two hosts need network namespaces, hence root and iproute2")
def test_a_cluster_of_plain_hosts(place: Place) -> None:
    """README's lines for hosts: its first ones on two of them, then the job."""
    (lines,) = (block for page in PAGES for block in blocks(page) if "ray start --head" in block)
    starts = ("ray start --head", "ray start --address", "ray job submit")
    head, other, job = (next(i for i, line in enumerate(lines) if line.startswith(start)) for start in starts)
    both, token = lines[:head], secrets.token_hex(32)
    with tempfile.TemporaryDirectory(prefix="rc", ignore_cleanup_errors=True) as temporary, hosts_of(token) as (first, second):
        others = {
            "RAY_TMPDIR": temporary,
            "RINGCYCLE_CLUSTER__WORKERS": "2",
            "RINGCYCLE_CLUSTER__CPUS_PER_WORKER": str(len(os.sched_getaffinity(0))),
        }

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
