"""Recorded machines, written as trees of files."""

from pathlib import Path

TREES = Path(__file__).parent / "sys_trees"


def machine(name: str, root: Path) -> Path:
    """The tree of `sys_trees/NAME.txt` below `root`, as in /sys and /proc. Returns `root`."""
    files: dict[Path, list[str]] = {}
    for line in (TREES / f"{name}.txt").read_text().splitlines():
        path, _, content = line.partition(":")
        files.setdefault(root / path.lstrip("/"), []).append(content)
    for file, lines in files.items():
        write(file, "\n".join(lines))
    return root


def write(file: Path, content: str) -> None:
    """Write a file, with its folders, that ends in a newline as the kernel's do."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content + "\n")
