"""The model of a ring, the choice of an accumulation, and the exchange measured on two real workers."""

from dataclasses import replace

import pytest

from cluster.calibration.exchange_trial import measure_exchange
from cluster.calibration.scale_out import ENOUGH, MOST_ACCUMULATED, ExchangeCost, Fleet, exchanged_elements, ring_seconds, scaled
from cluster.calibration.scale_report import fleet_of, scale_table
from cluster.calibration.search import Candidate, Figures, Trial
from cluster.load_config import load_config
from cyclegan.config import ImageFormat
from ringcycle.errors import UserError

COST = ExchangeCost(latency=0.001, per_byte=1e-9)
FLEET = Fleet(nodes=8, workers_per_node=2, link=125e6)


def test_a_ring_is_limited_by_the_slower_of_link_and_worker() -> None:
    messages, traffic = 2 * 15, 2 * 15 / 16 * 100e6
    assert ring_seconds(COST, FLEET, 100e6) == pytest.approx(messages * 0.001 + traffic / 125e6)
    assert ring_seconds(COST, replace(FLEET, link=100e9), 100e6) == pytest.approx(messages * 0.001 + traffic * 1e-9)
    assert ring_seconds(COST, Fleet(1, 2, 1.0), 100e6) == pytest.approx(2 * 0.001 + 100e6 * 1e-9), "within a node no link counts"
    assert ring_seconds(COST, Fleet(1, 1, 1.0), 100e6) == 0


def test_steps_are_accumulated_until_they_are_efficient() -> None:
    steps = scaled(1.0, [100e6, 20e6], COST, FLEET)
    exchange = ring_seconds(COST, FLEET, 100e6) + ring_seconds(COST, FLEET, 20e6)
    assert [step.accumulate for step in steps] == [1, 2, 4, 8, 16, 32][: len(steps)]
    for step in steps:
        assert step.seconds == pytest.approx(step.accumulate + exchange)
        assert step.efficiency == pytest.approx(step.accumulate / step.seconds)
    *before, last = steps
    assert last.efficiency >= ENOUGH > max(step.efficiency for step in before)
    assert [step.accumulate for step in scaled(100.0, [100e6], COST, FLEET)] == [1]
    assert scaled(1e-6, [100e6], COST, FLEET)[-1].accumulate == MOST_ACCUMULATED


def test_the_table_ends_with_the_chosen_step() -> None:
    chosen = Trial(Candidate(2, 6, "auto", "float32", 1, "float32"), Figures(1.0, 30.0, 1, 1))
    steps = scaled(1.0, [100e6, 20e6], COST, FLEET)
    head, _, *rows, training = scale_table(load_config(["--train.epochs", "10"], {}), chosen, fleet_of(8, 1), steps, 800)
    assert head == "on 8 nodes with 1 Gbit/s between them, by a model of the exchange:"
    assert [row.split()[-1] == "chosen" for row in rows] == [False] * (len(rows) - 1) + [True]
    count = steps[-1].accumulate * 16
    assert rows[-1].split()[:2] == [str(steps[-1].accumulate), str(count)]
    assert training.startswith(f"a training there of {-(-8000 // count):,} steps of {count} images: ")


@pytest.mark.parametrize(
    ("nodes", "gbits", "fact"),
    [
        (0, 10.0, "--nodes 0: "),
        (2, 0.0, "--gbits 0: "),
        (1, 10.0, "--gbits 10 means nothing on one node: "),
        (2, float("nan"), "--gbits nan: "),
    ],
)
def test_no_such_fleet(nodes: int, gbits: float, fact: str) -> None:
    with pytest.raises(UserError, match=f"^{fact}give "):
        fleet_of(nodes, gbits)


def test_what_is_exchanged_are_the_gradients_of_all_networks() -> None:
    small, large = (exchanged_elements(load_config(["--model.filters", filters], {}), ImageFormat()) for filters in ("16", "32"))
    assert large[0] > 3 * small[0] and large[1] == small[1]


@pytest.mark.process
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_two_workers_measure_their_exchange(dtype: str) -> None:
    cost = measure_exchange(2_000_000, dtype)
    assert 0 < cost.latency < 1
    assert 0 < cost.per_byte < 1e-6, "more than a megabyte per second"
