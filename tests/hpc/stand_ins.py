"""What the batch scripts call, on hosts in network namespaces: srun, scontrol, pbsdsh, qstat, qsub.

Run as `stand_ins.py COMMAND WORDS`. They know the options that the scripts use, as the real ones read them, and refuse others.
The folder BATCH_FOLDER has hosts.json (name and address of each) and gets calls.jsonl, a list for each call.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def main(command: str, words: Sequence[str]) -> int:
    folder = Path(os.environ["BATCH_FOLDER"])
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps([command, *words]) + "\n")
    return {"srun": srun, "scontrol": scontrol, "pbsdsh": pbsdsh, "qstat": qstat, "qsub": qsub}[command](folder, words)


def hosts(folder: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((folder / "hosts.json").read_text())
    return found


def task(host: Mapping[str, str], command: Sequence[str], environment: Mapping[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """A command on a host, in a session of its own."""
    return subprocess.Popen(["ip", "netns", "exec", host["name"], *command], env=dict(environment), start_new_session=True, **options)


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


def srun(folder: Path, words: Sequence[str]) -> int:
    """A step of one task on each node, with this environment. SIGTERM ends the step: SIGTERM for all processes, SIGKILL later."""
    parser = argparse.ArgumentParser("srun")
    parser.add_argument("--overlap", action="store_true", required=True)
    parser.add_argument("--no-kill", action="store_true", required=True)
    parser.add_argument("--export", choices=["ALL"])
    parser.add_argument("--cpu-bind", choices=["none"], required=True)
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--ntasks", type=int)
    parser.add_argument("--ntasks-per-node", type=int, choices=[1])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    nodes = hosts(folder)
    assert given.nodes == given.ntasks == len(nodes)
    variables = [{"SLURMD_NODENAME": host["address"], "SLURM_NODEID": str(i)} for i, host in enumerate(nodes)]
    tasks = [task(host, given.command, {**os.environ, **own}) for host, own in zip(nodes, variables, strict=True)]
    signals: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: signals.append(time.monotonic()))
    ended = False
    while any(one.poll() is None for one in tasks):
        if signals and not ended:
            for one in tasks:
                signal_group(one, signal.SIGTERM)
            ended = True
        if signals and time.monotonic() > signals[0] + 30:
            for one in tasks:
                signal_group(one, signal.SIGKILL)
        time.sleep(0.2)
    return max(abs(one.returncode) for one in tasks)


def scontrol(folder: Path, words: Sequence[str]) -> int:
    """`scontrol show hostnames LIST`; `scontrol requeue JOB`, which ends the batch script."""
    if words[:2] == ["show", "hostnames"]:
        print(*(host["address"] for host in hosts(folder)), sep="\n")
        return 0
    assert words == ["requeue", os.environ["SLURM_JOB_ID"]]
    os.kill(os.getppid(), signal.SIGTERM)
    return 0


def pbsdsh(folder: Path, words: Sequence[str]) -> int:
    """A task on the host of line N of the nodefile, with almost no environment. SIGTERM is passed on, and ends pbsdsh at once."""
    parser = argparse.ArgumentParser("pbsdsh")
    parser.add_argument("-n", type=int, required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    assert given.command[0] == "--"
    address = Path(os.environ["PBS_NODEFILE"]).read_text().split()[given.n]
    (host,) = (host for host in hosts(folder) if host["address"] == address)
    variables = {"PATH": "/usr/bin:/bin:/usr/sbin", "HOME": "/root", "PBS_JOBID": os.environ["PBS_JOBID"], "PBS_NODENUM": str(given.n)}
    process = task(host, given.command[1:], variables, cwd="/")

    def end(number: int, _: object) -> None:
        signal_group(process, number)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    process.wait()
    return 0  # as the real one


def qstat(folder: Path, words: Sequence[str]) -> int:
    """`qstat -f JOB`, with a long line folded."""
    assert words == ["-f", os.environ["PBS_JOBID"]]
    resources = json.loads((folder / "resources.json").read_text())
    print(f"Job Id: {words[1]}\n    Job_Name = ringcycle\n    job_state = R")
    for name, value in resources.items():
        print(f"    Resource_List.{name} = {value[:12]}" + (f"\n\t{value[12:]}" if value[12:] else ""))
    print("    Variable_List = PBS_O_HOME=/root,PBS_O_LANG=C,\n\tPBS_O_SHELL=/bin/bash\n")
    return 0


def qsub(folder: Path, words: Sequence[str]) -> int:
    """Record what would be queued: options, script and TRAIN, which -v takes from the environment."""
    parser = argparse.ArgumentParser("qsub")
    parser.add_argument("-q", required=True)
    parser.add_argument("-N", required=True)
    parser.add_argument("-v", choices=["TRAIN"], required=True)
    parser.add_argument("-l", action="append")
    parser.add_argument("script", type=Path)
    given = parser.parse_args(words)
    queued = {"resources": given.l, "script": given.script.read_text(), "train": os.environ["TRAIN"]}
    (folder / "queued.json").write_text(json.dumps(queued))
    print("1235.server")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
