"""The storage, as the driver and all nodes see it."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from cluster.config import Config
from cluster.diagnosis.finding import Finding, Verdict
from cluster.diagnosis.nodes import Budget, NoAnswer, Node, Nodes, answered, bounded, unanswered
from cluster.diagnosis.storage_probe import Upload, content_of, empty_again, read_all, scratch_folder, upload, write_twice
from cluster.diagnosis.storage_verdicts import CHECK, checkpoint_bytes, checkpoint_time, room, visible
from cluster.driver.checks import storage_location
from cyclegan.config import ImageFormat
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, is_remote, redacted
from ringcycle.storage.store import Store

WAIT_SECONDS = 20.0  # for a file
UPLOAD_BYTES, UPLOAD_SECONDS = 64 * 2**20, 3.0  # on a node, for the rate
UPLOADS_SECONDS = 12.0  # of all nodes, which take turns
DRIVER = "driver"
HANGS = "see whether the storage hangs there (`ls`, `df`)"


def storage(
    config: Config, images: ImageFormat, nodes: Nodes, environment: Mapping[str, str], folder: Path, budget: Budget
) -> Iterator[Finding]:
    """All findings on `run.storage`. folder: the working directory, for a relative path."""
    given = config.run.storage
    with ExitStack() as stack:
        if not is_remote(given):
            local = Store(given).local if "://" in given else None
            stack.enter_context(empty_again((folder / (local or Path(given).expanduser())).resolve()))
        try:
            location = bounded(lambda: storage_location(config, environment, folder), WAIT_SECONDS)
        except UserError as error:
            yield Finding.of_message(CHECK, error)
            return
        except TimeoutError as error:
            yield Finding(CHECK, Verdict.PROBLEM, f"run.storage = {redacted(given)}: {error}", HANGS)
            return
        scratch = stack.enter_context(scratch_folder(location))
        store = Store(scratch)
        bounded(lambda: store.write(DRIVER, content_of(DRIVER, 2)), WAIT_SECONDS)
        names = {node: f"node-{number}" for number, node in enumerate(nodes.nodes)}
        asked = nodes.ask_each(write_twice, budget.at_most(WAIT_SECONDS), {node: (scratch, name) for node, name in names.items()})
        yield from unanswered(CHECK, asked, HANGS)
        written = answered(asked)
        able = {node: names[node] for node, answer in written.items() if not answer.fact}
        wanted = [DRIVER, *able.values()]
        reads = nodes.ask_each(read_all, budget.at_most(WAIT_SECONDS), dict.fromkeys(written, (scratch, wanted)))
        yield from unanswered(CHECK, reads, HANGS)
        seen = answered(reads)
        yield from visible(Store(location).label(), DRIVER, names, {node: written[node] for node in seen}, seen)
        part, whole = checkpoint_bytes(config, images)
        free = shutil.disk_usage(store.local).free if store.local else None
        if free is not None:
            yield room(free, whole, config.run.keep)
        size = min(UPLOAD_BYTES, part, UPLOAD_BYTES if free is None else free // 4)
        yield from checkpoint_time(part, _uploads(nodes, able, scratch, size, budget))


def _uploads(nodes: Nodes, able: dict[Node, str], scratch: Location, size: int, budget: Budget) -> dict[Node, Upload | NoAnswer]:
    """Nodes take turns, as only rank 0's node writes a large part; those for whom no time is left are not measured."""
    own, results = Budget(min(UPLOADS_SECONDS, budget.left)), dict[Node, Upload | NoAnswer]()
    for node, name in able.items():
        if results and own.left <= 0:
            break
        results |= nodes.ask_each(upload, budget.at_most(WAIT_SECONDS), {node: (scratch, f"{name}-large", size, UPLOAD_SECONDS)})
    return results
