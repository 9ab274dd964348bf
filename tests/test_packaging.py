"""The wheel, installed elsewhere and used from another folder."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from ringcycle.__main__ import COMMANDS
from tests.ray_nodes import ROOT, clean_environment

pytestmark = pytest.mark.process
PACKAGES = ("cluster", "cyclegan", "preprocess", "ringcycle")


def run(*command: object, folder: Path) -> str:
    environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scripts of an environment that has the wheel, and sees this environment's packages for all else."""
    folder = tmp_path_factory.mktemp("packaging")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=ROOT)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    scripts = folder / "venv" / "bin"
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "host.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = ("install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", "--python", scripts / "python", *install, folder=folder)
    return scripts


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_imported_from_the_wheel_and_typed(package: str, installed: Path, tmp_path: Path) -> None:
    found = Path(run(installed / "python", "-c", f"import {package}; print({package}.__file__)", folder=tmp_path).strip())
    assert found.is_relative_to(installed.parent)
    assert (found.parent / "py.typed").is_file()


def test_the_wheel_holds_nothing_else(installed: Path) -> None:
    (record,) = installed.parent.glob("lib/python*/site-packages/ringcycle-*.dist-info/RECORD")
    tops = {line.split("/")[0] for line in record.read_text().splitlines()}
    assert {top for top in tops if not top.startswith(("ringcycle-", ".."))} == set(PACKAGES)


def test_the_report_has_its_charts(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/metrics.jsonl").write_text('{"step": 1, "G_AB": 0.5}\n')
    run(installed / "python", "-m", "cluster.report", "run", folder=tmp_path)
    assert "uPlot" in (tmp_path / "run/report.html").read_text()


@pytest.mark.parametrize("module", ["cluster.train", "cyclegan.translate"])
def test_modules_run_from_another_folder(module: str, installed: Path, tmp_path: Path) -> None:
    assert f"usage: python -m {module} " in run(installed / "python", "-m", module, "--help", folder=tmp_path)


def test_the_command_and_its_aliases(installed: Path, tmp_path: Path) -> None:
    listed = run(installed / "ringcycle", "--help", folder=tmp_path)
    assert all(f"\n  {name} " in listed for name in COMMANDS)
    assert "--train.batch N " in run(installed / "ringcycle", "train", "--help", folder=tmp_path)


def test_the_demo_finds_its_configuration(installed: Path, tmp_path: Path) -> None:
    program = "from cluster.load_config import load_config; from cluster.demo import CONFIG; "
    program += "print(load_config(['--config', str(CONFIG)], {}).run.name)"
    assert run(installed / "python", "-c", program, folder=tmp_path) == "demo\n"


def test_the_server_finds_its_page(installed: Path, tmp_path: Path) -> None:
    program = "from cluster.serving.page import read_page; print(read_page().text.splitlines()[0])"
    assert run(installed / "python", "-c", program, folder=tmp_path) == "<!doctype html>\n"
