"""Questions without Ray, and what never ends."""

import time

import pytest

from cluster.diagnosis.finding import Verdict
from cluster.diagnosis.nodes import Budget, NoAnswer, ThisMachine, answered, ask, bounded, unanswered
from ringcycle.errors import UserError


def fail(message: str) -> None:
    raise ValueError(message)


def test_what_fails_is_no_answer_but_a_line() -> None:
    machine = ThisMachine()
    (node,) = machine.nodes
    assert ask(machine, max, 5, 1, 2) == {node: 2}
    answers = ask(machine, fail, 5, "two\nlines")
    assert answers == {node: NoAnswer("ValueError: two lines")} and answered(answers) == {}
    (finding,) = unanswered("node", answers, "a cure")
    assert (finding.verdict, finding.text, finding.cure) == (Verdict.PROBLEM, "ValueError: two lines", "a cure")
    assert ask(machine, time.sleep, 0.05, 2) == {node: NoAnswer("not finished after 0 s")}


def test_bounded() -> None:
    assert bounded(lambda: 3, 5) == 3
    assert bounded(lambda: None, 5) is None
    with pytest.raises(UserError, match="a mistake"):
        bounded(lambda: (_ for _ in ()).throw(UserError("a mistake")), 5)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="not finished after 0 s"):
        bounded(lambda: time.sleep(3), 0.05)
    assert time.monotonic() - began < 2


def test_a_budget_is_shared() -> None:
    now = [0.0]
    budget = Budget(60, lambda: now[0])
    assert budget.at_most(20) == 20
    now[0] = 45
    assert (budget.left, budget.at_most(20), budget.at_most(5)) == (15, 15, 5)
    now[0] = 100
    assert (budget.left, budget.at_most(20)) == (-40, 10)
