"""Findings as lines and JSON; nodes in the same state share a line."""

import pytest

from cluster.diagnosis.finding import Figure, Finding, Unit, Verdict, grouped, worst


def memory(node: str, gib: float, verdict: Verdict = Verdict.OK) -> Finding:
    return Finding("memory", verdict, "{free} free", figures={"free": Figure.of(gib * 2**30, "bytes")}).on(node)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3, "count", "3"),
        (12_000, "count", "12,000"),
        (1.5, "count", "1.5"),
        (100 * 2**20, "bytes", "100 MiB"),
        (3 * 2**29, "bytes", "1.5 GiB"),
        (9.87e6, "bytes/s", "9.9 MB/s"),
        (1.25e9, "bytes/s", "1,250 MB/s"),
        (0.123, "ms", "0.12 ms"),
        (90.2, "s", "90 s"),
    ],
)
def test_a_figure_has_its_unit(value: float, unit: Unit, text: str) -> None:
    assert str(Figure.of(value, unit)) == text


def test_nodes_that_differ_in_figures_only_share_a_line() -> None:
    many = [memory(f"n{i}", 60 + i / 10) for i in range(12)]
    (group,) = grouped(many)
    assert group.line(12) == "12 nodes: 60.0 GiB to 61.1 GiB free"
    assert group.figures["free"] == Figure(60 * 2**30, "bytes", 61.1 * 2**30)


def test_a_node_in_another_state_has_its_own_line_after_the_others() -> None:
    other = Finding("memory", Verdict.WARNING, "only {free} free", "end something", {"free": Figure.of(2**30, "bytes")}).on("n0")
    found = grouped([other, *(memory(f"n{i}", 60) for i in range(1, 6))])
    assert [group.line(6) for group in found] == ["5 nodes (n1, n2, n3 and 2 more): 60.0 GiB free", "n0: only 1.0 GiB free"]
    assert worst(found) is Verdict.WARNING


def test_a_single_node_is_not_named() -> None:
    assert memory("n0", 1).line(1) == "1.0 GiB free"
    assert Finding("token", Verdict.OK, "a fact").line(5) == "a fact"
    assert [finding.nodes for finding in grouped([Finding("token", Verdict.OK, "a fact")])] == [()]


def test_checks_keep_their_order() -> None:
    found = grouped([memory("a", 1), Finding("cores", Verdict.OK, "x").on("a"), memory("b", 2), Finding("cores", Verdict.OK, "x").on("b")])
    assert [(finding.check, finding.nodes) for finding in found] == [("memory", ("a", "b")), ("cores", ("a", "b"))]


def test_braces_of_a_users_value_stay() -> None:
    assert Finding("storage", Verdict.OK, "run.storage = /a{b}/{free}").text == "run.storage = /a{b}/{free}"


def test_the_cure_of_a_message_is_its_last_part() -> None:
    finding = Finding.of_message("storage", "run.storage = /x: no permission to write there: give another folder")
    assert (finding.fact, finding.cure) == ("run.storage = /x: no permission to write there", "give another folder")
    assert Finding.of_message("storage", "no more to say").fact == "no more to say"
    assert finding.verdict is Verdict.PROBLEM


def test_json_has_unrounded_figures() -> None:
    (group,) = grouped([memory("a", 1), memory("b", 2)])
    assert group.as_json() == {
        "check": "memory",
        "verdict": "ok",
        "fact": "1.0 GiB to 2.0 GiB free",
        "cure": "",
        "nodes": ["a", "b"],
        "figures": {"free": {"low": 2.0**30, "high": 2.0**31, "unit": "bytes"}},
    }


def test_the_gravest_verdict_counts() -> None:
    assert worst([]) is Verdict.OK
    assert worst([memory("a", 1, Verdict.PROBLEM), memory("a", 1, Verdict.WARNING)]) is Verdict.PROBLEM
