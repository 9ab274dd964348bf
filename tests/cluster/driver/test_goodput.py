from dataclasses import replace

import pytest

from cluster.driver.goodput import AttemptRecord, goodput, recovery

ENTERED = {"starting": 8.0, "compiling": 10.0, "restoring": 20.0, "training": 21.0, "stepped": 22.0}
BASE = AttemptRecord(
    began=102, ended=200, entered=ENTERED, resumed_step=60, reached_step=130, trained_seconds=70.0, cause="finished", undetected=0.0
)
FIRST = replace(BASE, began=5, ended=100, resumed_step=0, reached_step=70, cause="worker 1 died", undetected=3.0)
SECOND = BASE
NO_STEP = replace(BASE, ended=112, entered={"starting": 8.0}, resumed_step=0, reached_step=0, trained_seconds=0.0, cause="no port")


def test_a_recovery_in_parts() -> None:
    found = recovery(FIRST, SECOND)
    assert found.parts == {"detect": 3, "end": 2, "restart": 10, "compile": 10, "restore": 1, "step": 1}
    assert found.seconds == 27
    assert found.repeated_steps == 10
    assert found.describe().startswith("recovered in 27.0 s (detect 3.0, end 2.0, restart 10.0, ")


def test_goodput_counts_no_step_twice() -> None:
    found = goodput(0.0, 200.0, [FIRST, SECOND])
    assert found.useful == 60 + 70
    assert found.repeated_steps == 10
    assert found.lost == {"start": 27, "worker 1 died": 27 + 10}
    assert "goodput 65.0%: 2:10 of 3:20" in found.describe()


@pytest.mark.parametrize("records", [[FIRST, NO_STEP], [FIRST, NO_STEP, SECOND]])
def test_an_attempt_without_a_step_adds_to_the_interruption_before_it(records: list[AttemptRecord]) -> None:
    found = goodput(0.0, 200.0, records)
    assert found.attempts == len(records)
    assert found.lost["worker 1 died"] == pytest.approx(103 if len(records) == 2 else 37)


def test_no_step_at_all() -> None:
    assert goodput(0.0, 50.0, [NO_STEP]).lost == {"start": 50}
    assert goodput(0.0, 50.0, []).useful == 0
