"""A real training, tracked by a real MLflow server that dies on the way."""

import json
import re
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cluster.tracking.process import TrackerProcess
from tests.cluster.launch import Launch, small_run
from tests.cluster.tracking.mlflow_server import mlflow_server, needs_server
from tests.ray_nodes import clean_environment

pytestmark = [pytest.mark.process, needs_server]

STEPS = 60
GRID = f"samples/step-{STEPS:08d}.png"


def check(client: Any, run_id: str, run: Path) -> None:
    """The server has the same scalars as the run's files, each step once, its images and its configuration."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    for name in ("G_AB", "cycle_B", "learning_rate", "images_per_second"):
        history = [(entry.step, entry.value) for entry in client.get_metric_history(run_id, name)]
        assert history == [(line["step"], pytest.approx(line[name])) for line in lines]
    evaluated = [json.loads(line) for line in (run / "evaluation.jsonl").read_text().splitlines()]
    history = [(entry.step, entry.value) for entry in client.get_metric_history(run_id, "held out/sliced_wasserstein")]
    assert history == [(line["step"], pytest.approx(line["sliced_wasserstein"])) for line in evaluated]
    images = sorted(file.path for file in client.list_artifacts(run_id, "images") if file.path.endswith(".png"))
    steps = [tuple(path.removeprefix("images/").split("+")[::2][:2]) for path in images]
    sent = {("samples", str(step)) for step in range(10, STEPS + 1, 10)} | {("held out", str(line["step"])) for line in evaluated}
    assert set(steps) == sent
    assert len(steps) <= len(sent) + 1, "only the image that was on its way when the server died may come twice"
    with tempfile.TemporaryDirectory() as folder:
        grid = next(path for path in images if f"samples+step+{STEPS}+" in path)
        pixels = [Image.open(file).convert("RGB").tobytes() for file in (client.download_artifacts(run_id, grid, folder), run / GRID)]
        assert pixels[0] == pixels[1]
        assert Path(client.download_artifacts(run_id, "config.toml", folder)).read_text() == (run / "config.toml").read_text()


def test_a_server_that_dies_costs_nothing(tmp_path: Path, programs: Path, caplog: pytest.LogCaptureFixture) -> None:
    import mlflow

    often = {"run.sample_every": 10, "evaluate.every": 20, "evaluate.images": 2}
    values = {"run.name": "tracked", "run.tracker": "mlflow", "cluster.workers": 1, "train.steps": STEPS, **often}
    arguments = [*small_run(tmp_path, programs, values), "--log-level", "debug"]
    run = tmp_path / "runs/tracked"
    with mlflow_server(tmp_path) as address:
        client = mlflow.MlflowClient(address)
        # The level of the command must win over one that a node has, which works only before TensorFlow is imported.
        variables = {"RAY_ADDRESS": "local", "MLFLOW_TRACKING_URI": address, "TF_CPP_MIN_LOG_LEVEL": "3"}
        launch = Launch(arguments, {**clean_environment(), **variables})
        with ExitStack() as stack:
            stack.enter_context(launch)
            (run_id,) = launch.wait_for(r"sending to mlflow, run (\w+)")[0].groups()
            deadline = time.monotonic() + 240
            while not client.get_metric_history(run_id, "G_AB"):
                assert launch.process.poll() is None and time.monotonic() < deadline, launch.output
                time.sleep(0.1)
            tracked = client.get_run(run_id)
            assert (tracked.info.run_name, tracked.info.status) == ("tracked", "RUNNING")
            assert tracked.data.params["train.steps"] == str(STEPS) and tracked.data.params["data.crop_size"] == "64"
            kept = stack.pop_all()
    with kept:  # the server is gone
        output = launch.end(0)
    assert f"finished: {STEPS} steps" in output
    assert output.count("mlflow fails ") <= 1
    assert output.count("(ConnectionRefusedError: [Errno 111] Connection refused): sent when the run is resumed") == 1
    assert "cluster.worker.join_group: worker 0 of 1: computes on cores" in output
    assert re.search(r"\(RayTrainWorker pid=.* XLA service .* initialized", output), f"at the level debug libraries are heard: {output}"

    with mlflow_server(tmp_path, int(address.rpartition(":")[2])), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        with TrackerProcess("mlflow", run, "tracked") as tracker:
            tracker.finish("finished")
        check(client, run_id, run)
        assert client.get_run(run_id).info.status == "FINISHED"
    assert caplog.messages == []
