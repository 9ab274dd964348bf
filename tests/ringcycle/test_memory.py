"""Available memory within cgroups of version 1 and 2, and in a real one."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from ringcycle.memory import available_memory, total_memory

MIB = 2**20


def write(root: Path, cgroup: str, files: dict[str, dict[str, str]]) -> Path:
    """A tree with /proc/self/cgroup and, below /sys/fs/cgroup, these files by folder."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for folder, contents in files.items():
        (root / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            (root / "sys/fs/cgroup" / folder / name).write_text(text)
    return root


def v2(limit: str, used: int, cached: int = 0) -> dict[str, str]:
    return {"memory.max": f"{limit}\n", "memory.current": f"{used}\n", "memory.stat": f"anon 5\ninactive_file {cached}\n"}


def v1(limit: int, used: int, cached: int = 0) -> dict[str, str]:
    return {
        "memory.limit_in_bytes": f"{limit}\n",
        "memory.usage_in_bytes": f"{used}\n",
        "memory.stat": f"inactive_file 1\ntotal_inactive_file {cached}\n",
    }


def test_the_tightest_limit_of_version_2(tmp_path: Path) -> None:
    files = {"a": v2(str(80 * MIB), 10 * MIB), "a/b": v2("max", 10 * MIB), "": v2("max", 0)}
    root = write(tmp_path, "0::/a/b\n", files)
    assert (available_memory(root), total_memory(root)) == (70 * MIB, 80 * MIB)


def test_cached_files_count_as_free(tmp_path: Path) -> None:
    assert available_memory(write(tmp_path, "0::/\n", {"": v2(str(80 * MIB), 70 * MIB, 30 * MIB)})) == 40 * MIB


def test_version_1(tmp_path: Path) -> None:
    files = {"memory/docker/x": v1(50 * MIB, 45 * MIB, 5 * MIB), "memory": v1(2**63 - 4096, 0)}
    root = write(tmp_path, "7:cpu,cpuacct:/\n3:memory:/docker/x\n0::/\n", files)
    assert (available_memory(root), total_memory(root)) == (10 * MIB, 50 * MIB)


@pytest.mark.parametrize("cgroup", ["", "0::/\n", "0::/elsewhere\n3:memory:/elsewhere\n"])
def test_without_a_limit_it_is_the_machines(cgroup: str, tmp_path: Path) -> None:
    machine, root = psutil.virtual_memory(), write(tmp_path, cgroup, {})
    assert abs(available_memory(root) - machine.available) < machine.available / 2
    assert total_memory(root) == machine.total


def test_a_real_cgroup() -> None:
    controller = next((f for f in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")) if (f / "cgroup.procs").exists()), None)
    if os.geteuid() != 0 or controller is None or not os.access(controller, os.W_OK):
        pytest.skip("needs root and a memory cgroup that can be written")
    group = controller / f"ringcycle-{uuid.uuid4().hex[:8]}"
    group.mkdir()
    try:
        limit = next((group / name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists()), None)
        if limit is None:
            pytest.skip("the memory controller is not enabled for child cgroups")
        limit.write_text(str(512 * MIB))
        join = f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
        code = f"import sys; sys.path[:] = {sys.path!r}; {join}; from ringcycle.memory import available_memory; print(available_memory())"
        found = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        assert 300 * MIB < found <= 512 * MIB
    finally:
        group.rmdir()
