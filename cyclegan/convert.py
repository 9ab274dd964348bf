"""`python -m cyclegan.convert`: weights of junyanz/pytorch-CycleGAN-and-pix2pix into a run of ours, or a run of ours into its files."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from cyclegan.checkpoint_files.origin import Origin
from cyclegan.conversion.network_entries import NETWORKS
from cyclegan.conversion.options import describe, generator_name, our_options, reference_options
from cyclegan.conversion.reading import ReferenceNetworks, read_networks
from cyclegan.conversion.reference_files import CURE, find_files, is_reference
from cyclegan.conversion.run_folder import check_empty, write_run
from cyclegan.conversion.writing import TrainedNetworks, check_free, write_files
from cyclegan.inference.generator_checkpoint import Which, find_checkpoint, read_direction, read_which
from cyclegan.inference.scale import Preparation
from cyclegan.inference.translation_request import WHICH_HELP
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from ringcycle.logs import add_log_level, send_lines
from ringcycle.output import say
from ringcycle.stderr import quiet_stderr
from ringcycle.storage.location import Location, as_location, shown
from ringcycle.storage.store import Store, reading

SOURCE_HELP = (
    "weights to convert: a folder of the reference with EPOCH_net_G_A.pth and the like, or a .pth file of one generator; or a run of "
    "ours, or a checkpoint"
)
OUTPUT_HELP = "folder to write: a run with one checkpoint; or, from a run of ours, the reference's .pth files"


def main(arguments: list[str] | None = None) -> int:
    """Convert, and say what came of it; 2 after a user's mistake."""
    parser = Parser(prog="python -m cyclegan.convert", description="Convert weights from and to junyanz/pytorch-CycleGAN-and-pix2pix.")
    parser.add_argument("source", type=as_location, metavar="SOURCE", help=SOURCE_HELP)
    parser.add_argument("output", type=as_location, metavar="OUTPUT", help=OUTPUT_HELP)
    parser.add_argument("--epoch", default="latest", metavar="EPOCH", help="in the names of the reference's files; default: latest")
    parser.add_argument("--direction", metavar="|".join(DIRECTIONS), help="of a single generator, where its file's name does not say it")
    parser.add_argument("--load-size", type=int, default=286, metavar="PIXELS", help="to which its training resized images; default: 286")
    parser.add_argument("--crop-size", type=int, default=256, metavar="PIXELS", help="crop of its training; default: 256")
    parser.add_argument("--which", default="newest", metavar="newest|best", help=f"of a run of ours: {WHICH_HELP}")
    add_log_level(parser)
    given = parser.parse_args(arguments)
    send_lines(lambda line: say(line, file=sys.stderr), given.log_level)
    try:
        which = read_which(given.which)
        direction = read_direction(given.direction) if given.direction is not None else None
        with reading(given.source, "SOURCE"):
            if isinstance(given.source, Path) and is_reference(given.source):
                files = find_files(given.source, given.epoch, direction)
                lines = _to_ours(files, given.source, given.output, _preparation(given))
            else:
                lines = _to_reference(_checkpoint(given.source, which), given.output, given.epoch)
        say(*lines)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    return ExitCode.OK


def _preparation(given: argparse.Namespace) -> Preparation:
    if not 0 < given.crop_size <= given.load_size:
        raise UserError(
            f"--crop-size = {given.crop_size}, but --load-size = {given.load_size}: give the sizes of the training, the crop no larger"
        )
    return Preparation(preprocess="resize_and_crop", load_size=given.load_size, crop_size=given.crop_size)


def _checkpoint(source: Location, which: Which) -> Location:
    if isinstance(source, Path) and source.is_dir() and not any(source.iterdir()):
        raise UserError(f"SOURCE = {source} is empty: {CURE}, or the folder of a run")
    return find_checkpoint(source, which, "SOURCE")


def _to_ours(files: dict[str, Path], source: Path, output: Location, preparation: Preparation) -> Iterator[str]:
    check_empty(output)
    networks = read_networks(files)
    with quiet_stderr():
        from cyclegan.conversion.packing import pack

        weights = pack(networks.found, networks.model)
    write_run(output, networks.model, weights, preparation, Origin(source=str(source), initial=tuple(networks.missing)))
    for network, path in files.items():
        yield f"{NETWORKS[network]} from {path}"
    yield from networks.remarks()
    yield from _missing(networks)
    yield f"{shown(output)}: a run with {describe(networks.model)}"
    yield f"train on from it: --run.start_from {shown(output)} {our_options(networks.model)}"


def _to_reference(folder: Location, output: Location, epoch: str) -> Iterator[str]:
    trained = TrainedNetworks(folder)
    check_free(output, epoch, trained.networks)
    with quiet_stderr():
        from cyclegan.conversion.packing import unpack

        state_dicts = unpack(trained.weights, trained.model)
    for network, name in zip(trained.networks, write_files(output, epoch, state_dicts, trained.networks), strict=True):
        yield f"{Store(output).label(name)} from {NETWORKS[network]}"
    for network, fact in trained.skipped.items():
        yield f"{NETWORKS[network]} is not written: it {fact}"
    if trained.model.norm == "batch":
        yield "running statistics of batch norms are initial ones: use the reference without --eval"
    if generator_name(trained.model) is None:
        yield "the reference has no --netG for this generator: its define_G must make it"
    yield f"{shown(output)}: step {trained.index.step:,} of {shown(folder)}; {reference_options(trained.model, trained.networks)}"


def _missing(networks: ReferenceNetworks) -> Iterator[str]:
    for name in networks.missing:
        effect = "" if name.startswith("D") else f"; {name[2]}to{name[3]} is not translated before it is trained"
        yield f"{name} is missing and starts anew{effect}"


if __name__ == "__main__":
    sys.exit(run(main))
