"""How much processor time this process's cgroup grants, version 1 or 2."""

from pathlib import Path


def cpu_quota(root: Path = Path("/")) -> float | None:
    """CPUs' worth of time, or None without a limit. root: where /proc and /sys lie; a recorded tree in tests.

    The tightest limit applies, of the process's own cgroup and of all above it; a container sees only the top of what is mounted.
    Hierarchies are where systemd mounts them: version 2 at /sys/fs/cgroup, version 1 below it at `cpu` (a link to `cpu,cpuacct`).
    """
    v1, v2 = _own_cgroups(root)
    mount = root / "sys/fs/cgroup"
    limits = [_quota_v2(folder) for folder in _upwards(mount, v2)] + [_quota_v1(folder) for folder in _upwards(mount / "cpu", v1)]
    return min((limit for limit in limits if limit is not None), default=None)


def _own_cgroups(root: Path) -> tuple[str, str]:
    """Paths of this process's cgroup: in version 1's hierarchy of the `cpu` controller, and in version 2's."""
    v1 = v2 = "/"
    table = root / "proc/self/cgroup"
    for line in table.read_text().splitlines() if table.is_file() else ():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            v2 = path
        elif "cpu" in controllers.split(","):
            v1 = path
    return v1, v2


def _upwards(mount: Path, own: str) -> list[Path]:
    folder = mount / own.lstrip("/")
    return [path for path in (folder, *folder.parents) if path.is_relative_to(mount)]


def _quota_v2(folder: Path) -> float | None:
    file = folder / "cpu.max"
    if not file.is_file():
        return None
    quota, period = file.read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    file = folder / "cpu.cfs_quota_us"
    if not file.is_file():
        return None
    quota = int(file.read_text())
    return None if quota <= 0 else quota / int((folder / "cpu.cfs_period_us").read_text())
