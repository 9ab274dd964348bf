"""One HTML file from what was read of a run, or of several to compare. Whatever comes from a run is escaped."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cluster.reporting import charts, configuration, facts, timeline
from cluster.reporting.run_files import RunFiles
from cluster.reporting.sample_images import Sample
from ringcycle.cli import duration
from ringcycle.storage.location import redacted

ASSETS = Path(__file__).with_name("assets")
UPLOT = "1.6.32"
GENERATOR = "ringcycle report"
"""In the head of each page, by which one is told from other files."""
MOST_RUNS = 8
"""As many as the page has colours."""
SMALL = 440  # pixels of width up to which a grid of samples is enlarged
TITLES = {"step": "Training images", "held-out": "Held-out images"}
COLUMNS = ("real", "translated", "translated back")


@dataclass(frozen=True)
class SampleGroup:
    """Grids of one kind of one run, with a slider. width, height: in pixels of the page, where there is room."""

    key: str
    title: str
    note: str
    columns: tuple[str, ...]
    newest: Sample
    width: int
    height: int
    count: int


def render(runs: Sequence[RunFiles], now: datetime) -> str:
    """The page of one run, or of up to MOST_RUNS that are compared. now: with a time zone."""
    single, run = len(runs) == 1, runs[0]
    names = ["value"] if single else [run.name for run in runs]
    groups, images = _samples(runs)
    sections = [
        ("measures", "Measures of held-out images", charts.held_out_charts(runs)),
        ("losses", "Losses", charts.loss_charts(runs)),
        ("speed", "Speed", charts.speed_charts(runs)),
    ]
    shown = [section for section in sections if section[2]]
    drawn = {chart.key: chart.as_json() for _, _, found in shown for chart in found}
    races = _race(run) if single else []
    timelines = [line for run in runs if (line := _timeline(run))]
    checkpoints = _checkpoints(run) if single else []
    evaluation = _evaluation(runs)
    state = facts.state(run, now) if single else ""
    present = {
        "overview": ("Overview", True),
        "samples": ("Images", groups),
        **{key: (name.split()[0], True) for key, name, _ in shown},
        "evaluation": ("Evaluation", evaluation),
        "timeline": ("Launches", timelines),
        "machine": ("Configuration", True),
        "checkpoints": ("Checkpoints", checkpoints),
        "race": ("Race", races),
    }
    library, script = _asset(f"uplot-{UPLOT}/uPlot.iife.min.js"), _asset("report.js")
    page: str = _template().render(
        title=run.name if single else f"{len(runs)} runs compared",
        generator=GENERATOR,
        policy=_policy(library, script),
        styles=Markup(_asset(f"uplot-{UPLOT}/uPlot.min.css") + _asset("report.css")),
        sections=[(key, name) for key, (name, there) in present.items() if there],
        single=single,
        runs=runs,
        names=names,
        now=now,
        state="" if state == "unknown" else state,
        whole=facts.steps(run),
        facts=[facts.facts(run, now) for run in runs],
        side_by_side=_side_by_side([{**facts.facts(run, now), **facts.recent_losses(run), "Folder": run.label} for run in runs]),
        samples=groups,
        chart_sections=shown,
        evaluation=evaluation,
        timelines=timelines,
        kinds=timeline.KINDS,
        machines=_side_by_side([{**facts.machine(run), **_capitalised(configuration.described(run))} for run in runs]),
        configurations=_configurations(runs),
        all_fields=_rows(configuration.everything(runs)) if single else [],
        checkpoints=checkpoints,
        races=races,
        uplot=UPLOT,
        data=_json({"charts": drawn, "samples": images}),
        library=Markup(library),
        script=Markup(script),
        number=_number,
        breakable=_breakable,
        utc=_utc,
        duration=duration,
    )
    return page


def _samples(runs: Sequence[RunFiles]) -> tuple[list[list[SampleGroup]], dict[str, list[dict[str, object]]]]:
    """Rows of what the page shows, of several runs one for each kind, and the images for its script. The newest is in the page itself."""
    kinds: list[list[SampleGroup]] = []
    images: dict[str, list[dict[str, object]]] = {}
    for kind in ("held-out", "step"):
        groups = []
        for number, run in enumerate(runs):
            found = run.samples.get(kind)
            if not found:
                continue
            key, last = f"{kind}-{number}", found[-1]
            factor = max(1, SMALL // last.width + 1) if last.width < SMALL else 1
            title = TITLES[kind] if len(runs) == 1 else f"{run.name}: {TITLES[kind][0].lower()}{TITLES[kind][1:]}"
            note = "Upper half: A to B. Lower half: B to A." if kind == "step" else "Always the same images, which are never trained on."
            columns = COLUMNS if kind == "step" else ()
            groups.append(SampleGroup(key, title, note, columns, last, factor * last.width, factor * last.height, len(found)))
            images[key] = [{"step": sample.step, "uri": None if sample is last else sample.uri} for sample in found]
        if groups:
            kinds.append(groups)
    return [[group for groups in kinds for group in groups]] if len(runs) == 1 and kinds else kinds, images


def _evaluation(runs: Sequence[RunFiles]) -> dict[str, object] | None:
    tables = [facts.evaluation_rows(run) for run in runs]
    if not any(tables):
        return None
    titles = dict.fromkeys(title for rows in tables for title, _ in rows)
    found = [dict(rows) for rows in tables]
    cells = [(title, [cell for rows in found for cell in rows.get(title, ["", ""])]) for title in titles]
    single, entry = len(runs) == 1, runs[0].evaluations[-1] if runs[0].evaluations else None
    headings = [name if single else f"{run.name}, {name}" for run in runs for name in ("AtoB", "BtoA")]
    caption = "The latest evaluation of each run"
    if single and entry:
        counts = f", {entry.images[0]:,} images of A and {entry.images[1]:,} of B" if entry.images else ""
        caption = f"Step {entry.step:,}{counts}" + ("; ± is the standard error" if entry.errors else "")
    return {"caption": caption, "headings": headings, "rows": cells}


def _timeline(run: RunFiles) -> dict[str, object] | None:
    found = run.goodput.get("recoveries")
    recoveries = [_recovery(entry) for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    if not run.launches and not recoveries:
        return None
    return {
        "name": run.name,
        "bars": timeline.bars(run.launches),
        "rows": timeline.attempt_rows(run.launches),
        "recoveries": recoveries[-timeline.MOST_ROWS :],
    }


def _recovery(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    seconds, repeated = entry.get("seconds"), entry.get("repeated_steps")
    return (
        redacted(entry.get("cause", "")),
        f"{seconds:.1f}" if isinstance(seconds, int | float) else "",
        f"{repeated:,}" if isinstance(repeated, int) else "",
    )


def _configurations(runs: Sequence[RunFiles]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    if len(runs) == 1:
        return [("What differs from the defaults", _rows(configuration.changed(runs)))]
    differing = configuration.differing(runs)
    names = {row.field for row in differing}
    same = [row for row in configuration.changed(runs) if row.field not in names | configuration.NOWHERE]
    return [("What differs between the runs", _rows(differing)), ("Equal in all runs, and other than the defaults", _rows(same))]


def _checkpoints(run: RunFiles) -> list[tuple[str, list[str]]]:
    best = charts.best_evaluation(run)
    marks = {best.step: "best by held-out images"} if best else {}
    return [
        (f"{entry.step:,}", [_utc(entry.written), f"{entry.size / 1e6:,.1f} MB", str(entry.workers), marks.get(entry.step, "")])
        for entry in reversed(run.checkpoints)
    ]


def _race(run: RunFiles) -> list[tuple[str, list[str]]]:
    entrants, winner = run.race.get("entrants"), run.race.get("winner")
    rows = []
    for entrant in entrants if isinstance(entrants, list) else []:
        if isinstance(entrant, dict):
            faults, measure = entrant.get("faults"), entrant.get("measure")
            value = f"{entrant.get('name', '')} {measure:.4g}" if isinstance(measure, int | float) else ""
            listed = ", ".join(map(str, faults)) if isinstance(faults, list) else ""
            rows.append((str(entrant.get("seed", "")), [value, listed, "went on" if entrant.get("seed") == winner else ""]))
    return rows


def _side_by_side(columns: Sequence[Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    names = dict.fromkeys(name for column in columns for name in column)
    return [(name, [column.get(name, "–") for column in columns]) for name in names]


def _rows(rows: Sequence[configuration.Row]) -> list[tuple[str, list[str]]]:
    return [(row.field, [*row.values, row.default or "no longer a field"]) for row in rows]


def _capitalised(values: Mapping[str, str]) -> dict[str, str]:
    return {name.capitalize(): value for name, value in values.items()}


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if unit == "percent" else f"{value:.4g}"


def _utc(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _breakable(text: str) -> Markup:
    """Escaped; names and paths may be broken after each of their parts."""
    return Markup(re.sub(r"([/_])(?=\w)|\.(?=[a-z])", lambda found: f"{found[0]}<wbr>", str(escape(text))))


def _json(content: object) -> Markup:
    """For a script element: without characters that could end it."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _policy(*scripts: str) -> str:
    """Forbids everything but these scripts, our styles, and images inside the page: nothing is ever loaded from a host."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}; base-uri 'none'; form-action 'none'"


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.jinja")
