"""The pages name only what exists: files, folders, modules and configuration fields."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

import cyclegan  # noqa: F401  (its own names are looked up)
from cluster.config import Config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "k8s/README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("ringcycle", "preprocess", "cyclegan", "cluster", "benchmarks", "tests")
FOLDERS = (*PACKAGES, "configs", "docs", "hpc", "k8s")
CODE = re.compile(r"```.*?```|`[^`\n]+`|^    .*$", re.DOTALL | re.MULTILINE)
"""Code blocks, code spans, and drawings."""
TREE = re.compile(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]*")
MODULE = re.compile(rf"(?<![\w/.-])(?:{'|'.join(PACKAGES)})(?:\.[a-z]\w*)+")
FIELD = re.compile(rf"(?<![\w/.])(?:--)?({'|'.join(Config.model_fields)})\.(?!py\b|md\b)([a-z]\w*)")
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
EXAMPLES = {"tests/X/Y/test_Z.py"}


def named(page: Path, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """What the page's code says, by pattern."""
    return [match for code in CODE.findall(page.read_text()) for match in pattern.finditer(code)]


def is_module(name: str) -> bool:
    """A module, or what a package itself offers."""
    path, (package, _, attribute) = ROOT / name.replace(".", "/"), name.rpartition(".")
    return path.is_dir() or path.with_suffix(".py").is_file() or hasattr(sys.modules.get(package), attribute)


def is_field(section: str, name: str) -> bool:
    annotation = Config.model_fields[section].annotation
    return name in getattr(annotation, "model_fields", {})


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_files_and_folders_exist(page: Path) -> None:
    names = {match[0].rstrip(".") for match in named(page, TREE)} - EXAMPLES
    assert sorted(name for name in names if not (ROOT / name).exists()) == []


def test_modules_and_fields_exist(page: Path) -> None:
    """`cluster.config` is a module, `cluster.workers` a field."""
    fields = {match[0].removeprefix("--") for match in named(page, FIELD) if is_field(match[1], match[2])}
    names = {match[0] for pattern in (MODULE, FIELD) for match in named(page, pattern)}
    assert sorted(name for name in names if name.removeprefix("--") not in fields and not is_module(name)) == []


def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def test_a_name_that_does_not_exist_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`cluster/gone.py`, `cluster.gone`, `--train.gone 1`\n\n```sh\npython -m cluster.lost\n```\n\n[link](gone.md)\n")
    for check in (test_files_and_folders_exist, test_modules_and_fields_exist, test_links_lead_somewhere):
        with pytest.raises(AssertionError, match="gone"):
            check(page)


def test_every_sub_package_is_on_the_architecture_page() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    folders = [path.parent.relative_to(ROOT) for package in PACKAGES[:4] for path in (ROOT / package).glob("**/__init__.py")]
    assert [str(folder) for folder in folders if f"`{folder}/`" not in text] == []


def test_the_layers_on_the_architecture_page_are_those_of_import_linter() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    text = " ".join((ROOT / "docs/architecture.md").read_text().split())
    lines = {c["containers"][0]: " → ".join(layer.replace(" | ", ", ") for layer in c["layers"]) for c in contracts if "containers" in c}
    assert sorted(lines) == sorted(PACKAGES[:4])
    assert [package for package, line in lines.items() if f"{package} {line}" not in text] == []
