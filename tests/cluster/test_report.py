"""`python -m cluster.report` as a user calls it."""

import os
from pathlib import Path

import pytest

from cluster.report import main
from ringcycle.storage.location import child
from ringcycle.storage.store import Store
from tests.cluster.reporting.made_run import make_run
from tests.preprocess.object_store import object_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "made")


def test_one_run_and_several(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(made)]) == 0
    assert (made / "report.html").read_text().startswith("<!doctype html>")
    make_run(tmp_path / "made", seed=1)
    monkeypatch.chdir(tmp_path)
    assert main([os.path.relpath(made), str(tmp_path / "made")]) == 0
    page = (tmp_path / "comparison.html").read_text()
    assert all(f'<th scope="col">{run}</th>' in page for run in (f"{made.parent.name}/made", f"{tmp_path.name}/made")), (
        "two of the same name"
    )
    assert main([str(made), "--out", str(tmp_path / "comparison.html")]) == 0, "a report may be replaced"
    assert capsys.readouterr().out.count("wrote ") == 3


def test_in_an_object_store(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with object_store() as server:
        run = server.uri("runs/made")
        for file in (path for path in made.rglob("*") if path.is_file() and path.suffix != ".html"):
            folder = child(run, str(file.parent.relative_to(made))) if file.parent != made else run
            Store(folder).write(file.name, file.read_bytes())
        assert main([str(run)]) == 0
        assert main([str(run), "--out", str(tmp_path / "here.html")]) == 0
        page = Store(run).read("report.html").decode()
        with pytest.raises(SystemExit):
            main([])
        assert main([str(server.uri("runs/none"))]) == 2
    printed = capsys.readouterr()
    assert "SECRET" not in page + printed.out + printed.err
    assert page.count("data:image/webp;base64,") == 6
    assert "wrote s3://***@bucket/runs/made/report.html" in printed.out


def test_a_run_without_metrics(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/config.toml").write_bytes((made / "config.toml").read_bytes())
    assert main([str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.startswith("run new has not logged a step yet: its page has no curves\nwrote ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("@/none", "RUN = @/none does not exist: give the folder of a run, STORAGE/NAME"),
        ("@/file", "RUN = @/file is a file: give the folder of a run, STORAGE/NAME"),
        (
            "@/folder",
            "RUN = @/folder is no run: it has no config.toml, metrics.jsonl or checkpoints: give the folder of a run, STORAGE/NAME",
        ),
        ("@", "RUN = @ is no run: it has no config.toml, metrics.jsonl or checkpoints: give one of the runs in it: run"),
        ("@/run @/folder/../run", "RUN = @/folder/../run is given twice: give each run once"),
        (" ".join(9 * ["@/run"]), "9 runs are given, but a page has colours for 8: give fewer"),
        ("@/run --out page.pdf", "--out = page.pdf does not end with .html: name a page"),
        ("@/run --out @/run/config.toml", "--out = @/run/config.toml does not end with .html: name a page"),
        ("@/run --out @/dir.html", "--out = @/dir.html is a folder: name a file in it, such as @/dir.html/report.html"),
        ("@/run --out @/mine.html", "--out = @/mine.html exists and is no report: name another file"),
        (
            "@/run --out @/none/page.html",
            "@/none/page.html cannot be written (No such file or directory): fix this, or name another folder",
        ),
        ("ftp://host/run", '"ftp://host/run" has an unknown scheme: name a folder, or a URI that starts with s3://, gs:// or hdfs://'),
    ],
)
def test_mistakes(arguments: str, error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("folder", "run", "dir.html"):
        (tmp_path / name).mkdir()
    (tmp_path / "run/config.toml").touch()
    for name in ("file", "mine.html"):
        (tmp_path / name).write_text("mine")
    assert main(arguments.replace("@", str(tmp_path)).split()) == 2
    assert capsys.readouterr().err.replace(str(tmp_path), "@") == f"error: {error}\n"
    assert (tmp_path / "mine.html").read_text() == "mine"
