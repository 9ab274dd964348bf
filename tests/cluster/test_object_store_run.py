"""A whole training whose pictures and shards are in an object store, of which every fifth request fails."""

from pathlib import Path

import pytest

from preprocess.storage import child, parent_and_name
from preprocess.synthetic import write_dataset
from tests.cluster.launch import SMALL, Launch, options
from tests.preprocess.object_store import object_store

pytestmark = pytest.mark.process


def test_trains_from_a_bucket(tmp_path: Path, programs: Path) -> None:
    write_dataset(tmp_path / "pictures", pictures=12, test=1, size=72)
    with object_store() as server:
        for file in sorted((tmp_path / "pictures").glob("*/*.jpg")):
            store, name = parent_and_name(child(server.uri("pictures"), f"{file.parent.name}/{file.name}"))
            store.write(name, file.read_bytes())
        server.flaky.fails = lambda number: number % 5 == 0
        places = {"data.source": server.uri("pictures"), "data.shards": server.uri("shards"), "data.cache": tmp_path / "cache"}
        here = {"run.storage": tmp_path / "runs", "run.name": "bucket", "cluster.compile_cache": programs}
        output = Launch(options({**SMALL, **places, **here, "cluster.workers": 1, "train.steps": 6})).end(0)
        assert server.flaky.failed > 10
    assert "finished: 6 steps" in output
    assert list((tmp_path / "cache").rglob("*")), "what was fetched is kept for the next time"
    for text in (output, (tmp_path / "runs/bucket/config.toml").read_text()):
        assert "s3://***@bucket/pictures" in text
        assert "SECRET" not in text
