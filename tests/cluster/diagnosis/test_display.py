"""Findings as a user sees them."""

from cluster.diagnosis.display import lines, summary
from cluster.diagnosis.finding import Finding, Verdict

LONG = Finding("object store", Verdict.WARNING, "a fact of " + "several words " * 8, "a cure of " + "several words " * 8)


def test_verdict_check_and_fact_are_columns() -> None:
    assert list(lines(Finding("cores", Verdict.OK, "4 cores").on("a"), 1, 100)) == ["ok       cores          4 cores"]
    assert list(lines(Finding("token", Verdict.WARNING, "open", "close it"), 1, 100)) == [
        "warning  token          open",
        "                        → close it",
    ]


def test_long_texts_are_wrapped_within_their_column() -> None:
    found = list(lines(LONG, 1, 80))
    assert all(len(line) <= 80 for line in found) and len(found) > 3
    assert found[0].startswith("warning  object store   a fact of") and all(line.startswith(" " * 24) for line in found[1:])
    assert len(list(lines(LONG, 1, 10_000))) == 2  # in a file each text is one line


def test_control_characters_of_a_path_are_escaped() -> None:
    (line,) = lines(Finding("storage", Verdict.OK, "run.storage = a\x1b[2Jb"), 1, 100)
    assert "\x1b" not in line and "\\x1b" in line


def test_summary() -> None:
    ok, warning, problem = (Finding("x", verdict, "x") for verdict in Verdict)
    assert summary([ok]) == "all is well"
    assert summary([ok, warning, warning]) == "no problems, 2 warnings"
    assert summary([problem, warning]) == "1 problem, 1 warning"
