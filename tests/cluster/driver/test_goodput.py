import pytest

from cluster.driver.goodput import AttemptRecord, goodput, recovery

ENTERED = {"starting": 8.0, "compiling": 10.0, "restoring": 20.0, "training": 21.0, "stepped": 22.0}
FIRST = AttemptRecord(began=5, noticed=100, entered=ENTERED, resumed=0, reached=70, trained=70.0, cause="worker 1 died", blind=3.0)
SECOND = AttemptRecord(began=102, noticed=200, entered=ENTERED, resumed=60, reached=130, trained=70.0, cause="finished", blind=0.0)
IN_VAIN = AttemptRecord(began=102, noticed=112, entered={"starting": 8.0}, resumed=0, reached=0, trained=0.0, cause="no port", blind=0.0)


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


@pytest.mark.parametrize("lives", [[FIRST, IN_VAIN], [FIRST, IN_VAIN, SECOND]])
def test_a_start_in_vain_prolongs_the_loss_before_it(lives: list[AttemptRecord]) -> None:
    found = goodput(0.0, 200.0, lives)
    assert found.starts == len(lives)
    assert found.lost["worker 1 died"] == pytest.approx(103 if len(lives) == 2 else 37)


def test_no_step_at_all() -> None:
    assert goodput(0.0, 50.0, [IN_VAIN]).lost == {"start": 50}
    assert goodput(0.0, 50.0, []).useful == 0
