"""What is most worth knowing of a run, in words and numbers: the head of a page, and the columns of a comparison."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cluster.reporting.charts import LOSSES, SHORT, best_evaluation, deciding_measure
from cluster.reporting.launches import LaunchEntry
from cluster.reporting.run_files import RunFiles
from cyclegan.inference.evaluation_report import ROWS
from ringcycle.cli import duration
from ringcycle.domains import DIRECTIONS

RECENT = 10  # the last 1/RECENT of the logged steps
SILENT = timedelta(minutes=5)
"""A launch that is not known to have ended, and whose record is older than this, has ended."""


def state(run: RunFiles, now: datetime) -> str:
    """One word or two: finished, training, stopped …; "unknown" without a record of launches."""
    if not run.launches:
        return "unknown"
    launch = run.launches[-1]
    if launch.outcome:
        return launch.outcome
    return "training" if now - launch.until < SILENT else "interrupted"


def steps(run: RunFiles) -> int:
    """Steps of the complete run, 0 if unknown."""
    recorded = next((launch.steps for launch in reversed(run.launches) if launch.steps), 0)
    configured = run.field("train.steps")
    return recorded or (configured if type(configured) is int else 0)


def facts(run: RunFiles, now: datetime) -> dict[str, str]:
    """By name, in the order of a page; what is unknown is left out."""
    result = {"State": state(run, now), "Step": _of(run.step, steps(run))}
    if state(run, now) == "training":
        result["Time left"] = remaining(run)
    best = best_evaluation(run)
    if best:
        name = deciding_measure(run)
        result["Best checkpoint"] = f"step {best.step:,}, {SHORT[name]} {best.values[name]:.4g}"
        last = run.evaluations[-1]
        if last is not best and name in last.values:
            result["Last evaluation"] = f"step {last.step:,}, {SHORT[name]} {last.values[name]:.4g}"
    rows = max(1, run.metrics.steps.size // RECENT)
    result |= _number("Images per second", run.metrics.last("images_per_second", rows), "{:.4g}")
    result |= _number("Waiting for data", run.metrics.last("wait_for_data", rows), "{:.1%}")
    result |= _training(run)
    return {name: value for name, value in result.items() if value and value != "unknown"}


def recent_losses(run: RunFiles) -> dict[str, str]:
    """The mean of each pair of losses over the last steps that are logged."""
    rows, result = max(1, run.metrics.steps.size // RECENT), {}
    for title, names in LOSSES.items():
        values = [value for name in names if math.isfinite(value := run.metrics.last(name, rows))]
        if values:
            result[title] = f"{sum(values) / len(values):.4g}"
    return result


def machine(run: RunFiles) -> dict[str, str]:
    """Workers, devices and versions, as far as they are recorded."""
    result = {}
    attempt = next((attempt for launch in reversed(run.launches) for attempt in reversed(launch.attempts) if attempt.workers), None)
    newest = run.checkpoints[-1] if run.checkpoints else None
    if attempt:
        workers = attempt.workers
        result["Workers"] = f"{len(workers)} on {_counted(len({worker.host for worker in workers}), 'node')}"
        result["Cores per worker"] = ", ".join(map(str, sorted({worker.cores for worker in workers})))
        result["Device"] = ", ".join(sorted({worker.device for worker in workers} - {""}))
        result["Nodes"] = ", ".join(sorted({worker.host for worker in workers})[:16])
        hits, programs = sum(worker.hits for worker in workers), sum(worker.programs for worker in workers)
        result["Programs found in the compile cache"] = f"{hits} of {programs}"
    elif newest:
        result["Workers"] = str(newest.workers)
    if newest:
        result["Versions"] = ", ".join(f"{name} {version}" for name, version in newest.versions.items())
    return {name: value for name, value in result.items() if value}


def evaluation_rows(run: RunFiles) -> list[tuple[str, list[str]]]:
    """The latest evaluation: title, and a cell for each direction, with standard errors where they are recorded."""
    if not run.evaluations:
        return []
    entry, rows = run.evaluations[-1], []
    for name, title in ROWS.items():
        keys = [f"{name}_{direction[0 if name.startswith('cycle') else -1]}" for direction in DIRECTIONS]
        cells = [_estimate(entry.values.get(key), entry.errors.get(key)) for key in keys]
        if any(cells):
            rows.append((title, cells))
    return rows


def _training(run: RunFiles) -> dict[str, str]:
    result: dict[str, str] = {}
    trained = sum(attempt.trained_seconds for launch in run.launches for attempt in launch.attempts)
    if run.launches:
        result["Time in steps"] = duration(trained)
        again = sum(max(0, len(launch.attempts) - 1) for launch in run.launches)
        result["Launches"] = f"{len(run.launches):,}" + (f", {_counted(again, 'restart')} of the workers" if again else "")
    useful, total = (_float(run.goodput, name) for name in ("useful", "total"))
    if useful is not None and total:
        result.setdefault("Time in steps", f"{duration(useful)} in the last launch")
        result["Goodput of the last launch"] = f"{useful / total:.1%} of {duration(total)}"
    return result


def remaining(run: RunFiles) -> str:
    """Time left at the recent speed of steps, "" if unknown."""
    launch = _current(run)
    attempt = launch.attempts[-1] if launch and launch.attempts else None
    done = attempt.reached_step - attempt.resumed_step if attempt else 0
    left = steps(run) - run.step
    return duration(left * attempt.trained_seconds / done) if attempt and done > 0 and left > 0 and attempt.trained_seconds else ""


def _current(run: RunFiles) -> LaunchEntry | None:
    return run.launches[-1] if run.launches and not run.launches[-1].outcome else None


def _of(step: int, whole: int) -> str:
    if not step and not whole:
        return ""
    return f"{step:,} of {whole:,}" if whole else f"{step:,}"


def _number(name: str, value: float, form: str) -> dict[str, str]:
    return {name: form.format(value)} if math.isfinite(value) else {}


def _float(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _estimate(value: float | None, error: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" + ("" if error is None else f" ± {error:.2g}")


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
