"""Verdicts on the storage."""

import pytest

from cluster.config import Config
from cluster.diagnosis.finding import Verdict
from cluster.diagnosis.nodes import NoAnswer
from cluster.diagnosis.storage_probe import ABSENT, Read, Upload, Written
from cluster.diagnosis.storage_verdicts import checkpoint_bytes, checkpoint_time, room, state_bytes, visible
from cluster.load_config import load_config
from cyclegan.config import ImageFormat
from tests.cluster.diagnosis.facts import GIB, node

A, B = node(1), node(2)
NAMES = {A: "node-0", B: "node-1"}
FINE = (Written("", 0.002), Read((), 0.0))


def verdict_on(written: Written, read: Read) -> tuple[Verdict, str, str]:
    """Of B, where A is as it should be."""
    found = visible("/runs", "driver", NAMES, {A: FINE[0], B: written}, {A: FINE[1], B: read})
    assert found[0].verdict is Verdict.OK and found[0].nodes == ("10.0.0.1",) and found[1].nodes == ("10.0.0.2",)
    return found[1].verdict, found[1].text, found[1].cure


def test_a_storage_that_all_nodes_share() -> None:
    assert verdict_on(*FINE)[:2] == (Verdict.OK, "run.storage = /runs: writable, replaces files atomically, 2.00 ms for a small file")


def test_another_folder_of_the_same_name() -> None:
    for written, read in ((Written(ABSENT), Read(("driver", "node-0"), 0.0)), (FINE[0], Read(("driver", "node-0"), 0.0))):
        verdict, text, cure = verdict_on(written, read)
        assert verdict is Verdict.PROBLEM and text.endswith("is another folder there than here, or is not mounted")
        assert cure.startswith("give a folder that all nodes share")


def test_a_node_that_may_not_write() -> None:
    verdict, text, cure = verdict_on(Written("Read-only file system"), Read((), 0.0))
    assert (verdict, text) == (Verdict.PROBLEM, "run.storage = /runs cannot be written to (Read-only file system)")
    assert cure.startswith("mount it writable")


def test_files_of_another_node_that_are_not_seen_or_late() -> None:
    assert verdict_on(FINE[0], Read(("node-0",), 0.0))[:2] == (Verdict.PROBLEM, "run.storage = /runs: what 10.0.0.1 wrote cannot be seen")
    verdict, text, cure = verdict_on(FINE[0], Read((), 3.0))
    assert (verdict, text) == (Verdict.WARNING, "run.storage = /runs: what other nodes wrote is seen 3.00 s late") and "actimeo" in cure


def test_the_time_of_a_checkpoint() -> None:
    uploads = {A: Upload(100 * 10**6, 1.0), B: Upload(10**6, 1.0)}
    fast, slow = checkpoint_time(400 * 10**6, uploads)
    assert (fast.verdict, fast.text) == (Verdict.OK, "381 MiB reach the storage in 4.00 s (100 MB/s)")
    assert (slow.verdict, slow.text) == (Verdict.WARNING, "381 MiB reach the storage in 400 s (1.0 MB/s)")
    assert "run.checkpoint_every" in slow.cure
    full, silent = checkpoint_time(1, {A: Upload(0, 0.0, "No space left on device"), B: NoAnswer("did not answer within 15 s")})
    assert full.verdict is silent.verdict is Verdict.PROBLEM
    assert "No space left on device" in full.text and "did not answer" in silent.text


def test_room_for_checkpoints() -> None:
    assert room(10 * GIB, GIB, 3).text == "10.0 GiB free, 3 checkpoints of 1.0 GiB are kept"
    assert [room(free * GIB, GIB, 3).verdict for free in (1, 2, 3, 4)] == [Verdict.PROBLEM, Verdict.WARNING, Verdict.WARNING, Verdict.OK]


@pytest.mark.parametrize("options", [[], ["--train.ema", "0", "--train.pool_size", "0"], ["--model.spectral_norm", "true"]])
def test_bytes_of_the_state_are_those_of_its_variables(options: list[str]) -> None:
    from cyclegan.config import ModelSpec
    from cyclegan.training.state import make_state

    sizes = ["--data.load_size", "32", "--data.crop_size", "[24, 32]", "--model.filters", "4", "--model.blocks", "1", "--train.batch", "2"]
    config = load_config([*sizes, *options], {})
    state = make_state(ModelSpec.of(config.model, ImageFormat()), config.train, (24, 32))
    variables = state.variables()
    shared = sum(v.shape.num_elements() * v.dtype.size for name, v in variables.items() if not name.startswith("pool."))
    pools = variables["pool.images"].shape.num_elements() * 4
    counted = 2 * (8 - 4)  # counts of updates are saved as 32 bits
    assert state_bytes(config, ImageFormat()) == (shared - counted, pools)


def test_only_the_pools_grow_with_the_workers() -> None:
    one, two = (checkpoint_bytes(Config().with_workers(n), ImageFormat()) for n in (1, 2))
    assert one[0] == one[1] == two[0] and two[1] - one[1] == 4 * 2 * 50 * 256 * 256 * 3
