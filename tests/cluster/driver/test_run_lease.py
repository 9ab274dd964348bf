"""The lease of a run: a second training is refused, a dead one's successor takes over."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.driver.run_lease import EXPIRY_SECONDS, LEASE, RunLease
from ringcycle.errors import UserError


class Time:
    """A clock that sleeping moves on, with something that happens at each sleep."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.now, self.meanwhile = 0.0, meanwhile

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


def lease(run: Path, time: Time | None = None) -> RunLease:
    time = time or Time()
    return RunLease(run, "mine", time.clock, time.sleep)


def from_another_host(run: Path, **changes: object) -> None:
    holder = json.loads((run / LEASE).read_text())
    (run / LEASE).write_text(json.dumps({**holder, "host": "elsewhere", "machine": "other", "token": "theirs", **changes}))


def test_a_lease_is_held_renewed_and_given_back(tmp_path: Path) -> None:
    with lease(tmp_path) as held:
        first = json.loads((tmp_path / LEASE).read_text())
        held.renew()
        second = json.loads((tmp_path / LEASE).read_text())
    assert (first["pid"], first["renewals"], second["renewals"]) == (os.getpid(), 0, 1)
    assert not (tmp_path / LEASE).exists()


def test_a_second_training_of_the_same_host_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom cluster.driver.run_lease import RunLease\n"
        f"with RunLease(Path({str(tmp_path)!r}), 'mine'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        renewals = iter(range(1, 100))
        time = Time(lambda: from_another_renewal(tmp_path, next(renewals)))
        with pytest.raises(UserError, match=f"run.name = mine is already being trained by process {holder.pid} on .*: wait until it ends"):
            lease(tmp_path, time).__enter__()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        time = Time()
        with lease(tmp_path, time):
            assert time.now < EXPIRY_SECONDS, "a process of this host that is gone is not waited for"
    finally:
        holder.kill()
        holder.wait()


def from_another_renewal(run: Path, renewals: int) -> None:
    holder = json.loads((run / LEASE).read_text())
    (run / LEASE).write_text(json.dumps({**holder, "renewals": renewals}))


def test_a_holder_on_another_host_is_refused_while_it_renews_and_taken_over_when_it_stops(tmp_path: Path) -> None:
    with lease(tmp_path):
        from_another_host(tmp_path)
        renewals = iter(range(1, 100))
        with pytest.raises(UserError, match=r"by process \d+ on elsewhere"):
            lease(tmp_path, Time(lambda: from_another_host(tmp_path, renewals=next(renewals)))).__enter__()
        time = Time()
        with lease(tmp_path, time):
            assert EXPIRY_SECONDS <= time.now < EXPIRY_SECONDS + 5


def test_a_holder_that_was_taken_over_notices_and_leaves_the_successors_lease(tmp_path: Path) -> None:
    with lease(tmp_path) as held:
        from_another_host(tmp_path)
        held.renew()
        assert held.lost.is_set()
    assert json.loads((tmp_path / LEASE).read_text())["token"] == "theirs"


def test_a_free_lease_is_claimed_at_once(tmp_path: Path) -> None:
    time = Time()
    with lease(tmp_path, time):
        assert os.listdir(tmp_path) == [LEASE]
    assert time.now == 0


def test_of_two_that_claim_a_free_lease_at_once_the_second_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lease(tmp_path):
        monkeypatch.setattr(RunLease, "_wait_until_free", lambda _: None)  # it looked before the first one's claim
        with pytest.raises(UserError, match="already being trained"):
            lease(tmp_path).__enter__()
        assert os.listdir(tmp_path) == [LEASE]


def test_without_hard_links_the_last_of_two_that_claim_at_once_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    def the_other_writes_last() -> None:
        from_another_host(tmp_path)

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(UserError, match="already being trained"):
        lease(tmp_path, Time(the_other_writes_last)).__enter__()


def test_a_lease_that_cannot_be_understood_is_replaced(tmp_path: Path) -> None:
    (tmp_path / LEASE).write_text("{")
    with lease(tmp_path):
        assert json.loads((tmp_path / LEASE).read_text())["pid"] == os.getpid()
