"""The container image of k8s/Dockerfile, built and used as a cluster uses it: by user 1000, with a read-only root."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from preprocess.images.decode import EXTENSIONS
from preprocess.synthetic import write_dataset
from tests.cluster.launch import TINY, options
from tests.k8s.containers import Container, Engine, missing

ROOT = Path(__file__).parents[2]
BASE = os.environ.get("BASE", "")
SPACE = 12 * 10**9
DATA = Path(os.environ.get("RINGCYCLE_TEST_DATA", ROOT.parent / "shared/data"))
SETTINGS = {
    **{name: str(value).replace(" ", "") for name, value in TINY.items()},  # no spaces: they need no quotes in a shell
    **{
        "data.source": "/storage/data",
        "run.storage": "/storage/runs",
        "cluster.compile_cache": "/storage/cache",
        "run.checkpoint_every": 2,
        "run.name": "first",
        "cluster.workers": 1,
    },
}
TRAIN = " ".join(["python", "-m", "cluster.train", *options(SETTINGS)])
CODECS = ("lzw", "deflate", "packbits", "lzma", "zstd", "jpeg", "jpeg2000", "jpegxl", "jpegxr", "lerc", "png", "webp")
PORTS = "--dashboard-port=8265 --dashboard-agent-listen-port=52365 --metrics-export-port=8080"

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600), pytest.mark.skipif(bool(missing(BASE)), reason=missing(BASE))]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("image")
    if shutil.disk_usage(folder).free < SPACE:
        pytest.skip(f"{folder} has less than {SPACE / 1e9:.0f} GB free; --basetemp names another folder")
    engine = Engine(folder)
    yield engine
    engine.run("umount", "--all")
    engine.run("rm", "--all")
    engine.run("rmi", "--all", "--force")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def log(engine: Engine) -> str:
    """What the build printed."""
    if not BASE:
        engine.make_base("localhost/ringcycle-base")
    return engine.build(BASE or "localhost/ringcycle-base", "ringcycle", REVISION="tested")


@pytest.fixture(scope="module")
def container(engine: Engine, log: str, tmp_path_factory: pytest.TempPathFactory) -> Container:
    storage = tmp_path_factory.mktemp("storage")
    storage.chmod(0o777)  # as a claim is for its fsGroup
    write_dataset(storage / "data", images=6, test=2, size=40, seed=0)
    inspected = json.loads(engine.run("inspect", "--type", "image", "ringcycle"))
    return Container(engine.mount("ringcycle"), inspected["OCIv1"]["config"], storage)


@pytest.fixture(scope="module")
def trained(container: Container) -> str:
    """What a short training printed, with a Ray of its own."""
    return container.run(f"{TRAIN} --train.steps 2")


def test_size_is_bounded(container: Container, log: str) -> None:
    files = [path.lstat() for path in container.root.rglob("*") if not path.is_mount()]
    stored = sum(file.st_blocks * 512 for file in files)
    print(log[-3000:], f"{stored / 1e9:.2f} GB", sep="\n")
    assert stored < 2.2e9


def test_training_on_a_read_only_root(trained: str) -> None:
    assert "finished: 2 steps" in trained and "Traceback" not in trained and "Read-only" not in trained


def test_a_job_submitted_to_a_head_trains_on_and_its_agent_serves_metrics(container: Container, trained: str) -> None:
    printed = container.run(f"""
        export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
        ray start --head --num-cpus=2 --object-store-memory=200000000 --disable-usage-stats {PORTS}
        mkdir /tmp/files
        echo 'echo given: $GIVEN; {TRAIN} --train.steps 4' > /tmp/files/job.sh
        ray job submit --address http://127.0.0.1:8265 --submission-id job --working-dir /tmp/files \\
            --runtime-env-json '{{"env_vars": {{"GIVEN": "yes"}}}}' -- bash job.sh
        python -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8080/metrics").read().decode())' > /tmp/metrics
        grep -m 1 ^ray_node_cpu /tmp/metrics
        ray stop
    """)
    assert "Job 'job' succeeded" in printed and "given: yes" in printed and "finished: 4 steps" in printed
    assert re.search(r"^ray_node_cpu\w*\{", printed, re.M)


def test_any_user_of_group_0_translates_and_exports(container: Container, trained: str) -> None:
    """As on OpenShift: no entry in /etc/passwd, and here no writable home either."""
    printed = container.run(
        """
        python -m cyclegan.translate --checkpoint /storage/runs/first --direction AtoB /storage/data/testA /storage/translated
        python -m cyclegan.export /storage/runs/first /storage/exported --format savedmodel --direction AtoB
        python -m preprocess.inspect /storage/runs/shards/* --sheet /storage/sheet.png
        """,
        user=1_000_650_000,
        group=0,
        mount_home=False,
    )
    assert "results differ by" in printed and (container.storage / "exported/saved_model.pb").is_file()
    assert len(list((container.storage / "translated").glob("*.png"))) == 2
    assert len(list(container.storage.glob("sheet-*.png"))) == 4


def test_every_image_file_decodes_as_outside(container: Container) -> None:
    files = container.storage / "files"
    write_files(files)
    shutil.copy(Path(__file__).with_name("decode_files.py"), container.storage)
    inside = container.run("python /storage/decode_files.py /storage/files").splitlines()
    command, environment = [sys.executable, container.storage / "decode_files.py", files], {**os.environ, "PYTHONPATH": str(ROOT)}
    outside = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert outside.returncode == 0 and inside == outside.stdout.splitlines() and len(inside) >= 2 * len(CODECS)


def write_files(folder: Path) -> None:
    """TIFF with every codec, deep PNG, all formats of Pillow's that are read, and the awkward files where this machine has them."""
    folder.mkdir()
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (64, 48, 5)).astype(np.uint8)
    for codec in CODECS:
        colours = 3 if codec in ("jpeg", "jpegxr", "webp", "png") else 5
        tifffile.imwrite(folder / f"{codec}.tif", pixels[..., :colours], compression=codec, planarconfig="contig")
    deep = random.integers(0, 65536, (64, 48, 3)).astype(np.uint16)
    (folder / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    for suffix in ("jpg", "png", "webp", "avif", "gif", "bmp", "tiff", "ppm", "jp2"):
        Image.fromarray(pixels[..., :3]).save(folder / f"plain.{suffix}")
    for path in (DATA / "awkward").glob("*"):
        if path.suffix.lower() in EXTENSIONS:
            shutil.copy(path, folder)


def test_modules_are_compiled_for_good(container: Container) -> None:
    """Bytecode that is never compared with its source (PEP 552): flags 1."""
    modules = [path for folder in ("ringcycle", "usr/local/lib") for path in (container.root / folder).rglob("*.py")]
    compiled = [next(path.parent.glob(f"__pycache__/{path.stem}.cpython-*.pyc"), None) for path in modules]
    assert len(modules) > 5000 and sum(path is None for path in compiled) < 20  # templates that are no modules
    assert {path.read_bytes()[4] for path in compiled if path} == {1}


def test_the_bill_lists_what_is_installed(container: Container) -> None:
    bill: Any = json.loads((container.root / "usr/share/ringcycle/bom.cdx.json").read_text())
    listed = {component["name"].lower().replace("_", "-"): component["version"] for component in bill["components"]}
    lock = (container.root / "usr/share/ringcycle/requirements.lock").read_text()
    assert bill["bomFormat"] == "CycloneDX" and {"ray", "tensorflow-cpu", "pillow"} <= listed.keys() and "libclang" not in listed
    assert all(f"\n{name}=={version}" in lock for name, version in listed.items() if name not in ("pip", "setuptools", "wheel"))


def test_labels(container: Container) -> None:
    labels: Any = container.config["Labels"]
    (version,) = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.revision"] == "tested"
