"""`python -m cluster.checkpoint list RUN`: which checkpoints a run has, whether they are valid, and why they are kept. Needs no cluster."""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from pyarrow import fs
from pydantic import ValidationError

from cluster.checkpointing.retention import entries, kept
from cluster.config import RunConfig
from cluster.paths import checkpoints_of
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import checkpoints, verify
from cyclegan.checkpoint_files.index import Index, read_index
from cyclegan.checkpoint_files.names import ASIDE, INDEX, step_of
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.output import say
from ringcycle.storage.location import Location, as_location, shown
from ringcycle.storage.store import Store, reading
from ringcycle.tables import table_lines

SET_ASIDE = ("set aside",)
COLUMNS = ("step", "written (UTC)", "size", "workers", "verdict", "kept as")


@dataclass(frozen=True)
class ListedCheckpoint:
    """One line of the list. damage: what is wrong with the checkpoint, empty if nothing is. index: None if it cannot be read."""

    folder: Location
    index: Index | None
    damage: str
    reasons: tuple[str, ...]

    def cells(self) -> tuple[str, ...]:
        """The texts of COLUMNS."""
        step = f"{step_of(self.folder):,}"
        verdict = f"damaged: {self.damage.removeprefix(Store(self.folder).label('') + '/')}" if self.damage else "good"
        if self.index is None:
            return step, "", "", "", verdict, ", ".join(self.reasons)
        size = sum(part.bytes for part in self.index.parts)
        written = f"{self.index.written:%Y-%m-%d %H:%M:%S}"
        return step, written, f"{size / 1e6:,.1f} MB", str(self.index.workers), verdict, ", ".join(self.reasons)


def main(arguments: Sequence[str] | None = None) -> int:
    """List and verify. Returns 0 if the newest checkpoint is valid, 1 if it is damaged or there is none, 2 after a user's mistake."""
    parser = Parser(prog="python -m cluster.checkpoint", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list and verify the checkpoints of a run; exit code 1 if the newest is damaged")
    listing.add_argument("run", type=as_location, metavar="RUN", help="folder of a run, or its location in an object store")
    run = parser.parse_args(arguments).run
    send_lines(lambda line: say(line, file=sys.stderr))
    try:
        with reading(run, "RUN"):
            listed = list_run(run)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    say(*table_lines(COLUMNS, [checkpoint.cells() for checkpoint in listed], numbers=4))
    present = [checkpoint for checkpoint in listed if checkpoint.reasons != SET_ASIDE]
    return ExitCode.OK if present and not present[-1].damage else ExitCode.FAILED


def list_run(run: Location) -> list[ListedCheckpoint]:
    """Every checkpoint of a run, oldest first, then those set aside; reads all bytes. Raises UserError if `run` is not a run's folder."""
    root = checkpoints_of(run)
    if Store(root).kind() != fs.FileType.Directory:
        raise UserError(f"RUN = {shown(run)} has no folder checkpoints: give the folder of a run, STORAGE/NAME")
    folders = checkpoints(root)
    known = entries(folders)
    reasons = kept(known.values(), _retention(folders))
    current = [_listed(folder, INDEX, reasons.get(known[folder].step, ()) if folder in known else ()) for folder in folders]
    return current + [_listed(folder, ASIDE, SET_ASIDE) for folder in checkpoints(root, ASIDE)]


def _listed(folder: Location, name: str, reasons: tuple[str, ...]) -> ListedCheckpoint:
    try:
        return ListedCheckpoint(folder, verify(folder, name), "", reasons)
    except DamagedCheckpoint as damage:
        return ListedCheckpoint(folder, _index(folder, name), str(damage), reasons)


def _index(folder: Location, name: str = INDEX) -> Index | None:
    try:
        return read_index(folder, name)
    except DamagedCheckpoint:
        return None


def _retention(folders: Sequence[Location]) -> RunConfig:
    """The `run` section of the newest checkpoint that can be read, as far as this version knows its fields."""
    newest = next((index for folder in reversed(folders) if (index := _index(folder))), None)
    section = newest.config.get("run", {}) if newest else {}
    with contextlib.suppress(ValidationError):
        return RunConfig.model_validate({name: section[name] for name in RunConfig.model_fields if name in section})
    return RunConfig()


if __name__ == "__main__":
    sys.exit(run(main))
