"""`python -m tests.chaos`: train twice on a cluster of network namespaces, undisturbed and through random faults, and compare."""

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.chaos.faults import schedule
from tests.chaos.runner import Chaos, NotSurvived, disturb, steps_needed
from tests.chaos.world import running_world
from tests.cluster.launch import assert_equal_runs, small_run
from tests.hosts import can_make_namespaces

PATIENCE = 400.0  # seconds for each fault, far more than any should cost, so that only a hang reaches it


def main() -> int:
    """Run, print the table and compare. Returns 0 if every fault was survived and the weights are equal."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=20, help="number of faults (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the schedule (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the table to this file")
    given = parser.parse_args()
    if not can_make_namespaces():
        print("skipped: the hosts are network namespaces, which need root and the command ip (iproute2)")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that hosts and nodes are removed
    with tempfile.TemporaryDirectory(prefix="chaos", ignore_cleanup_errors=True) as folder:
        return _run(Path(folder), given.faults, given.seed, given.json)


def _run(folder: Path, faults: int, seed: int, output: Path | None) -> int:
    console = Console(width=120, highlight=False)
    planned = schedule(faults, seed)
    steps = steps_needed(planned)
    values = {"train.steps": steps, "cluster.peer_timeout": 20, "cluster.max_restarts": 2 * faults}
    arguments = small_run(folder, folder / "programs", values)
    console.print(f"{faults} faults of seed {seed} in {steps} steps of 2 workers on 3 hosts")
    with running_world([*arguments, "--run.name", "undisturbed"], folder / "runs/undisturbed") as world:
        world.start_training()
        undisturbed = disturb(world, [], seed, PATIENCE, console.print)
    console.print(f"undisturbed: {undisturbed.seconds:.0f} s")
    try:
        with running_world([*arguments, "--run.name", "disturbed"], folder / "runs/disturbed") as world:
            world.start_training()
            chaos = disturb(world, planned, seed, PATIENCE, console.print)
    except NotSurvived as failure:
        console.print(f"not survived: {failure}", markup=False)
        return 1
    assert_equal_runs(folder / "runs/undisturbed", folder / "runs/disturbed", steps)
    console.print(_table(chaos))
    console.print(
        f"{len(chaos.survived)} of {faults} survived, final weights, moments and pools equal bit for bit; {chaos.seconds:.0f} s instead of "
        f"{undisturbed.seconds:.0f} s: goodput {undisturbed.seconds / chaos.seconds:.0%}"
    )
    if output:
        output.write_text(json.dumps({"seed": seed, "undisturbed_seconds": undisturbed.seconds, **chaos.as_json()}, indent=1))
    return 0


def _table(chaos: Chaos) -> Table:
    table = Table("fault", "injected", "survived", "seconds lost, median", "most", "steps repeated")
    kinds = sorted({one.fault for one in chaos.survived})
    for kind in kinds:
        of_kind = [one for one in chaos.survived if one.fault == kind]
        lost, count = sorted(one.lost for one in of_kind), str(len(of_kind))
        repeated = str(sum(one.repeated for one in of_kind))
        table.add_row(kind, count, count, f"{median(lost):.1f}", f"{lost[-1]:.1f}", repeated)
    return table


if __name__ == "__main__":
    sys.exit(main())
