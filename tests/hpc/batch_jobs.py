"""Jobs of Slurm and PBS on hosts in network namespaces: the real scripts, with stand-ins for what they call."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster.launch import Running
from tests.hosts import Host, running_hosts
from tests.ray_nodes import RAY, ROOT, clean_environment

STAND_INS = Path(__file__).with_name("stand_ins.py")
ACTIVATE = "source .venv/bin/activate"
LINES_PER_NODE = 2
"""Lines of PBS's nodefile for each node."""


class BatchSystem:
    """Hosts with the commands of Slurm and PBS. folder: short, for Ray's files (`ray/`), the commands (`bin/`) and what they record."""

    def __init__(self, hosts: Sequence[Host], folder: Path) -> None:
        self.hosts, self.folder = hosts, folder
        for name in ("bin", "ray", "spool"):
            (folder / name).mkdir()
        for name in ("srun", "scontrol", "pbsdsh", "qstat", "qsub"):
            command = folder / "bin" / name
            command.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_INS} {name} "$@"\n')
            command.chmod(0o755)
        (folder / "hosts.json").write_text(json.dumps([{"name": host.name, "address": host.address} for host in hosts]))
        lines = [host.address for host in hosts for _ in range(LINES_PER_NODE)]
        (folder / "nodefile").write_text("\n".join(lines) + "\n")
        inherited = {name: value for name, value in clean_environment().items() if not name.startswith("RAY_")}
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.environment = {**inherited, "PATH": path, "BATCH_FOLDER": str(folder), "RAY_TMPDIR": str(folder / "ray")}

    def slurm(self, arguments: Sequence[str]) -> Running:
        """Run `sbatch hpc/slurm.sh ARGUMENTS`."""
        nodes = ",".join(host.address for host in self.hosts)
        variables = {"SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_ID": "1234", "SLURM_JOB_NODELIST": nodes}
        return self._job(edited((ROOT / "hpc/slurm.sh").read_text()), arguments, ROOT, variables)

    def pbs(self, train: str, resources: Mapping[str, str], script: str | None = None) -> Running:
        """Run `TRAIN=… qsub -v TRAIN hpc/pbs.sh` with these resources, or the text of another script."""
        (self.folder / "resources.json").write_text(json.dumps(dict(resources)))
        variables = {"PBS_O_WORKDIR": str(ROOT), "PBS_JOBID": "1234.server", "PBS_NODEFILE": str(self.folder / "nodefile")}
        names = {"PBS_O_QUEUE": "batch", "PBS_JOBNAME": "ringcycle", "TRAIN": train}
        return self._job(script or edited((ROOT / "hpc/pbs.sh").read_text()), [], Path("/"), {**variables, **names})

    def _job(self, script: str, arguments: Sequence[str], folder: Path, variables: Mapping[str, str]) -> Running:
        """Run a script as a batch system does: a copy of it, on the first host."""
        copy = self.folder / "spool/1234.SC"
        copy.write_text(script)
        return Running([*self.hosts[0].prefix, "bash", str(copy), *arguments], {**self.environment, **variables}, folder)

    def calls(self, *words: str) -> list[list[str]]:
        """The calls of the batch system's commands so far that begin with these words."""
        record = self.folder / "calls.jsonl"
        calls = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        return [call for call in calls if call[: len(words)] == list(words)]

    def processes(self, host: Host) -> list[int]:
        """Processes that run on a host."""
        listed = subprocess.run(["ip", "netns", "pids", host.name], check=True, capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def kill(self, host: Host) -> None:
        """Kill all processes of a host."""
        for pid in self.processes(host):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def edited(script: str) -> str:
    """The script after a user's edit: the environment is the one of these tests."""
    assert script.count(ACTIVATE) == 1
    return script.replace(ACTIVATE, f"export PATH={shlex.quote(str(Path(RAY).parent))}:$PATH")


@contextmanager
def batch_system(hosts: int) -> Iterator[BatchSystem]:
    """A batch system with this many hosts; what still runs there at the end is killed."""
    folder = Path(tempfile.mkdtemp(prefix="b"))
    with running_hosts(hosts) as made:
        system = BatchSystem(made, folder)
        try:
            yield system
        finally:
            for host in made:
                if host.name:
                    system.kill(host)
            shutil.rmtree(folder, ignore_errors=True)
