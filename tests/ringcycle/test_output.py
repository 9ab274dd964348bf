"""Output that fails costs lines, never the command; foreign text cannot steer the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringcycle.output import printable, say

CODE = """
import sys
from ringcycle.output import tolerate_failing_output
tolerate_failing_output()
for number in range(2000):
    print("line", number, "of 3×3, √2 … 漢", flush=number % 2 == 0)
    print("error line", file=sys.stderr)
with open(sys.argv[1], "w") as file:
    file.write("done")
"""


def run(done: Path, *, shell: str = "{command}", **environment: str) -> subprocess.CompletedProcess[bytes]:
    script = done.with_name("script.py")
    script.write_text(CODE, encoding="utf-8")
    command = shell.format(command=f"{sys.executable} {script} {done}")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(["bash", "-c", command], env=variables, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    "shell",
    [
        "set -o pipefail; {command} | head -n 1",
        "{command} > /dev/full 2>&1",
        "{command} >&-",
        "{command} 2>&-",
        "{command} >&- 2>&-",
    ],
)
def test_a_command_goes_on_and_succeeds(shell: str, tmp_path: Path) -> None:
    result = run(tmp_path / "done", shell=shell)
    assert (tmp_path / "done").read_text() == "done"
    assert result.returncode == 0
    assert b"Traceback" not in result.stderr
    assert b"ignored" not in result.stderr


@pytest.mark.parametrize(("encoding", "line"), [("ascii", b"line 7 of 3x3, sqrt2 ... ?"), ("latin-1", b"line 7 of 3\xd73, sqrt2 ... ?")])
def test_encodings_without_our_characters(encoding: str, line: bytes, tmp_path: Path) -> None:
    result = run(tmp_path / "done", PYTHONIOENCODING=encoding)
    assert result.returncode == 0
    assert result.stdout.splitlines()[7] == line


def test_control_characters_are_escaped() -> None:
    assert printable("a\x1b[2Jb\nc\x9b\x7f") == "a\\x1b[2Jb\\nc\\x9b\\x7f"
    assert printable(os.fsdecode(b"caf\xe9.jpg")) == "caf\\xe9.jpg"
    assert printable("漢字 × é") == "漢字 × é"
    assert printable("left\u202eright") == "left\\u202eright"


def test_what_is_said_is_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2J\nb", 3)
    say("c\r", file=sys.stderr)
    assert capsys.readouterr() == ("a\\x1b[2J\\nb\n3\n", "c\\r\n")
