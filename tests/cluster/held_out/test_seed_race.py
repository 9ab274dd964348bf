"""Short runs race, one seed each; the best one by held-out images goes on, and an interrupted race continues."""

import json
from pathlib import Path

import pytest

from cluster.driver.goodput import goodput
from cluster.driver.supervise import Report
from cluster.held_out.seed_race import Entrant, decided_seed, race, winner_of
from cluster.job import Job
from cluster.load_config import load_config
from cluster.monitoring.status import Outcome, RunStatus
from cluster.paths import RACE
from cyclegan.checkpoint_files.folders import checkpoints, find_newest, verify
from cyclegan.config import ImageFormat
from cyclegan.evaluation.estimate import Estimate
from cyclegan.inference.held_out import Evaluation
from ringcycle.errors import UserError
from ringcycle.storage.location import Location
from tests.cyclegan.made_checkpoint import write_checkpoint

STEPS = 10


class World:
    """Trains by writing a real checkpoint of the seed's number; `outcomes` and `measures` by seed."""

    def __init__(self, folder: Path, outcomes: dict[int, Outcome] | None = None, measures: dict[int, float] | None = None) -> None:
        self.folder, self.outcomes, self.measures = folder, outcomes or {}, measures or {}
        self.trained: list[int] = []

    def train(self, job: Job) -> Report:
        seed = job.config.train.seed
        assert job.until == STEPS
        self.trained.append(seed)
        write_checkpoint(Path(job.run), STEPS, fields={"train": {"seed": seed}})
        (Path(job.run) / "metrics.jsonl").write_text(json.dumps({"step": STEPS, "seed": seed}) + "\n")
        status = RunStatus(outcome=self.outcomes.get(seed, Outcome("finished", STEPS)))
        return Report(status, goodput(0, 1, []), False)

    def evaluate(self, checkpoint: Location) -> Evaluation:
        seed = verify(checkpoint).config["train"]["seed"]
        return Evaluation((2, 2), {"sliced_wasserstein": Estimate(self.measures[seed], None)}, {})

    def race(self, seeds: int = 3) -> tuple[Job, Report | None]:
        config = load_config(["--train.seeds", str(seeds), "--train.seed", "5", "--race.steps", str(STEPS), "--run.name", "run"], {})
        run = self.folder / "run"
        run.mkdir(exist_ok=True)
        return race(Job(config, ImageFormat(), run, self.folder, "", False, None), self.train, self.evaluate)


def test_the_best_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = World(tmp_path, measures={5: 3.0, 6: 1.0, 7: 2.0})
    job, report = world.race()
    assert report is None
    assert (job.config.train.seed, job.run, job.until) == (6, tmp_path / "run", 0)
    assert world.trained == [5, 6, 7]
    newest = find_newest(tmp_path / "run/checkpoints")
    assert newest is not None and verify(newest).config["train"]["seed"] == 6
    assert json.loads((tmp_path / "run/metrics.jsonl").read_text()) == {"step": STEPS, "seed": 6}
    assert decided_seed(tmp_path / "run") == 6
    assert caplog.messages == [
        "race: seed 5, run 1 of 3",
        "race: seed 5: sliced_wasserstein 3",
        "race: seed 6, run 2 of 3",
        "race: seed 6: sliced_wasserstein 1",
        "race: seed 7, run 3 of 3",
        "race: seed 7: sliced_wasserstein 2",
        "race: seed 6 goes on",
    ]


def test_the_collapse_watch_condemns(tmp_path: Path) -> None:
    inverted = Outcome("finished", STEPS, faults=("G_AB inverted",))
    diverged = Outcome("diverged", STEPS)
    world = World(tmp_path, {6: inverted, 7: diverged}, {5: 3.0, 6: 1.0})
    assert world.race()[0].config.train.seed == 5
    entrants = json.loads((tmp_path / "run" / RACE).read_text())["entrants"]
    assert [entrant["faults"] for entrant in entrants] == [[], ["G_AB inverted"], ["losses not finite"]]


def test_with_faults_everywhere_the_measure_decides() -> None:
    assert winner_of([Entrant(1, ("flat",), "kid", 2.0), Entrant(2, ("flat",), "kid", 1.0)]).seed == 2
    assert winner_of([Entrant(1, (), "kid", 1.0), Entrant(2, (), "kid", 1.0)]).seed == 1


def test_a_stopped_race_continues_where_it_was(tmp_path: Path) -> None:
    stopped = World(tmp_path, {6: Outcome("stopped", 4)}, {5: 3.0})
    job, report = stopped.race()
    assert report is not None and report.status.outcome == Outcome("stopped", 4)
    assert job.config.train.seed == 5
    assert decided_seed(tmp_path / "run") is None
    assert checkpoints(tmp_path / "run/checkpoints") == []
    again = World(tmp_path, measures={6: 1.0, 7: 2.0})
    assert again.race()[0].config.train.seed == 6
    assert again.trained == [6, 7]


def test_nothing_finite_is_an_error(tmp_path: Path) -> None:
    world = World(tmp_path, {seed: Outcome("diverged", STEPS) for seed in (5, 6)})
    with pytest.raises(UserError, match=r"^no seed of the race had finite losses: lower train\.learning_rate, and give another run\.name$"):
        world.race(seeds=2)


def test_a_damaged_record_is_an_error(tmp_path: Path) -> None:
    assert decided_seed(tmp_path) is None
    (tmp_path / RACE).write_text("{")
    with pytest.raises(UserError, match=r"race\.json is damaged .*: delete it to race again"):
        decided_seed(tmp_path)
