"""`ray job` as a user runs it."""

import subprocess

from tests.ray_nodes import RAY, ROOT, Head


def job(head: Head, *words: str, succeeds: bool = True) -> str:
    """Run `ray job …`. Returns what it prints."""
    command = [RAY, "job", words[0], "--address", head.dashboard, *words[1:]]
    done = subprocess.run(command, cwd=ROOT, env=head.environment, capture_output=True, text=True, timeout=400)
    assert (done.returncode == 0) == succeeds, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def submit(head: Head, name: str, *arguments: str, succeeds: bool = True) -> str:
    """Run `ray job submit --working-dir . -- python -m cluster.train …`, after `--no-wait` in the background. Returns what it prints."""
    wait = ["--no-wait"] if arguments[0] == "--no-wait" else []
    entrypoint = ["python", "-m", "cluster.train", *arguments[len(wait) :]]
    return job(head, "submit", "--submission-id", name, *wait, "--working-dir", ".", "--", *entrypoint, succeeds=succeeds)
