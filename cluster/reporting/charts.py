"""Which curves a page shows, of one run or of several above each other."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cluster.reporting.run_files import EvaluationEntry, RunFiles
from cluster.reporting.thin import smooth, stride, thin
from cyclegan.checkpoint_files.measures import CYCLE_LOSS, PREFERRED

Column = npt.NDArray[np.float64]

SPANS = 250
"""Parts of a curve of each of which the extremes are kept."""
SMOOTHED = 30  # windows of the running mean in a curve
FEW = 30  # rows below which a curve is shown as it is
TABLE_ROWS = 20
Z_95 = 1.96  # standard errors on each side of a value within which 95 % lie

LOSSES = {
    "Adversarial loss of the generators": ("G_AB", "G_BA"),
    "Loss of the discriminators": ("D_A", "D_B"),
    "Cycle loss": ("cycle_A", "cycle_B"),
    "Identity loss": ("identity_A", "identity_B"),
}
OTHERS = {"learning_rate": "Learning rate", "images_per_second": "Images per second", "wait_for_data": "Waiting for data"}
MEASURES = {
    "kid": "KID",
    "fid": "FID",
    "sliced_wasserstein": "Sliced Wasserstein distance × 1000",
    "cycle_l1": "Cycle error, L1",
    "truth_l1": "Error against the truth, L1",
}
"""Held-out measures that have a chart, all of them better when lower."""
SHORT = {"kid": "KID", "fid": "FID", "sliced_wasserstein": "sliced Wasserstein", "cycle_l1": "cycle error", "truth_l1": "error"}


@dataclass(frozen=True)
class Curve:
    """values: one for each x, None where there is none. colour: number of a colour of the page. faint: the values behind a running mean.

    low, high: bounds of an interval around the values.
    """

    label: str
    colour: int
    values: list[float | None]
    dashed: bool = False
    faint: bool = False
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)


@dataclass(frozen=True)
class Mark:
    """A point of a curve, to be marked by a ring."""

    x: int
    y: float


@dataclass(frozen=True)
class Chart:
    """Curves over steps. runs: for each run its x and its curves. unit: "", "rate" or "percent". note: one sentence, or ""."""

    key: str
    title: str
    unit: str
    runs: list[tuple[list[int], list[Curve]]]
    marks: list[Mark] = field(default_factory=list)
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """For the page's script."""
        runs = [{"x": x, "curves": [vars(curve) for curve in curves]} for x, curves in self.runs]
        return {"title": self.title, "unit": self.unit, "runs": runs, "marks": [vars(mark) for mark in self.marks]}

    def table(self) -> tuple[list[str], list[tuple[int, list[float | None]]]]:
        """The headings of the curves, and at most about TABLE_ROWS steps with their values: the text of the chart."""
        shown = [(x, curve) for x, curves in self.runs for curve in curves if not curve.faint]
        steps = sorted({step for x, curves in self.runs if curves for step in x})
        chosen = [steps[i] for i in stride(len(steps), TABLE_ROWS)]
        at = [dict(zip(x, curve.values, strict=True)) for x, curve in shown]
        if len(self.runs) > 1:
            at = [_nearest(found, chosen) for found in at]
        return [curve.label for _, curve in shown], [(step, [found.get(step) for found in at]) for step in chosen]


def loss_charts(runs: Sequence[RunFiles]) -> list[Chart]:
    """All losses that any run has, then the learning rate."""
    known = {name for names in LOSSES.values() for name in names} | OTHERS.keys()
    groups: dict[str, tuple[str, ...]] = dict(LOSSES)
    for name in sorted({name for run in runs for name in run.metrics.columns} - known):
        title = re.sub(r"_(A|B|AB|BA)$", "", name).replace("_", " ").capitalize() + " loss"
        groups[title] = (*groups.get(title, ()), name)
    charts = [_metric_chart(runs, title, names) for title, names in groups.items()]
    return [chart for chart in (*charts, _metric_chart(runs, OTHERS["learning_rate"], ("learning_rate",), "rate")) if chart]


def speed_charts(runs: Sequence[RunFiles]) -> list[Chart]:
    """Images per second, and the fraction of the steps' time that passed waiting for data."""
    charts = [_metric_chart(runs, OTHERS[name], (name,), unit) for name, unit in (("images_per_second", ""), ("wait_for_data", "percent"))]
    return [chart for chart in charts if chart]


def held_out_charts(runs: Sequence[RunFiles]) -> list[Chart]:
    """The measures of held-out images, the best checkpoint marked in the one that decides which it is."""
    charts = []
    for name, title in MEASURES.items():
        found = [list(_evaluated(run, name)) for run in runs]
        if not any(found):
            continue
        drawn = [_held_out_curves(run, i, entries, name, len(runs) > 1) for i, (run, entries) in enumerate(zip(runs, found, strict=True))]
        marks = [mark for run in runs if (mark := _best_mark(run, name))]
        notes = ["Lower is better."]
        if marks:
            notes.append(f"The ring marks the best checkpoint, {marks[0].y:.4g} at step {marks[0].x:,}.")
        if len(runs) > 1 and marks:
            notes[-1] = "A ring marks the best checkpoint of a run."
        if any(curve.low for _, curves in drawn for curve in curves):
            notes.append("Bands are intervals of 95%.")
        charts.append(Chart(name, title, "", drawn, marks, " ".join(notes)))
    return charts


def deciding_measure(run: RunFiles) -> str:
    """The measure that decides which checkpoint of a run is best (`run.keep_best`), "" if no held-out one does."""
    wanted = run.field("run.keep_best")
    names = (wanted,) if isinstance(wanted, str) and wanted in MEASURES else PREFERRED
    return next((name for name in names if name != CYCLE_LOSS and any(_evaluated(run, name))), "")


def best_evaluation(run: RunFiles) -> EvaluationEntry | None:
    """The one with the lowest deciding measure, the newest of equal ones."""
    name = deciding_measure(run)
    return min(_evaluated(run, name), key=lambda entry: (entry.values[name], -entry.step)) if name else None


def _evaluated(run: RunFiles, name: str) -> Iterator[EvaluationEntry]:
    return (entry for entry in run.evaluations if name in entry.values)


def _metric_chart(runs: Sequence[RunFiles], title: str, names: Sequence[str], unit: str = "") -> Chart | None:
    """None if no run has any of these metrics."""
    several = len(runs) > 1
    drawn = [_metric_curves(run, names, number if several else None) for number, run in enumerate(runs)]
    if not any(curves for _, curves in drawn):
        return None
    smoothed = any(curve.faint for _, curves in drawn for curve in curves)
    note = "Running mean, over the values of single steps." if smoothed else ""
    if several and len(names) > 1:
        note = f"Mean of {' and '.join(names)}, smoothed."
    return Chart(names[0], title, unit, drawn, note=note)


def _metric_curves(run: RunFiles, names: Sequence[str], number: int | None) -> tuple[list[int], list[Curve]]:
    """x and curves of one run: one for each name or, of run `number` of several, the mean of all."""
    present = {name: run.metrics.columns[name] for name in names if name in run.metrics.columns}
    steps = run.metrics.steps
    if not present or not steps.size:
        return [], []
    if number is not None:
        present = {run.name: np.mean(list(present.values()), axis=0)}
    window = 1 if steps.size < FEW or "learning_rate" in names else max(2, steps.size // SMOOTHED)
    kept = thin(list(present.values()), SPANS)
    pale, strong = [], []
    for i, (label, column) in enumerate(present.items()):
        colour = i if number is None else number
        if window > 1 and number is None:
            pale.append(Curve(label, colour, _numbers(column[kept]), faint=True))
        strong.append(Curve(label, colour, _numbers(smooth(column, window)[kept])))
    return [int(step) for step in steps[kept]], pale + strong


def _held_out_curves(
    run: RunFiles, number: int, entries: Sequence[EvaluationEntry], name: str, several: bool
) -> tuple[list[int], list[Curve]]:
    """The mean of both domains and, of a single run, each domain beside it."""
    curves = []
    names = [name] if several else [name, f"{name}_A", f"{name}_B"]
    labels = {name: run.name if several else "mean of A and B", f"{name}_A": "images of A", f"{name}_B": "images of B"}
    for i, key in enumerate(names):
        values = [entry.values.get(key) for entry in entries]
        if not any(value is not None for value in values):
            continue
        errors = [entry.errors.get(key) for entry in entries] if key == name else []
        curve = Curve(labels[key], number if several else (2, 0, 1)[i], [_rounded(value) for value in values], dashed=i > 0)
        if any(error is not None for error in errors):
            curve.low.extend(_offset(value, error, -Z_95) for value, error in zip(values, errors, strict=True))
            curve.high.extend(_offset(value, error, Z_95) for value, error in zip(values, errors, strict=True))
        curves.append(curve)
    return [entry.step for entry in entries], curves


def _best_mark(run: RunFiles, name: str) -> Mark | None:
    best = best_evaluation(run)
    return Mark(best.step, best.values[name]) if best and deciding_measure(run) == name else None


def _offset(value: float | None, error: float | None, factor: float) -> float | None:
    return None if value is None or error is None else _rounded(value + factor * error)


def _nearest(found: Mapping[int, float | None], steps: Sequence[int]) -> dict[int, float | None]:
    """The values at these steps, or at the nearest known ones before; none beyond the last."""
    known, result = sorted(found), {}
    for step in steps:
        before = int(np.searchsorted(known, step, "right")) - 1
        if before >= 0 and step <= known[-1]:
            result[step] = found[known[before]]
    return result


def _numbers(column: Column) -> list[float | None]:
    return [_rounded(float(value)) for value in column]


def _rounded(value: float | None) -> float | None:
    """To five digits, which no chart can tell apart; None for what is not finite, as JSON has no such numbers."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")
