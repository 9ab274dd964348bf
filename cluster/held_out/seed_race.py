"""Several short runs that differ in their seed, one after another: the one with the best translations of held-out images goes on.

Identical settings give very different results: one seed inverts colours, another does not. A run of the race is the beginning of the
complete run, with its learning rates, so that the winner's checkpoint is where the complete run continues. All of it is reproducible.
"""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from cluster.config import Config
from cluster.driver.supervise import Report
from cluster.held_out.evaluator import Evaluate
from cluster.job import Job
from cluster.monitoring.status import Outcome
from cluster.paths import METRICS, RACE, checkpoints_of
from cyclegan.checkpoint_files.folders import checkpoints, find_newest
from cyclegan.checkpoint_files.measures import PREFERRED
from cyclegan.checkpoint_files.names import INDEX, MEASURES
from cyclegan.inference.held_out import Evaluation
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, child
from ringcycle.storage.store import Store, parent_and_name

log = logging.getLogger(__name__)

ENTRANT = "entrant.json"

Train = Callable[[Job], Report]
"""Trains a job to its end, through restarts."""


@dataclass(frozen=True)
class Entrant:
    """A finished run of the race. faults: what the collapse watch found. measure: of `name`, lower is better."""

    seed: int
    faults: tuple[str, ...]
    name: str
    measure: float

    def describe(self) -> str:
        """One phrase."""
        measure = f"seed {self.seed}: {self.name} {self.measure:.4g}" if self.name else f"seed {self.seed}"
        return f"{measure}, out: {', '.join(self.faults)}" if self.faults else measure


def winner_of(entrants: list[Entrant]) -> Entrant:
    """The lowest measure among those without faults, or among all if each has some; of equal ones the first."""
    sound = [entrant for entrant in entrants if not entrant.faults]
    return min(sound or entrants, key=lambda entrant: entrant.measure)


def decided_seed(run: Location) -> int | None:
    """The seed that won this run's race; None if there was none yet. Raises OSError."""
    store = Store(run)
    if store.size(RACE) is None:
        return None
    try:
        return int(json.loads(store.read(RACE))["winner"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{store.label(RACE)} is damaged ({error}): delete it to race again") from error


def with_seed(config: Config, seed: int) -> Config:
    """The same configuration with another seed."""
    return config.model_copy(update={"train": config.train.model_copy(update={"seed": seed})})


def race(job: Job, train: Train, evaluate: Evaluate) -> tuple[Job, Report | None]:
    """Run the race, or what is left of it, and give the run the winner's checkpoint.

    Returns the job with the winning seed; or the job as it was, and the report that ended the race: of a stop or a failure. Raises OSError.
    """
    first, entrants = job.config.train.seed, list[Entrant]()
    seeds = range(first, first + job.config.train.seeds)
    for number, seed in enumerate(seeds, 1):
        heat = _heat(job, seed)
        entrant = _finished(heat.run, seed)
        if entrant is None:
            log.info(f"race: seed {seed}, run {number} of {len(seeds)}")
            report = train(heat)
            outcome = report.status.outcome
            if outcome is None or outcome.kind in ("stopped", "failed"):
                return job, report
            entrant = _entrant(heat, outcome, evaluate)
            Store(heat.run).write(ENTRANT, json.dumps(vars(entrant)).encode())
        log.info(f"race: {entrant.describe()}")
        entrants.append(entrant)
    winner = winner_of(entrants)
    if not math.isfinite(winner.measure):
        raise UserError("no seed of the race had finite losses: lower train.learning_rate, and give another run.name")
    _take_over(job.run, _heat(job, winner.seed).run)
    record = {"winner": winner.seed, "entrants": [vars(entrant) for entrant in entrants]}
    Store(job.run).write(RACE, json.dumps(record, indent=1).encode())
    log.info(f"race: seed {winner.seed} goes on")
    return replace(job, config=with_seed(job.config, winner.seed)), None


def _finished(run: Location, seed: int) -> Entrant | None:
    """What an earlier launch found out about this run of the race."""
    store = Store(run)
    if store.size(ENTRANT) is None:
        return None
    try:
        found = json.loads(store.read(ENTRANT))
        return Entrant(seed, tuple(found["faults"]), found["name"], float(found["measure"]))
    except (ValueError, KeyError, TypeError):
        return None


def _entrant(heat: Job, outcome: Outcome, evaluate: Evaluate) -> Entrant:
    seed, newest = heat.config.train.seed, find_newest(checkpoints_of(heat.run))
    if outcome.kind == "diverged" or newest is None:
        return Entrant(seed, ("losses not finite",), "", math.inf)
    return Entrant(seed, outcome.faults, *_measure(evaluate(newest), heat.config.run.keep_best))


def _heat(job: Job, seed: int) -> Job:
    """The run of the race with this seed."""
    run = child(child(job.run, "race"), f"seed-{seed}")
    return replace(job, config=with_seed(job.config, seed), run=run, until=job.config.race.steps)


def _measure(evaluation: Evaluation, metric: str) -> tuple[str, float]:
    """Name and value of the measure that decides: `run.keep_best` if it is one of held-out images."""
    values = evaluation.values
    names = (metric, *PREFERRED, "sliced_wasserstein")
    name = next(name for name in names if name in values)
    return name, values[name]


def _take_over(run: Location, winner: Location) -> None:
    """Copy the winner's newest checkpoint and its metrics, the checkpoint's index last."""
    folder = checkpoints(checkpoints_of(winner))[-1]
    source, target = Store(folder), Store(child(checkpoints_of(run), parent_and_name(folder)[1]))
    if target.local is not None:
        target.local.mkdir(parents=True, exist_ok=True)
    names = sorted(set(source.names()) - {INDEX, MEASURES})
    for name in (*names, INDEX):
        target.write(name, source.read(name))
    metrics = Store(winner)
    if metrics.size(METRICS) is not None:
        Store(run).write(METRICS, metrics.read(METRICS))
