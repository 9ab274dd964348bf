import pytest

from cluster.checkpointing.save_rule import SaveRule


@pytest.mark.parametrize(
    ("steps", "minutes", "busy", "due"),
    [
        (3, 1e9, [], [3, 6, 9]),
        (100, 1 / 30, [], [2, 4, 6, 8, 10]),  # each step takes a second
        (4, 0.05, [], [3, 4, 7, 8]),  # both: the minutes count from the last one
        (3, 1e9, [3, 4, 6], [5, 7, 9]),  # postponed until the one before is done
        (2, 1e9, [2, 3, 4, 5, 6], [7, 8, 10]),  # what was postponed several times is due once
    ],
)
def test_when_a_checkpoint_is_due(steps: int, minutes: float, busy: list[int], due: list[int]) -> None:
    now = 0.0
    rule = SaveRule(steps, minutes, clock=lambda: now)
    saved = []
    for step in range(1, 11):
        now = float(step)
        if rule.due(step, step in busy):
            saved.append(step)
    assert saved == due
