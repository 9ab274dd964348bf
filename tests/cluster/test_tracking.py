"""A real training, tracked by a real MLflow server that dies on the way."""

import json
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

FIRST, ALL = 20, 60  # steps of the first launch, and of both


def launch(folder: Path, programs: Path, address: str, steps: int, *more: str) -> Launch:
    often = {"run.sample_every": 10, "evaluate.every": 20, "evaluate.images": 2}
    values = {"run.name": "tracked", "run.tracker": "mlflow", "cluster.workers": 1, "train.steps": steps, **often}
    environment = {**clean_environment(), "RAY_ADDRESS": "local", "MLFLOW_TRACKING_URI": address}
    return Launch([*small_run(folder, programs, values), *more], environment)


def check(client: Any, run_id: str, run: Path, steps: int) -> None:
    """The server has the same scalars as the run's files, each step once, and its images."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, steps + 1))
    for name in ("G_AB", "cycle_B", "learning_rate", "images_per_second"):
        history = [(entry.step, entry.value) for entry in client.get_metric_history(run_id, name)]
        assert history == [(line["step"], pytest.approx(line[name])) for line in lines]
    evaluated = [json.loads(line) for line in (run / "evaluation.jsonl").read_text().splitlines()]
    history = [(entry.step, entry.value) for entry in client.get_metric_history(run_id, "held out/sliced_wasserstein")]
    assert history == [(line["step"], pytest.approx(line["sliced_wasserstein"])) for line in evaluated]
    images = sorted(file.path for file in client.list_artifacts(run_id, "images") if file.path.endswith(".png"))
    assert len([path for path in images if "samples+step+" in path]) == steps // 10
    assert len([path for path in images if "held out+step+" in path]) == len(evaluated)


def test_a_server_that_dies_costs_nothing(tmp_path: Path, programs: Path, caplog: pytest.LogCaptureFixture) -> None:
    import mlflow

    run = tmp_path / "runs/tracked"
    with ExitStack() as server:
        address = server.enter_context(mlflow_server(tmp_path))
        with launch(tmp_path, programs, address, FIRST) as first:
            output = first.end(0)
        assert "mlflow fails" not in output and "mlflow lacks" not in output
        client = mlflow.MlflowClient(address)
        (tracked,) = client.search_runs([client.get_experiment_by_name("ringcycle").experiment_id])
        run_id = tracked.info.run_id
        assert (tracked.info.run_name, tracked.info.status) == ("tracked", "FINISHED")
        assert tracked.data.params["train.steps"] == str(FIRST) and tracked.data.params["data.crop_size"] == "64"
        check(client, run_id, run, FIRST)
        grid = next(file.path for file in client.list_artifacts(run_id, "images") if f"samples+step+{FIRST}+" in file.path)
        sample = Image.open(client.download_artifacts(run_id, grid, str(tmp_path)))
        assert sample.convert("RGB").tobytes() == Image.open(run / f"samples/step-{FIRST:08d}.png").convert("RGB").tobytes()
        assert f"steps = {FIRST}\n" in Path(client.download_artifacts(run_id, "config.toml", str(tmp_path))).read_text()

        with launch(tmp_path, programs, address, ALL, "--log-level", "debug") as second:
            deadline = time.monotonic() + 240
            while client.get_metric_history(run_id, "G_AB")[-1].step == FIRST:
                assert second.process.poll() is None and time.monotonic() < deadline, second.output
                time.sleep(0.1)
            assert client.get_run(run_id).info.status == "RUNNING"
            server.close()
            output = second.end(0)
    assert f"finished: {ALL} steps" in output
    assert output.count("mlflow fails (ConnectionRefusedError: [Errno 111] Connection refused): training continues") == 1
    assert output.count("mlflow lacks ") == 1
    assert "cluster.worker.join_group: worker 0 of 1: computes on cores" in output
    assert "(RayTrainWorker" in output and "tensorflow" in output, "at the level debug libraries are heard"

    with mlflow_server(tmp_path, int(address.rpartition(":")[2])), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        with TrackerProcess("mlflow", run, "tracked") as tracker:
            tracker.finish("finished")
        check(client, run_id, run, ALL)
        assert client.get_run(run_id).info.status == "FINISHED"
    assert caplog.messages == []
