import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from cluster.hardware.cgroup import cpu_quota
from tests.cluster.hardware.machines import machine, write
from tests.ray_nodes import ROOT

V2, V1 = Path("sys/fs/cgroup"), Path("sys/fs/cgroup/cpu")


def test_the_cgroup_above_also_limits(tmp_path: Path) -> None:
    assert cpu_quota(machine("epyc-9004-guest-cgroup-of-1", tmp_path)) == 1


def test_a_session_without_limit(tmp_path: Path) -> None:
    assert cpu_quota(machine("xeon-gold-6128", tmp_path)) is None


def test_without_cgroups_there_is_no_limit(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize(("limit", "quota"), [("max 100000", None), ("150000 100000", 1.5), ("50000 100000", 0.5)])
def test_in_a_container_of_version_2_the_top_is_the_own_cgroup(limit: str, quota: float | None, tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/")
    write(tmp_path / V2 / "cpu.max", limit)
    assert cpu_quota(tmp_path) == quota


def test_the_tightest_of_version_2(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/kubepods.slice/pod1/worker")
    write(tmp_path / V2 / "kubepods.slice/cpu.max", "800000 100000")
    write(tmp_path / V2 / "kubepods.slice/pod1/cpu.max", "300000 100000")
    write(tmp_path / V2 / "kubepods.slice/pod1/worker/cpu.max", "max 100000")
    write(tmp_path / V2 / "kubepods.slice/pod2/cpu.max", "100000 100000")
    assert cpu_quota(tmp_path) == 3


@pytest.mark.parametrize(("quota_us", "quota"), [(-1, None), (250000, 2.5)])
def test_in_a_container_of_version_1_its_path_is_the_hosts(quota_us: int, quota: float | None, tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "5:memory:/docker/4f2a\n4:cpu,cpuacct:/docker/4f2a\n0::/docker/4f2a")
    write(tmp_path / V1 / "cpu.cfs_quota_us", str(quota_us))
    write(tmp_path / V1 / "cpu.cfs_period_us", "100000")
    assert cpu_quota(tmp_path) == quota


def test_a_real_cgroup_of_one_cpu() -> None:
    name = f"ringcycle-{uuid.uuid4().hex[:8]}"
    version1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").is_file()
    folder = Path("/sys/fs/cgroup/cpu" if version1 else "/sys/fs/cgroup") / name
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no permission to create a cgroup: {error}")
    try:
        try:
            (folder / ("cpu.cfs_quota_us" if version1 else "cpu.max")).write_text("100000")
        except OSError as error:
            pytest.skip(f"the cpu controller is not delegated to cgroups here: {error}")
        join = f"import os; open({str(folder / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
        command = [sys.executable, "-c", f"{join}; from cluster.hardware.cgroup import cpu_quota; print(cpu_quota())"]
        assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout == "1.0\n"
    finally:
        folder.rmdir()
