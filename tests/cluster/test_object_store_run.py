"""A job whose pictures and shards are in an object store, of which every fifth request fails; in the end it is stopped."""

from pathlib import Path

import psutil
import pytest

from preprocess.storage import child, parent_and_name
from preprocess.synthetic import write_dataset
from tests.cluster.jobs import job, submit
from tests.cluster.launch import SMALL, WORKER, options, wait_for_metrics
from tests.preprocess.object_store import ObjectStore, object_store
from tests.ray_nodes import Head

pytestmark = pytest.mark.process


def upload(pictures: Path, server: ObjectStore) -> None:
    for file in sorted(pictures.glob("*/*.jpg")):
        store, name = parent_and_name(child(server.uri("pictures"), f"{file.parent.name}/{file.name}"))
        store.write(name, file.read_bytes())


def test_a_job_trains_from_a_bucket_and_stops(head: Head, programs: Path, tmp_path: Path) -> None:
    """`ray job submit`, then `ray job stop`."""
    write_dataset(tmp_path / "pictures", pictures=12, test=1, size=72)
    run = tmp_path / "runs/bucket"
    with object_store() as server:
        upload(tmp_path / "pictures", server)
        server.flaky.fails = lambda number: number % 5 == 0
        places = {"data.source": server.uri("pictures"), "data.shards": server.uri("shards"), "data.cache": tmp_path / "cache"}
        here = {"run.storage": tmp_path / "runs", "run.name": "bucket", "cluster.compile_cache": programs}
        length = {"cluster.workers": 1, "train.steps": 100_000, "run.checkpoint_every": 100_000, "run.log_every": 1}
        submit(head, "bucket", "--no-wait", *options({**SMALL, **places, **here, **length}))
        wait_for_metrics(run, 5)
        job(head, "stop", "bucket")
        assert server.flaky.failed > 10
    assert list((tmp_path / "cache").rglob("*")), "what was fetched is kept for the next time"
    (checkpoint,) = run.glob("checkpoints/step-????????")
    stopped = int(checkpoint.name[5:])
    assert stopped >= 5
    printed = job(head, "logs", "bucket")
    assert f"stopped at step {stopped:,}; the newest checkpoint is {checkpoint}; the same command goes on from there" in printed
    assert not [line[2] for line in WORKER.finditer(printed) if psutil.pid_exists(int(line[2]))], "workers end with their job"
    # Ray's own line shows the command, keys and all.
    ours = "\n".join(line for line in printed.splitlines() if "Running entrypoint for job" not in line)
    for text in (ours, (run / "config.toml").read_text()):
        assert "s3://***@bucket/pictures" in text
        assert "SECRET" not in text
