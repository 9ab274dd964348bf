"""What tests of programs share."""

from pathlib import Path

import pytest


@pytest.fixture
def own_compile_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's caches are in `tmp_path`, and the flags that name them are forgotten after the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TF_XLA_FLAGS", "")
