"""`python -m preprocess.build SOURCE OUT`: from images to shards."""

import argparse
import json
import sys
import time

import ray
from pydantic import ValidationError
from rich.console import Console

from preprocess.building.progress import logged_speed
from preprocess.building.shard_folder import LOG, build
from preprocess.config import DataConfig
from preprocess.shards.manifest import NAME, Manifest
from preprocess.sources.layouts import find_images, source_of
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.errors import UserError
from ringcycle.logs import add_log_level, send_lines
from ringcycle.options import add_option
from ringcycle.output import printable
from ringcycle.ray_start import start_ray
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store

_OPTIONS = (
    *("source_a", "source_b", "class_a", "class_b", "source_list", "list_roots", "test_fraction"),
    *("preprocess", "load_size", "crop_size", "channels_a", "channels_b", "bits"),
    *("threads", "build_actors", "max_rejected", "max_file_mb", "max_megapixels", "shard_mb"),
)
_SHOWN = 10  # rejected images in the summary


def main(arguments: list[str] | None = None) -> int:
    """`python -m preprocess.build`; returns the exit code."""
    fields = DataConfig.model_fields
    parser = Parser(prog="python -m preprocess.build", description="Turn a folder of images into shards, on all nodes of a cluster.")
    parser.add_argument("source", metavar="SOURCE", nargs="?", help=f"{fields['source'].description}; or one of the --source options")
    parser.add_argument("out", metavar="OUT", help="folder for the shards, visible to all nodes")
    for name in _OPTIONS:
        add_option(parser, f"--{name.replace('_', '-')}", fields[name])
    add_log_level(parser)
    given = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        config = _config(given)
        source = source_of(config)
        find_images(source)  # before Ray starts, which takes seconds
        began = time.monotonic()
        send_lines(lambda line: console.print(printable(line), markup=False), given.log_level)
        with console.status("starting Ray") as status:
            if not ray.is_initialized():
                start_ray()
            manifest = build(source, given.out, config, lambda progress: status.update(progress.describe()))
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    for line in _summary(manifest, given.out, time.monotonic() - began):
        console.print(printable(line), markup=False)
    return ExitCode.OK


def _summary(manifest: Manifest, out: Location, seconds: float) -> list[str]:
    """The result of a build, for the terminal."""
    store = Store(out)
    lines = []
    for split, content in manifest.splits.items():
        lines.append(f"{split}: {content.count:,} images in {len(content.shards)} shard{'s' if len(content.shards) > 1 else ''}")
    lines.append(manifest.describe())
    if manifest.duplicates:
        dropped = sum(one.dropped for one in manifest.duplicates)
        lines.append(f"{len(manifest.duplicates):,} duplicates, {dropped:,} of them dropped")
    lines += [f"rejected {one.path}: {one.reason}" for one in manifest.rejected[:_SHOWN]]
    if len(manifest.rejected) > _SHOWN:
        lines.append(f"rejected {len(manifest.rejected) - _SHOWN:,} more, see {store.label(NAME)}")
    speed = logged_speed(json.loads(store.read(LOG)))
    total = sum(split.count for split in manifest.splits.values())
    counts = f"{total:,} images, {len(manifest.rejected):,} rejected"
    lines.append(f"{counts}, in {store.label()} after {seconds:.1f} s, built at {speed:,.0f} images/s")
    return lines


def _config(given: argparse.Namespace) -> DataConfig:
    values = {name: value for name in ("source", *_OPTIONS) if (value := getattr(given, name)) is not None}
    if values.get("preprocess", "resize_and_crop") == "resize_and_crop":
        values.setdefault("crop_size", 24)  # does not affect such a build, but must fit into load_size
    try:
        return DataConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":
            raise UserError(str(first["ctx"]["error"])) from error
        field = str(first["loc"][-1])
        raise UserError(f"--{field.replace('_', '-')} = {first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}") from error


if __name__ == "__main__":
    sys.exit(run(main))
