"""The files in which the reference keeps its networks: EPOCH_net_NETWORK.pth, in a folder for each training."""

import re
from pathlib import Path

from cyclegan.conversion.network_entries import NETWORKS
from ringcycle.errors import UserError

FILE = re.compile(r"(?P<epoch>.+)_net_(?P<network>G|G_A|G_B|D_A|D_B)\.pth")
SINGLE = "G"  # the generator of the reference's test model, as its published networks are stored
CURE = "give a .pth file of a generator, or a folder with latest_net_G_A.pth and the like"


def file_name(epoch: str, network: str) -> str:
    """The name of a network's file."""
    return f"{epoch}_net_{network}.pth"


def is_reference(source: Path) -> bool:
    """Whether this is a file, or a folder with files of the reference."""
    return source.is_file() or any(FILE.fullmatch(path.name) for path in (source.iterdir() if source.is_dir() else ()))


def find_files(source: Path, epoch: str, direction: str | None) -> dict[str, Path]:
    """The files of a training, or the one of a generator, by network.

    direction: of a single generator whose name does not say it; None: AtoB. Raises UserError if there is no generator.
    """
    if source.is_file():
        named = FILE.fullmatch(source.name)
        network = named["network"] if named and named["network"] in NETWORKS else None
        return {_generator(direction) if direction or network is None else network: source}
    matches = [match for path in sorted(source.iterdir()) if (match := FILE.fullmatch(path.name))]
    found = {match["network"]: source / match[0] for match in matches if match["epoch"] == epoch}
    if not found:
        epochs = ", ".join(dict.fromkeys(match["epoch"] for match in matches))
        raise UserError(f"--epoch = {epoch}, but SOURCE = {source} has no networks of it: give one of {epochs}")
    single = found.pop(SINGLE, None)
    if not found.keys() & {"G_A", "G_B"}:
        if single is None:
            raise UserError(f"SOURCE = {source} has no generator of --epoch = {epoch}: {CURE}")
        found[_generator(direction)] = single
    return {network: found[network] for network in NETWORKS if network in found}


def _generator(direction: str | None) -> str:
    return "G_B" if direction == "BtoA" else "G_A"
