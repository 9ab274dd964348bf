"""Log lines of this project's packages reach one receiver, and a broken receiver stops nothing."""

import logging
from collections.abc import Iterator

import pytest

from ringcycle.logs import PACKAGES, send_lines


@pytest.fixture(autouse=True)
def restored_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in PACKAGES]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_lines_of_all_packages_reach_the_receiver() -> None:
    lines: list[str] = []
    send_lines(lines.append)
    for package in PACKAGES:
        logging.getLogger(f"{package}.room").info("%s is here", package)
        logging.getLogger(f"{package}.room").debug("not shown")
    logging.getLogger("elsewhere").warning("not ours")
    assert lines == [f"{package} is here" for package in PACKAGES]


def test_a_new_receiver_and_level_replace_the_old() -> None:
    first: list[str] = []
    second: list[str] = []
    send_lines(first.append)
    send_lines(second.append, logging.WARNING)
    logging.getLogger("cluster").info("quiet")
    logging.getLogger("cluster").warning("loud")
    assert (first, second) == ([], ["loud"])


def test_a_debug_line_names_its_logger() -> None:
    lines: list[str] = []
    send_lines(lines.append, logging.DEBUG)
    logging.getLogger("cluster.worker").debug("starts")
    logging.getLogger("cluster.worker").info("started")
    assert lines == ["cluster.worker: starts", "started"]


def test_a_failing_receiver_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(line: str) -> None:
        raise ConnectionError(line)

    monkeypatch.setattr(logging, "raiseExceptions", False)
    send_lines(fail)
    logging.getLogger("preprocess").warning("lost")
