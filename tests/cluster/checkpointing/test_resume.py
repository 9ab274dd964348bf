import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.checkpointing.resume import check_resumable, load_state, newest_checkpoint, remove_partial
from cluster.config import Config
from cluster.load_config import load_config
from cyclegan.checkpoint_files.folders import find_newest
from cyclegan.checkpoint_files.index import Index, encode, publish
from cyclegan.checkpoint_files.names import INDEX
from cyclegan.checkpoint_files.parts import write_part, written_parts
from cyclegan.config import ImageFormat
from ringcycle.errors import UserError


def index(step: int, workers: int, config: Config, parts: list[Any]) -> Index:
    return Index(
        step=step,
        position=step * workers * config.train.batch,
        workers=workers,
        fingerprint="f",
        images=ImageFormat(),
        written=datetime.now(UTC),
        cycle_loss=None,
        versions={},
        config=config.model_dump(mode="json"),
        parts=parts,
    )


def save(root: Path, step: int, workers: int = 2) -> Path:
    """A checkpoint of 4 rows in all, whose pool values are their row's number."""
    folder = root / f"step-{step:08d}"
    for rank in range(workers):
        rows = np.arange(4)[rank::workers]
        pools = {
            "pool.rows": rows,
            "pool.images": np.broadcast_to(rows[None, :, None, None, None, None], (2, len(rows), 3, 2, 2, 1)).astype(np.float32),
            "pool.filled": np.broadcast_to(rows[None, :, None] % 2 == 0, (2, len(rows), 3)),
        }
        write_part(folder, rank, "x", {**pools, **({"generators.weights": np.full(5, step)} if rank == 0 else {})})
    parts = written_parts(folder, workers, "x")
    assert parts is not None
    facts = index(step, workers, Config(), parts)
    publish(folder, facts.model_copy(update={"config": {"train": facts.config["train"]}}))  # without networks: these arrays belong to none
    return folder


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_pools_are_dealt_by_row_to_any_number_of_workers(workers: int, tmp_path: Path) -> None:
    folder = save(tmp_path, 7)
    for rank in range(workers):
        rows = np.arange(4)[rank::workers]
        found, arrays = load_state(folder, rows)
        assert found.step == 7
        assert (arrays["generators.weights"] == 7).all()
        assert arrays["pool.images"].shape == (2, len(rows), 3, 2, 2, 1)
        assert (arrays["pool.images"][0, :, 0, 0, 0, 0] == rows).all()
        assert (arrays["pool.filled"][1, :, 0] == (rows % 2 == 0)).all()


def test_nothing_to_resume(tmp_path: Path) -> None:
    assert find_newest(tmp_path / "nowhere") is None
    assert newest_checkpoint(tmp_path) == ""


def test_interrupted_saves_are_never_found_and_removed(tmp_path: Path) -> None:
    good = save(tmp_path, 10)
    write_part(tmp_path / "step-00000020", 0, "y", {"a": np.zeros(1)})
    write_part(good, 0, "y", {"a": np.zeros(1)})
    assert find_newest(tmp_path) == good
    remove_partial(tmp_path)
    assert list(tmp_path.iterdir()) == [good]
    assert sorted(file.name for file in good.iterdir()) == [INDEX, "part-00000-x.npz", "part-00001-x.npz"]


@pytest.mark.parametrize(
    ("arguments", "fingerprint", "error"),
    [
        (["--model.filters", "32"], "f", "model.filters = 32, but run default was trained with 64"),
        (["--train.seed", "1"], "f", "train.seed = 1, but run default was trained with 0"),
        (["--data.crop_size", "128"], "f", "data.crop_size = 128, but run default was trained with 256"),
        (["--data.crop_size", "128,256"], "f", "data.crop_size = [128, 256], but run default was trained with 256"),
        (["--data.crop_size", "256,256"], "f", ""),
        (["--data.flip_vertical", "true"], "f", "data.flip_vertical = True, but run default was trained with False"),
        (["--data.rotate", "true"], "f", "data.rotate = True, but run default was trained with False"),
        (["--data.jitter", "0.1,0,0,0"], "f", "data.jitter = [0.1, 0.0, 0.0, 0.0], but run default was trained with [0.0, 0.0, 0.0, 0.0]"),
        (["--cluster.workers", "4"], "f", "train.batch × cluster.workers = 4, but run default has a global batch of 2"),
        ([], "g", "has fingerprint g, but run default was trained on f"),
        (["--train.batch", "2"], "f", ""),
        (["--model.remat", "true"], "f", ""),
        (["--train.ema", "0"], "f", ""),
        (["--train.steps", "9", "--train.learning_rate", "1e-4", "--run.keep", "7"], "f", ""),
        (["--train.schedule", "cosine", "--train.warmup", "5", "--train.rate_rule", "none"], "f", ""),
        (["--train.discriminator_rate", "2", "--train.clip_norm", "1"], "f", ""),
        (["--train.loss", "hinge"], "f", "train.loss = hinge, but run default was trained with lsgan"),
        (["--train.lambda_cycle", "[10, 5]"], "f", "train.lambda_cycle = [10.0, 5.0], but run default was trained with 10.0"),
    ],
)
def test_what_may_change_on_resume(arguments: list[str], fingerprint: str, error: str) -> None:
    old = load_config(["--cluster.workers", "2"], {})
    workers = [] if "--cluster.workers" in arguments else ["--cluster.workers", "1" if "--train.batch" in arguments else "2"]
    new = load_config([*workers, *arguments], {})
    if not error:
        check_resumable(index(1, 2, old, []), Path("c"), new, fingerprint)
        return
    with pytest.raises(UserError) as caught:
        check_resumable(index(1, 2, old, []), Path("c"), new, fingerprint)
    assert error in str(caught.value)


def test_known_pairs_may_not_change_but_their_file_may_move() -> None:
    arguments = ["--cluster.workers", "2", "--train.lambda_pairs", "10", "--data.pairs"]
    old, moved = (load_config([*arguments, file], {}) for file in ("pairs.csv", "moved.csv"))
    saved = index(1, 2, old, []).model_copy(update={"pairs": "one"})
    check_resumable(saved, Path("c"), moved, "f", "one")
    with pytest.raises(UserError) as caught:
        check_resumable(saved, Path("c"), moved, "f", "another")
    assert str(caught.value) == (
        'data.pairs = "moved.csv" holds other pairs than those that run default was trained with '
        f"({Path('c').absolute()}): give the same ones, or another run.name"
    )
    without = load_config(["--cluster.workers", "2"], {})
    with pytest.raises(UserError, match=r"train\.lambda_pairs = 0\.0, but run default was trained with 10\.0"):
        check_resumable(saved, Path("c"), without, "f")


def test_a_pair_is_the_same_after_it_was_in_a_file() -> None:
    config = load_config(["--cluster.workers", "2", "--train.lambda_cycle", "[10, 5]"], {})
    written = Index.model_validate_json(encode(index(1, 2, config, [])))
    check_resumable(written, Path("c"), config, "f")


@pytest.mark.parametrize(
    ("crop", "error"),
    [("128,256", ""), ("[128, 256]", ""), ("256,128", "data.crop_size = [256, 128], but run default was trained with [128, 256]")],
)
def test_a_rectangle_resumes_as_itself(crop: str, error: str) -> None:
    old = index(1, 1, load_config(["--data.crop_size", "128,256"], {}), [])
    stored = Index.model_validate_json(old.model_dump_json())
    new = load_config(["--data.crop_size", crop], {})
    if not error:
        check_resumable(stored, Path("c"), new, "f")
        return
    with pytest.raises(UserError, match=f"^{re.escape(error)} "):
        check_resumable(stored, Path("c"), new, "f")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], ""),
        (["--train.lambda_cycle", "10"], ""),
        (["--train.lambda_cycle", "9"], "train.lambda_cycle = 9.0, but run default was trained with 10.0"),
        (["--model.blocks", "6"], "model.blocks = 6, but run default was trained with 9"),
    ],
)
def test_a_field_that_an_earlier_version_did_not_have_counts_as_its_default(arguments: list[str], error: str) -> None:
    config = load_config(["--cluster.workers", "2"], {}).model_dump()
    for section, field in (("train", "lambda_cycle"), ("model", "blocks"), ("data", "flip"), ("data", "jitter"), ("data", "rotate")):
        del config[section][field]
    config["train"]["forgotten"] = 7
    config["another"] = {"section": 1}
    old = index(1, 2, Config(), []).model_copy(update={"config": config, "position": 2})
    new = load_config(["--cluster.workers", "2", *arguments], {})
    if not error:
        check_resumable(old, Path("c"), new, "f")
        return
    with pytest.raises(UserError, match=error):
        check_resumable(old, Path("c"), new, "f")
