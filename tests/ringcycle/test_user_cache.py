"""The user's cache folder: in the home, else private below the temporary folder, never one that others could have filled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringcycle.errors import UserError
from ringcycle.user_cache import compile_cache, private_folder, processor_kind, tensorflow_version, user_cache


def test_it_lies_where_the_user_keeps_caches(tmp_path: Path) -> None:
    assert user_cache({"XDG_CACHE_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path)}) == tmp_path / "xdg" / "ringcycle"
    assert user_cache({"XDG_CACHE_HOME": "relative", "HOME": str(tmp_path)}) == tmp_path / ".cache" / "ringcycle"
    assert (tmp_path / ".cache" / "ringcycle").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("environment", [{}, {"HOME": "/nonexistent"}])
def test_a_user_without_a_home_gets_a_private_folder(environment: dict[str, str], tmp_path: Path) -> None:
    folder = user_cache(environment, tmp_path)
    assert folder == tmp_path / f"ringcycle-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert user_cache(environment, tmp_path) == folder


def test_a_folder_that_others_could_have_filled_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "file").touch()
    for name, fact in (("open", "may be written to by others (mode 0777)"), ("link", "is a symbolic link"), ("file", "cannot be made")):
        with pytest.raises(UserError) as caught:
            private_folder(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert fact in str(caught.value)
        assert "XDG_CACHE_HOME" in str(caught.value)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of another user")
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / f"ringcycle-{os.getuid()}"
    folder.mkdir(mode=0o700)
    os.chown(folder, 1234, 1234)
    with pytest.raises(UserError, match=r"belongs to another user \(uid 1234\)"):
        user_cache({}, tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without an entry in the password file")
def test_a_user_without_an_entry_in_the_password_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    code = (
        f"import os, sys; sys.path[:] = {sys.path!r}\nfrom pathlib import Path\nfrom ringcycle.user_cache import user_cache\n"
        f"os.setuid(54321); print(user_cache({{}}, Path({str(tmp_path)!r})))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == str(tmp_path / "ringcycle-54321")


def test_the_compile_cache_is_private_and_named_by_what_its_programs_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    default = compile_cache("")
    assert default.parent == tmp_path / "ringcycle"
    assert default.parent.stat().st_mode & 0o777 == 0o700
    assert default.name.startswith("tensorflow-2.")
    assert default.name.endswith(processor_kind())
    assert compile_cache(str(tmp_path / "given")).parent == tmp_path / "given"


@pytest.mark.parametrize("package", ["tensorflow", "tensorflow_cpu"])
def test_either_package_of_tensorflow_tells_the_version(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / f"{package}-9.8.7.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text(f"Metadata-Version: 2.4\nName: {package}\nVersion: 9.8.7\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert tensorflow_version() == "9.8.7"


def test_a_compile_cache_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(UserError, match=r"shared may be written to by others \(mode 0777\), so it cannot be trusted: delete it"):
        compile_cache(str(folder))


def test_machines_with_other_instructions_have_other_folders(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("processor : 0\nflags\t\t: fpu avx2\nprocessor : 1\nflags\t\t: fpu avx2\n")
    (tmp_path / "new").write_text("processor : 0\nflags\t\t: fpu avx2 avx512f\n")
    assert processor_kind(tmp_path / "old") == processor_kind(tmp_path / "old")
    assert processor_kind(tmp_path / "old") != processor_kind(tmp_path / "new")
    assert processor_kind(tmp_path / "missing") in processor_kind()
