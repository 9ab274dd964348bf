"""A race of two seeds on a real cluster, whose winner goes on; and a run that starts from the result.

On rectangles, in other colours, with known pairs.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cyclegan
from cyclegan.checkpoint_files.folders import verify
from cyclegan.checkpoint_files.parts import read_arrays
from cyclegan.training.passes import PAIR_LOSSES
from preprocess.synthetic import write_dataset
from ringcycle.domains import TRAIN_SPLITS
from tests.cluster.launch import TINY, Launch, options

pytestmark = pytest.mark.process


@pytest.mark.timeout(1500)
def test_race_and_start_from(programs: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "images", images=20, test=4, size=32)
    here = {"data.source": tmp_path / "images", "run.storage": tmp_path / "runs", "cluster.compile_cache": programs}
    augmented = {"data.flip_vertical": True, "data.jitter": [0.2, 0.2, 0.2, 0.05]}
    names = [sorted(file.name for file in (tmp_path / "images" / split).iterdir()) for split in TRAIN_SPLITS]
    (tmp_path / "pairs.csv").write_text("a,b\n" + "".join(f"trainA/{a},trainB/{b}\n" for a, b in zip(*names, strict=True)))
    pairs = {"data.pairs": tmp_path / "pairs.csv", "train.lambda_pairs": 10}
    often = {"run.checkpoint_every": 20, "run.sample_every": 20, "evaluate.images": 4}
    common = options({**TINY, **here, **augmented, **pairs, **often, "cluster.workers": 1})

    seeds = options({"train.seeds": 2, "race.steps": 20, "train.steps": 40, "run.name": "raced"})
    output = Launch([*common, *seeds]).end(0, seconds=600)
    run = tmp_path / "runs/raced"
    record = json.loads((run / "race.json").read_text())
    winner = record["winner"]
    assert [entrant["seed"] for entrant in record["entrants"]] == [0, 1]
    assert f"race: seed {winner} goes on" in output
    assert "finished: 40 steps" in output
    first, last = (run / f"checkpoints/step-000000{step}" for step in (20, 40))
    assert verify(first).config["train"]["seed"] == verify(last).config["train"]["seed"] == winner
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [10, 20, 30, 40]
    assert all(0 < record[name] < 20 for record in records for name in PAIR_LOSSES), "every image has a partner"
    assert len(verify(first).pairs) == 16 and verify(first).pairs == verify(last).pairs
    assert "20 known pairs, 100.0% of the images of A" in output
    height, width = TINY["data.crop_size"]
    assert Image.open(run / "samples/step-00000040.png").size == (3 * width, 2 * height)
    pools = read_arrays(last, verify(last).parts[0], ("pool.images",))["pool.images"]
    assert pools.shape[3:] == (height, width, 3) and pools.any()
    translated = cyclegan.load(run).translate(Image.new("RGB", (80, 48), "red"))
    assert translated.size == (40, 24), "resized as trained"

    start = options({"run.start_from": run, "run.name": "second", "train.steps": 1, "train.learning_rate": 1e-30, "train.seed": 7})
    output = Launch([*common, *start]).end(0, seconds=600)
    assert f"with the weights of {last}" in output
    second = tmp_path / "runs/second/checkpoints/step-00000001"
    weights = ("generators.weights", "discriminators.weights")
    before, after = (read_arrays(folder, verify(folder).parts[0], weights) for folder in (last, second))
    for name in weights:
        np.testing.assert_array_equal(before[name], after[name])
