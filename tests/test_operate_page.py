"""docs/operate.md explains every metric, and every line that tells of a fault while something runs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from cluster.driver.run_metrics import GAUGES
from tests.ray_nodes import ROOT

PAGE = (ROOT / "docs/operate.md").read_text()
PACKAGES = ("cluster", "cyclegan", "preprocess", "ringcycle")
POLICY = ROOT / "cluster/driver/policy.py"
GAP = "\0"
SAYS_ITSELF = {
    "preprocess/building/line_collector.py": "passes on lines of others",
    "cyclegan/inference/files.py": "names a file that was left out, and why",
}
"""Modules whose lines are made of what others found out."""


def test_every_metric_is_explained() -> None:
    rows = dict(re.findall(r"^\| `(ringcycle_\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert rows == GAUGES


def test_every_warning_is_explained() -> None:
    modules = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): list(faults(path)) for path in modules}
    assert sum(map(len, found.values())) > 40
    missing = {module: [words for words in lines if words not in PAGE] for module, lines in found.items() if module not in SAYS_ITSELF}
    assert {module: lines for module, lines in missing.items() if lines} == {}


def test_the_exceptions_are_still_there() -> None:
    assert [module for module in SAYS_ITSELF if not any("log.warning" in line for line in (ROOT / module).read_text().splitlines())] == []


def test_a_new_warning_is_found(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text('log.warning(f"the moon is {phase} today: wait")\nlog.warning("%s is gone, sadly", name)\n')
    assert list(faults(tmp_path / "new.py")) == ["the moon is", "is gone, sadly"]


def faults(module: Path) -> Iterator[str]:
    """The longest fixed words of each warning, and of each reason why a training stops or restarts."""
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case (
                ast.Call(func=ast.Attribute(attr="warning"), args=[message, *_])
                | ast.Call(func=ast.Name("Decision"), args=[_, message, *_])
            ):
                pass
            case ast.Return(ast.JoinedStr() as message) if module == POLICY:
                pass
            case _:
                continue
        longest = max((part.strip(" :;()") for part in re.split(rf"{GAP}|%[sd]|%\.\df", fixed(message))), key=len)
        if longest:
            yield longest


def fixed(text: ast.expr) -> str:
    """A string with gaps where it is put together."""
    match text:
        case ast.Constant(str() as words):
            return words
        case ast.JoinedStr(parts):
            return "".join(fixed(part) for part in parts)
        case _:
            return GAP
