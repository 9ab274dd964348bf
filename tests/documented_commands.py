"""The commands that README and the pages show, as a reader would copy them."""

import re
from pathlib import Path

from tests.ray_nodes import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "k8s/README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`((?:\.venv/bin/)?python -m [^`]+)`")
COMMENT = re.compile(r"(?:^|\s)#.*")
MODULE = re.compile(r"(?:\.venv/bin/)?python -m ([\w.]+)")


def blocks(page: Path) -> list[list[str]]:
    """The commands of each block of shell lines: without comments, continued lines joined."""
    shell = [text.replace("\\\n", " ") for language, text in FENCED.findall(page.read_text()) if language == "sh"]
    return [[command for line in text.splitlines() if (command := _words(COMMENT.sub("", line)))] for text in shell]


def spans(page: Path) -> list[str]:
    """Commands inside sentences."""
    return [_words(span) for span in SPAN.findall(FENCED.sub("", page.read_text()))]


def commands(page: Path) -> list[str]:
    """All of a page, each once, in its order: blocks first."""
    return list(dict.fromkeys([*(command for block in blocks(page) for command in block), *spans(page)]))


def module_of(command: str) -> str | None:
    """X of `python -m X …`."""
    match = MODULE.match(command)
    return match[1] if match else None


def _words(text: str) -> str:
    return " ".join(text.split())
