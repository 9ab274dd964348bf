"""Each image gets a place of its own below the output, never among the images to read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclegan.inference.paths import find_images, plan_outputs, result_names
from ringcycle.errors import UserError


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_images_are_found_in_inner_folders_but_not_hidden_or_other_files(tmp_path: Path) -> None:
    folder(tmp_path, "b.JPG", "a.png", "in/c.webp", ".d.png", ".e/f.png", "g.txt", "h")
    (tmp_path / "folder.png").mkdir()
    assert find_images(tmp_path) == [Path("a.png"), Path("b.JPG"), Path("in/c.webp")]


def test_results_keep_folders_and_stems(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", "a.jpg", "b/a.jpg", "b/x.y.webp")
    plan = plan_outputs(source, tmp_path / "out")
    assert {k.relative_to(source).as_posix(): v.relative_to(tmp_path).as_posix() for k, v in plan.items()} == {
        "a.jpg": "out/a.png",
        "b/a.jpg": "out/b/a.png",
        "b/x.y.webp": "out/b/x.y.png",
    }
    assert not (tmp_path / "out").exists()


def test_equal_stems_keep_their_endings() -> None:
    names = [Path("a.jpg"), Path("a.png"), Path("b.png")]
    assert result_names(names) == [Path("a.jpg.png"), Path("a.png.png"), Path("b.png")]


@given(st.sets(st.lists(st.sampled_from(["a", "b", ".jpg", ".png"]), min_size=1, max_size=4).map("".join), max_size=8))
def test_results_never_share_a_name(stems: set[str]) -> None:
    names = [Path(f"{stem}.gif") for stem in stems if not stem.startswith(".")]
    assert len(set(result_names(names))) == len(names)


def test_one_image_goes_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    image = folder(tmp_path, "in/a.jpg") / "in" / "a.jpg"
    (tmp_path / "made.d").mkdir()
    for output, result in [("x.png", "x.png"), ("x.JPG", "x.JPG"), ("new", "new/a.png"), ("made.d", "made.d/a.png")]:
        assert plan_outputs(image, tmp_path / output) == {image: tmp_path / result}


@pytest.mark.parametrize(
    ("source", "output", "says"),
    [
        ("none", "out", "does not exist: give an image or a folder"),
        ("empty", "out", "holds no images (it is empty)"),
        ("texts", "out", "holds no images (2 files: .txt, no ending)"),
        ("images", "images", "among the images to read"),
        ("images", "images/out", "among the images to read"),
        ("images", "link", "among the images to read"),
        ("images", "texts/a.txt", "is a file, but INPUT"),
        ("images/a.png", "images/a.png", "would replace"),
        ("images/a.png", "images", "would replace"),
        ("images/a.png", "out.gif", "ends with .gif: end it with .png"),
        ("nested", ".", "would replace"),
    ],
)
def test_what_cannot_be_done_is_refused(source: str, output: str, says: str, tmp_path: Path) -> None:
    folder(tmp_path, "texts/a.txt", "texts/b", "images/a.png", "nested/a.png", "nested/nested/a.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "images")
    with pytest.raises(UserError) as error:
        plan_outputs(tmp_path / source, tmp_path / output)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
