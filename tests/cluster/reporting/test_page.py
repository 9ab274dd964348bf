"""The page, as a browser gets it: parsed, with its data read back."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cluster.paths import EVALUATIONS, LAUNCHES, METRICS, SAMPLES
from cluster.reporting.launches import write_launches
from cluster.reporting.page import UPLOT, render
from cluster.reporting.run_files import RunReader
from cluster.reporting.sample_images import shares
from tests.cluster.reporting.made_run import BEGAN, launches, make_run, write_evaluations
from tests.ray_nodes import ROOT

NOW = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7 * 7 }}"


class Page(HTMLParser):
    """Elements, their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.text += "" if tag == "wbr" else " "
        if tag in ("script", "style"):
            self._inside = tag
            self.scripts += [""] * (tag == "script")

    def handle_endtag(self, tag: str) -> None:
        self.text += " "
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif not self._inside:
            self.text += data

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(*folders: Path, now: datetime = NOW) -> Page:
    return Page(text_of(*folders, now=now))


def text_of(*folders: Path, now: datetime = NOW) -> str:
    return render([RunReader(folder).read(*shares(len(folders))) for folder in folders], now)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "made", options=["--train.batch", "2", "--model.blocks", "6"])


@pytest.fixture(scope="module")
def page(made: Path) -> Page:
    return page_of(made)


def test_all_sections_of_a_complete_run(page: Page) -> None:
    found = [attributes["id"] for attributes in page.all("h2")]
    assert found == ["overview", "samples", "measures", "losses", "speed", "evaluation", "timeline", "machine", "checkpoints"]
    assert [link["href"] for link in page.all("a")[1 : len(found) + 1]] == [f"#{name}" for name in found]
    assert page.all("html") == [{"lang": "en"}]
    charts = page.data["charts"]
    assert charts.keys() == {
        *("kid", "sliced_wasserstein", "cycle_l1"),
        *("G_AB", "D_A", "cycle_A", "identity_A", "learning_rate", "images_per_second", "wait_for_data"),
    }
    assert {attributes["data-chart"] for attributes in page.all("div") if "data-chart" in attributes} == charts.keys()


def test_the_facts(page: Page) -> None:
    text = " ".join(page.text.split())
    for fact in (
        "made finished",
        "Step 2,000 of 2,000",
        "Best checkpoint step 1,500, KID 0.0",
        "Launches 2, 1 restart of the workers",
        "Goodput of the last launch 90.0% of 1:06:40",
        "Workers 2 on 1 node",
        "Device AMD EPYC 9354",
        "train.batch 2 1",
        "worker 1 died 27.5 40",
        "Step 1,500, 64 images of A and 60 of B; ± is the standard error",
    ):
        assert fact in text


def test_the_best_is_marked_and_intervals_are_drawn(page: Page) -> None:
    kid, wasserstein = page.data["charts"]["kid"], page.data["charts"]["sliced_wasserstein"]
    (mark,), (run,) = kid["marks"], kid["runs"]
    mean = run["curves"][0]
    assert mark["x"] == 1500 and mark["y"] == pytest.approx(min(mean["values"]), rel=1e-4)
    assert mean["high"][0] - mean["low"][0] == pytest.approx(2 * 1.96 * 0.004, rel=1e-3)
    assert "The ring marks the best checkpoint, 0.0" in page.text
    assert wasserstein["marks"] == [] and not wasserstein["runs"][0]["curves"][0]["low"], "no error is recorded, and KID decides"


def test_images_are_in_the_page(page: Page) -> None:
    samples = page.data["samples"]
    assert {name: [sample["step"] for sample in found] for name, found in samples.items()} == {
        "held-out-0": [500, 1000, 1500],
        "step-0": [500, 1000, 1500],
    }
    assert [image["src"][:22] for image in page.all("img")] == ["data:image/webp;base64"] * 2
    labels = {label["for"] for label in page.all("label")}
    assert labels == {control["id"] for control in page.all("input")} and len(labels) == 2


def test_nothing_is_loaded(page: Page, made: Path) -> None:
    for _, attributes in page.elements:
        assert not attributes.get("src", "data:").startswith(("http", "//", "."))
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert [link["href"] for link in page.all("a") if not link["href"].startswith("#")] == ["https://github.com/leeoniya/uPlot"]
    text = text_of(made)
    assert "url(" not in text and "@import" not in text and "fetch(" not in text
    (policy,) = (meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and policy.count("'sha256-") == 2


def test_whatever_a_run_holds_is_harmless(tmp_path: Path) -> None:
    folder = make_run(tmp_path / HOSTILE.replace("/", "∕"))
    (folder / METRICS).write_text("".join(json.dumps({"step": step, HOSTILE: 1.0, "G_AB": 0.5}) + "\n" for step in (1, 2)))
    config = (folder / "config.toml").read_text().replace('source = "images"', f"source = {json.dumps(HOSTILE)}")
    (folder / "config.toml").write_text(config + f"\n[{json.dumps(HOSTILE)}]\n{json.dumps(HOSTILE)} = 1\n")
    found = launches(2000)
    worker = found[-1].attempts[0].workers[0].model_copy(update={"host": HOSTILE, "device": HOSTILE})
    attempt = found[-1].attempts[0].model_copy(update={"cause": HOSTILE, "workers": [worker]})
    write_launches(folder, [found[-1].model_copy(update={"outcome": HOSTILE, "reason": HOSTILE, "attempts": [attempt]})])
    (folder / "race.json").write_text(
        json.dumps({"winner": HOSTILE, "entrants": [{"seed": HOSTILE, "name": HOSTILE, "faults": [HOSTILE]}]})
    )
    (folder / "goodput.json").write_text(json.dumps({"recoveries": [{"cause": HOSTILE, "seconds": HOSTILE}], "total": HOSTILE}))
    for page in (page_of(folder), page_of(folder, made_other(tmp_path))):
        assert len(page.scripts) == 3 and "alert" not in page.scripts[1] + page.scripts[2]
        assert "<" not in page.scripts[0]
        assert not any("onerror" in attributes for _, attributes in page.elements)
        assert page.text.count("{{ 7 * 7 }}") >= 3
        assert all(image["src"].startswith("data:image/webp;") for image in page.all("img"))


def made_other(folder: Path) -> Path:
    return make_run(folder / "other", images=[])


def test_runs_side_by_side(made: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", steps=1000, seed=1, images=[500], options=["--train.learning_rate", "0.001"])
    page = page_of(made, other)
    charts = page.data["charts"]
    assert [run["x"][-1] for run in charts["G_AB"]["runs"]] == [2000, 1000]
    curves = [[(curve["label"], curve["colour"]) for curve in run["curves"]] for run in charts["G_AB"]["runs"]]
    assert curves == [[("made", 0)], [("other", 1)]], "the mean of both generators"
    assert [mark["x"] for mark in charts["kid"]["marks"]] == [1500, 500]
    text = " ".join(page.text.split())
    assert "2 runs compared" in text
    assert "Step 2,000 of 2,000 1,000 of 1,000" in text
    assert "What differs between the runs field made other default" in text
    assert "train.learning_rate 0.0002 0.001 0.0002" in text
    assert set(page.data["samples"]) == {"held-out-0", "held-out-1", "step-0", "step-1"}


def test_runs_of_earlier_versions(tmp_path: Path) -> None:
    """Numbers of a run of format 3: no launches, no goodput, no evaluation, other fields in its configuration."""
    old = shutil.copytree(ROOT / "tests/fixtures/run-format-3", tmp_path / "old")
    page = page_of(old)
    assert [attributes["id"] for attributes in page.all("h2")] == ["overview", "losses", "speed", "machine", "checkpoints"]
    assert "no longer a field" in page.text and page.data["samples"] == {}


@pytest.mark.parametrize("name", ["config.toml", METRICS, EVALUATIONS, LAUNCHES, "goodput.json", "race.json"])
@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\x00{", b"[1, 2]\n", b'{"launches": [{"began": 1}], "recoveries": 3, "entrants": {}}\n']
)
def test_missing_and_damaged_files(made: Path, name: str, content: bytes | None, tmp_path: Path) -> None:
    run = shutil.copytree(made, tmp_path / "run", ignore=shutil.ignore_patterns(SAMPLES))
    (run / name).unlink(missing_ok=True)
    if content is not None:
        (run / name).write_bytes(content)
    assert "Overview" in page_of(run).text


def test_before_the_first_step(made: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes((made / "config.toml").read_bytes())
    page = page_of(tmp_path)
    assert "No step has been logged yet" in page.text and page.data == {"charts": {}, "samples": {}}


def test_a_launch_that_is_still_going_on(made: Path, tmp_path: Path) -> None:
    run = shutil.copytree(made, tmp_path / "run", ignore=shutil.ignore_patterns(SAMPLES, "checkpoints"))
    (run / METRICS).write_text('{"step": 1200, "G_AB": 0.5}\n')
    write_evaluations(run, {1000: 50.0})
    last = launches(2000)[-1]
    attempt = last.attempts[0].model_copy(update={"reached_step": 1200, "cause": ""})
    write_launches(run, [last.model_copy(update={"outcome": "", "attempts": [attempt]})])
    for since, state in ((timedelta(minutes=1), "training"), (timedelta(hours=1), "interrupted")):
        text = " ".join(page_of(run, now=BEGAN + timedelta(minutes=131) + since).text.split())
        assert f"run {state}" in text
        assert ("reload for the newest" in text) is (state == "training")


def test_a_long_run_stays_small(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "long", steps=100_000, every=1, images=range(1000, 100_001, 1000))
    text = text_of(folder)
    assert len(text) < 3e6
    data = Page(text).data
    steps = data["charts"]["cycle_A"]["runs"][0]["x"]
    assert (steps[0], steps[-1]) == (1, 100_000) and len(steps) < 1100


def test_the_library_is_the_version_that_is_named() -> None:
    folder = ROOT / f"cluster/reporting/assets/uplot-{UPLOT}"
    assert f"(v{UPLOT})" in (folder / "uPlot.iife.min.js").read_text()[:100]
    assert (folder / "LICENSE").read_text().startswith("The MIT License")
    (readme,) = re.findall(r"leeoniya/uPlot\) (\S+) \(MIT\)", (ROOT / "README.md").read_text())
    assert readme == UPLOT
