"""Options for the sizes of a training step."""

import argparse


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """Add --size, --filters, --blocks and --batch, by default those of `configs/faces.toml`."""
    for name, default in (("size", 128), ("filters", 64), ("blocks", 6), ("batch", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
