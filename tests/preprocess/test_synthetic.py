"""The built-in data set: its colour law, its files, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.synthetic import main, moon, render_a, render_b, sun, write_dataset
from preprocess.synthetic_scene.scene import Scene, draw_scene
from ringcycle.errors import UserError

SCENES = [draw_scene(0, index, 72) for index in range(24)]
A = np.stack([render_a(scene) for scene in SCENES]).astype(float)
B = np.stack([render_b(scene) for scene in SCENES]).astype(float)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def image(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(float)


def test_colour_law_is_invertible_in_every_channel() -> None:
    ramp = np.repeat(np.linspace(0.05, 1, 256, dtype=np.float32)[:, None], 3, 1)
    slope = np.diff(moon(ramp), axis=0) / np.diff(sun(ramp), axis=0)
    assert slope.min() > 0.25 and slope.max() < 4  # one grey level of JPEG noise becomes at most four in either direction


def test_away_from_the_lines_b_follows_from_a() -> None:
    ramp = np.linspace(0, 1, 4096, dtype=np.float32)[:, None].repeat(3, 1)
    plain = np.stack([(scene.distance > 2) | (scene.distance < -6) for scene in SCENES])
    assert plain.mean() > 0.4
    for channel in range(3):
        law = np.interp(A[..., channel], sun(ramp)[:, channel] * 255, moon(ramp)[:, channel] * 255)
        assert np.abs(law - B[..., channel])[plain].max() < 2.5  # the rounding of A, 0.5 levels, times the largest slope, plus that of B


def test_lines_are_at_a_fixed_distance_inside_the_shapes() -> None:
    distance = np.stack([scene.distance for scene in SCENES])
    ink, glow = np.abs(distance + 0.6) < 0.3, np.abs(distance + 3.2) < 0.3
    assert A[ink].mean() < 50 and B[ink].mean() > 60
    assert B[glow].mean() > 220 and A[glow].mean() < 150


def test_rendering_is_the_same_everywhere() -> None:
    scene = SCENES[0]
    part = Scene(scene.albedo[9:, 5:60], scene.distance[9:, 5:60], scene.scale)
    assert np.array_equal(render_a(part), render_a(scene)[9:, 5:60])
    assert np.array_equal(render_b(part), render_b(scene)[9:, 5:60])


def test_the_error_is_meaningful() -> None:
    """Leaving images unchanged is far off, and ignoring them is little better: content varies as much as style."""
    unchanged = np.abs(A - B).mean()
    assert unchanged > 0.15 * 255
    for domain in (A, B):
        assert np.abs(domain - np.median(domain, (0, 1, 2))).mean() > 0.65 * unchanged
        assert np.abs(domain - np.roll(domain, 1, 0)).mean() > 0.9 * unchanged


def test_scenes_vary_in_number_and_colour_of_shapes() -> None:
    inside = [float((scene.distance < 0).mean()) for scene in SCENES]
    assert min(inside) > 0.15 and max(inside) < 0.7 and np.std(inside) > 0.03
    assert len({scene.albedo.tobytes() for scene in SCENES}) == len(SCENES)


def test_another_size_shows_the_same_scene() -> None:
    large = np.asarray(Image.fromarray(render_b(draw_scene(0, 3, 144))).resize((72, 72), Image.Resampling.BOX)).astype(float)
    assert np.abs(large - B[3]).mean() < 4  # outlines are smoothed over one pixel of either size


def test_files_and_true_translations(tmp_path: Path) -> None:
    out = tmp_path / "new" / "set"
    write_dataset(out, images=3, test=2, size=64, seed=5)
    assert sorted(files(out)) == sorted(
        ["README.txt", "synthetic.json"]
        + [f"{folder}/0000{n}.jpg" for folder, count in (("trainA", 3), ("trainB", 3), ("testA", 2), ("testB", 2)) for n in range(count)]
        + [f"truth/{direction}/0000{n}.png" for direction in ("AtoB", "BtoA") for n in range(2)]
    )
    for n in range(2):
        for turn, (test, truth, render, other) in enumerate(
            [("testA", "AtoB", render_a, render_b), ("testB", "BtoA", render_b, render_a)], start=2
        ):
            scene = draw_scene(5, 4 * n + turn, 64)
            stored = image(out / test / f"0000{n}.jpg")
            assert Image.open(out / test / f"0000{n}.jpg").format == "JPEG" and stored.shape == (64, 64, 3)
            assert np.abs(stored - render(scene)).mean() < 3  # JPEG, quality 95, without colour subsampling
            assert np.array_equal(image(out / "truth" / truth / f"0000{n}.png"), other(scene))


def test_domains_show_different_scenes(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", images=6, test=1)
    for a in (tmp_path / "set" / "trainA").iterdir():
        as_b = np.interp(image(a)[..., 2], sun(np.linspace(0, 1, 999)[:, None])[:, 2] * 255, np.linspace(0, 255, 999))
        for b in (tmp_path / "set" / "trainB").iterdir():
            assert np.abs(as_b - image(b)[..., 2]).mean() > 15


def test_same_settings_same_bytes_other_seed_other_images(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        write_dataset(tmp_path / name, images=2, test=1, size=48, seed=seed)
    one, two, three = (files(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert not {one[name] for name in one if name.endswith(".jpg")} & {three[name] for name in three if name.endswith(".jpg")}


def test_a_longer_set_begins_with_the_shorter_one(tmp_path: Path) -> None:
    write_dataset(tmp_path / "short", images=1, test=1, size=48)
    write_dataset(tmp_path / "long", images=2, test=2, size=48)
    short, long = files(tmp_path / "short"), files(tmp_path / "long")
    assert all(long[name] == short[name] for name in short if name != "synthetic.json")


def test_a_complete_set_is_left_unchanged(tmp_path: Path) -> None:
    write_dataset(tmp_path, images=1, test=1, size=48)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    write_dataset(tmp_path, images=1, test=1, size=48)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_set_of_version_0_1_0_is_left_unchanged(tmp_path: Path) -> None:
    write_dataset(tmp_path, images=1, test=1, size=48)
    note = tmp_path / "synthetic.json"
    note.write_text(note.read_text().replace('"images"', '"pictures"'))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    write_dataset(tmp_path, images=1, test=1, size=48)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    with pytest.raises(UserError, match="other settings"):
        write_dataset(tmp_path, images=2, test=1, size=48)


def test_the_draft_of_a_killed_run_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".synthetic-draft-x" / "trainA").mkdir(parents=True)
    write_dataset(tmp_path, images=1, test=1, size=48)
    names = ["README.txt", "synthetic.json", "testA", "testB", "trainA", "trainB", "truth"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_refusals_touch_nothing(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match="contains files that are not a synthetic set: name a new or empty folder"):
        write_dataset(foreign, images=1, test=1)
    assert files(foreign) == {"holiday.jpg": b"mine"}
    with pytest.raises(UserError, match="is a file: name a folder"):
        write_dataset(foreign / "holiday.jpg", images=1, test=1)
    other = tmp_path / "other"
    write_dataset(other, images=1, test=1, size=48)
    with pytest.raises(UserError, match=r"other settings .*'seed': 0.*: name another folder, or delete this one"):
        write_dataset(other, images=1, test=1, size=48, seed=1)
    assert json.loads((other / "synthetic.json").read_text())["seed"] == 0


@pytest.mark.parametrize("setting", [{"images": 0}, {"test": 0}, {"size": 31}, {"size": 1025}, {"seed": -1}])
def test_settings_out_of_range_are_refused(tmp_path: Path, setting: dict[str, int]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(UserError, match=f"--{name} = {value} is out of range: use "):
        write_dataset(tmp_path / "set", **setting)
    assert not (tmp_path / "set").exists()


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "set\x1b[2J")
    assert main([out, "--images", "2", "--test", "1", "--size", "48"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/set\\x1b[2J: 2 + 2 training and 1 + 1 test images with their true translations\n"
    assert main([out, "--images", "3", "--test", "1", "--size", "48"]) == 2
    assert capsys.readouterr().err.startswith("error: OUT = ")
    assert main([out, "--pictures", "2"]) == 2
    assert capsys.readouterr().err == "error: --pictures is now --images\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--pictures" not in capsys.readouterr().out
