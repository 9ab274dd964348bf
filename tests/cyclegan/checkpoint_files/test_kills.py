"""A process that writes checkpoints is killed at any moment."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

# Forks a writer repeatedly: killed at its n-th call that changes a name in the file system, for all n, then by the clock.
KILLER = """
import os, shutil, signal, sys, time
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from cyclegan.checkpoint_files.folders import checkpoints, drop_leftovers, verify
from cyclegan.checkpoint_files.index import Index, publish
from cyclegan.checkpoint_files.names import step_folder
from cyclegan.checkpoint_files.parts import write_part, written_parts
from cyclegan.config import ImageFormat

EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
root = Path(sys.argv[1])

def save(step, size):
    folder, token = step_folder(root, step), str(os.getpid())
    for rank in range(2):
        write_part(folder, rank, token, {"weights": np.full(size, step), "rank": np.array(rank)})
    index = Index(step=step, position=step, workers=2, fingerprint="", images=ImageFormat(), written=datetime.now(UTC),
                  cycle_loss=None, versions={}, config={}, parts=written_parts(folder, 2, token))
    publish(folder, index)
    drop_leftovers(folder)

def forked(child, parent):
    process = os.fork()
    if process == 0:
        child()
        os._exit(0)
    parent(process)
    status = os.waitpid(process, 0)[1]
    return os.WIFSIGNALED(status)

def check():
    found = [verify(folder).step for folder in checkpoints(root)]
    assert found == list(range(1, len(found) + 1)), found
    return len(found)

save(1, 1000)
kept = []
while True:
    def write_until(n=len(kept)):
        seen = 0
        def hook(event, arguments):
            nonlocal seen
            if event in EVENTS and (event != "open" or str(root) in str(arguments[0])):
                seen += 1
                if seen > n:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        save(2, 1000)
    if not forked(write_until, lambda process: None):
        break
    kept.append(check())
    shutil.rmtree(step_folder(root, 2), ignore_errors=True)
assert check() == 2

def kill_after(seconds):
    def parent(process):
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    return parent

for i in range(8):
    before = check()
    def save_more(step=before + 1):
        while True:
            save(step, 100_000)
            step += 1
    forked(save_more, kill_after(0.05 + 0.017 * i))
    check()
print(*kept, check())
"""


def test_a_process_killed_at_any_moment_leaves_only_valid_checkpoints(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", KILLER, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    *kept, found = map(int, run.stdout.split())
    # Each of two parts, two receipts and an index is opened, renamed and synced; then both receipts go, and the folder is renamed.
    assert len(kept) >= 5 * 3 + 2 + 1
    # Killed at any call before the last rename, the old one alone is there; after it, the new one too.
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (1, 2)
    assert found > 2, "the writer killed by the clock must have published something"
