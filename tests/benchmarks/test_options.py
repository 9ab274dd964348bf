"""`benchmarks.options` names a run after each option."""

from benchmarks.options import OPTIONS, run_name
from cluster.config import RunConfig


def test_every_option_names_a_run() -> None:
    names = [RunConfig(name=f"{run_name(option)}-seed-0").name for option in OPTIONS]
    assert len(set(names)) == len(OPTIONS)
