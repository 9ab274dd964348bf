"""A run at an MLflow server, named by MLFLOW_TRACKING_URI, in the experiment MLFLOW_EXPERIMENT_NAME."""

import io
import os
from collections.abc import Mapping, Sequence

from PIL import Image

from cluster.tracking.tracker import PROJECT, Scalars

# A request that fails is repeated by the sender; MLflow's own patience is many minutes.
for name, value in {"TIMEOUT": "12", "MAX_RETRIES": "0"}.items():
    os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{name}", value)
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow  # noqa: E402  (reads the environment)
from mlflow.entities import Metric, Param  # noqa: E402

GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # no such run; one in the trash
STATUS = {"finished": "FINISHED", "stopped": "KILLED"}


class MlflowTracker:
    """Uses the client, never the global active run."""

    def __init__(self) -> None:
        self._client = mlflow.MlflowClient()
        self._run = ""

    def open(self, run_id: str, name: str) -> str:
        """See `Tracker`."""
        self._run = run_id if run_id and self._continue(run_id) else self._create(name)
        return self._run

    def _continue(self, run_id: str) -> bool:
        """Whether the server still has the run."""
        try:
            self._client.update_run(run_id, "RUNNING")
        except mlflow.MlflowException as error:
            if error.error_code in GONE:
                return False
            raise
        return True

    def _create(self, name: str) -> str:
        experiment = os.environ.get("MLFLOW_EXPERIMENT_ID")
        if not experiment:
            experiment = mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)).experiment_id
        tags = {"mlflow.source.name": "cluster.train", "mlflow.source.type": "LOCAL"}
        return str(self._client.create_run(experiment, run_name=name, tags=tags).info.run_id)

    def config(self, values: Mapping[str, str], toml: str) -> None:
        """Parameters cannot be changed in MLflow: those of the first launch stay, and the file is replaced."""
        known = self._client.get_run(self._run).data.params
        self._client.log_batch(self._run, params=[Param(name, value) for name, value in values.items() if name not in known])
        self._client.log_text(self._run, toml, "config.toml")

    def scalars(self, records: Sequence[Scalars]) -> None:
        """See `Tracker`. MLflow stores an equal entry once, so a batch may come twice."""
        self._client.log_batch(
            self._run,
            [Metric(name, value, int(1000 * record.time), record.step) for record in records for name, value in record.values.items()],
        )

    def image(self, step: int, tag: str, png: bytes) -> None:
        """See `Tracker`."""
        self._client.log_image(self._run, Image.open(io.BytesIO(png)), key=tag, step=step, synchronous=True)

    def close(self, outcome: str) -> None:
        """See `Tracker`."""
        self._client.set_terminated(self._run, STATUS.get(outcome, "FAILED"))
