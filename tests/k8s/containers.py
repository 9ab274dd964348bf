"""Builds images with buildah, and runs commands in them as a node does: another user, a read-only root, a few mounts."""

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
CERTIFICATES = "/etc/ssl/certs"  # of this machine: a registry's mirror may have a certificate of its own
PACKAGES = "ca-certificates,python-is-python3,python3-pip,python3-venv"

# In mount, process and network namespaces of its own. A runtime too makes mount points and /etc/hosts before the root is read-only.
ENTER = """
set -eu
mkdir -p "$ROOT/storage"
echo "127.0.0.1 localhost $(uname -n)" > "$ROOT/etc/hosts"
mount --bind "$ROOT" "$ROOT"
mount --bind "$STORAGE" "$ROOT/storage"
mount --rbind /dev "$ROOT/dev"
mount --rbind /sys "$ROOT/sys"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o mode=1777 tmp "$ROOT/tmp"
if test "$HOME_IS_MOUNTED" = yes; then mount -t tmpfs -o mode=770,uid=0,gid="$GROUP" home "$ROOT/home/ringcycle"; fi
mount -o remount,bind,ro "$ROOT"
ip link set lo up
exec setpriv --no-new-privs chroot --userspec="$USER_ID:$GROUP" --groups= "$ROOT" env -i "$@"
"""


def missing(base: str) -> str:
    """Why no image can be built here, or an empty string."""
    needed = ["buildah", "ip", "setpriv", "unshare", *([] if base else ["mmdebstrap"])]
    absent = [name for name in needed if not shutil.which(name)]
    if os.geteuid() or absent:
        return "root is needed" if os.geteuid() else f"{', '.join(absent)} not installed"
    return ""


@dataclass(frozen=True)
class Engine:
    """buildah with a storage of its own. folder: holds everything, about 8 GB."""

    folder: Path

    def run(self, *words: str | Path) -> str:
        """Output of a command of buildah; it must succeed."""
        roots = ["--root", self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver", "vfs"]
        done = subprocess.run(["buildah", *map(str, [*roots, *words])], cwd=ROOT, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, f"buildah {shlex.join(map(str, words))}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def make_base(self, name: str) -> None:
        """Debian's Python of this machine's release as an image, from the package sources of this machine."""
        archive = self.folder / "base.tar"
        sources = [path for path in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*.sources")) if path.is_file()]
        # An image has one owner, who may install packages with pip.
        unmanaged = """--customize-hook=rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED"""
        release = platform.freedesktop_os_release()["VERSION_CODENAME"]
        options = ["--quiet", "--variant=minbase", f"--include={PACKAGES}", unmanaged]
        subprocess.run(["mmdebstrap", *options, release, archive, *sources], check=True, timeout=600)
        container = self.run("from", "scratch").strip()
        self.run("add", "--quiet", container, archive, "/")
        self.run("commit", "--rm", "--quiet", container, name)
        archive.unlink()

    def build(self, base: str, name: str, **arguments: str) -> str:
        """Build k8s/Dockerfile on a base image. Returns what the build printed."""
        given = [word for key, value in {"BASE": base, **arguments}.items() for word in ("--build-arg", f"{key}={value}")]
        mounts = ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"] if Path(CERTIFICATES).is_dir() else []
        return self.run("build", "--isolation", "chroot", *given, *mounts, "--tag", name, "--file", "k8s/Dockerfile", ".")

    def mount(self, name: str) -> Path:
        """The root folder of a new container."""
        return Path(self.run("mount", self.run("from", name).strip()).strip())


@dataclass(frozen=True)
class Container:
    """An image's root folder, and what its commands get. storage: mounted at /storage."""

    root: Path
    config: Mapping[str, object]
    storage: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, script: str, user: int = 1000, group: int = 1000, mount_home: bool = True, seconds: float = 900) -> str:
        """Output of a shell script with the image's environment and working directory, which must succeed. Its processes end with it."""
        variables = [*map(str, self.config["Env"]), *(f"{key}={value}" for key, value in self.environment.items())]  # type: ignore[call-overload]
        outside = {
            "PATH": os.environ["PATH"],
            "ROOT": str(self.root),
            "STORAGE": str(self.storage),
            "USER_ID": str(user),
            "GROUP": str(group),
            "HOME_IS_MOUNTED": "yes" if mount_home else "no",
        }
        enter: Sequence[str] = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", ENTER, "enter"]
        words = [*enter, *variables, "bash", "-euo", "pipefail", "-c", f"cd {self.config['WorkingDir']}\n{script}"]
        done = subprocess.run(words, env=outside, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
        assert done.returncode == 0, f"{script}\nended with {done.returncode}:\n{done.stdout[-8000:]}"
        return done.stdout
