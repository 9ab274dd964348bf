"""The page's script, run by a real browser where there is one."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.reporting.page import render
from cluster.reporting.run_files import RunReader
from cluster.reporting.sample_images import shares
from tests.cluster.reporting.made_run import make_run

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"

pytestmark = [pytest.mark.process, pytest.mark.skipif(not BROWSER, reason="needs Chromium or Chrome")]


def after_loading(page: Path, folder: Path) -> str:
    """The document once its scripts have run."""
    command = [
        BROWSER,
        "--headless",
        *QUIET.split(),
        f"--user-data-dir={folder}",
        "--virtual-time-budget=2000",
        "--dump-dom",
        page.as_uri(),
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.parametrize("runs", [1, 3])
def test_charts_and_sliders_are_drawn(runs: int, tmp_path: Path) -> None:
    """Under the page's own policy, which admits its scripts and no others."""
    folders = [make_run(tmp_path / f"run<b>{seed}", seed=seed) for seed in range(runs)]
    page = tmp_path / "page.html"
    page.write_text(render([RunReader(folder).read(*shares(runs)) for folder in folders], datetime.now(UTC)))
    found = after_loading(page, tmp_path / "profile")
    assert found.count("<canvas") == found.count("data-chart=") == 10
    assert found.count('aria-pressed="true"') >= 10 and len(re.findall(r'aria-valuetext="step 1,500"', found)) == 2 * runs
    assert "<b>" not in found
