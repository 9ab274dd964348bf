import pytest

from cluster.monitoring.logs import tolerant
from cluster.monitoring.step_info import StepInfo
from tests.cluster.monitoring.test_step_info import step_info


def test_failing_storage_costs_entries_but_does_not_stop_the_training(caplog: pytest.LogCaptureFixture) -> None:
    broken = {3, 4, 6}

    def hook(info: StepInfo) -> None:
        if info.step in broken:
            raise OSError(28, "No space left on device", "metrics.jsonl")

    careful = tolerant(hook, "metrics")
    for step in range(1, 8):
        careful(step_info(step))
    lost = "are lost (No space left on device: metrics.jsonl); training continues"
    assert caplog.messages == [f"metrics of step 3 {lost}", f"metrics of step 6 {lost}"]


def test_other_errors_are_raised() -> None:
    def hook(info: StepInfo) -> None:
        raise ValueError(info.step)

    with pytest.raises(ValueError):
        tolerant(hook, "metrics")(step_info(1))
