"""Only what is printed inside is silenced, even if written to the file descriptor."""

import os

import pytest

from ringcycle.stderr import quiet_stderr


def test_output_inside_is_silenced(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with quiet_stderr():
        os.write(2, b"hidden ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"
