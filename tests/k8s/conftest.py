"""The manifests as Kubernetes receives them, and the folder inside the container image."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BASE, STORAGE = ROOT / "k8s/base", ROOT / "k8s/storage"
Document = dict[str, Any]


def _with_kubectl(folder: Path) -> list[Document]:
    """The documents that `kubectl kustomize` prints for a folder."""
    printed = subprocess.run(["kubectl", "kustomize", str(folder)], check=True, capture_output=True, text=True, timeout=60)
    return list(yaml.safe_load_all(printed.stdout))


def _without_kubectl(folder: Path) -> list[Document]:
    """The same documents, for the few features of kustomize that the base uses; any other feature raises ValueError."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    unknown = kustomization.keys() - {"apiVersion", "kind", "resources", "configMapGenerator", "generatorOptions"}
    if unknown or kustomization.get("generatorOptions", {"disableNameSuffixHash": True}) != {"disableNameSuffixHash": True}:
        raise ValueError(f"kubectl is missing, and only it can render {sorted(unknown) or 'these generatorOptions'}")
    documents = [document for name in kustomization["resources"] for document in yaml.safe_load_all((folder / name).read_text())]
    for generator in kustomization.get("configMapGenerator", []):
        if generator.keys() != {"name", "files"}:
            raise ValueError(f"kubectl is missing, and only it can render a generator of {sorted(generator)}")
        data = {name: (folder / name).read_text() for name in generator["files"]}
        documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data})
    copies: list[Document] = json.loads(json.dumps(documents))  # PyYAML shares aliased objects
    return copies


@pytest.fixture(scope="session")
def base() -> dict[str, Document]:
    """The rendered documents of `k8s/base` by kind; it has one of each."""
    return _by_kind(BASE)


@pytest.fixture(scope="session")
def documents(base: dict[str, Document]) -> dict[str, Document]:
    """Those of `k8s/storage` too."""
    return base | _by_kind(STORAGE)


def _by_kind(folder: Path) -> dict[str, Document]:
    rendered = (_with_kubectl if shutil.which("kubectl") else _without_kubectl)(folder)
    by_kind = {document["kind"]: document for document in rendered}
    assert len(by_kind) == len(rendered)
    return by_kind


@pytest.fixture
def both_renderings() -> tuple[list[Document], list[Document]]:
    """The documents of both folders sorted by kind, rendered with kubectl and without."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    by_kubectl, without = (
        sorted([*render(BASE), *render(STORAGE)], key=lambda document: str(document["kind"]))
        for render in (_with_kubectl, _without_kubectl)
    )
    return by_kubectl, without


@pytest.fixture(scope="session")
def dockerfile() -> list[tuple[str, list[str]]]:
    """The instructions of `k8s/Dockerfile`: (name, words)."""
    lines = (ROOT / "k8s/Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [(words[0], words[1:]) for line in lines if (words := shlex.split(line, comments=True))]


@pytest.fixture
def fill_image(documents: dict[str, Document], dockerfile: list[tuple[str, list[str]]]) -> Callable[[Path], None]:
    """Fill a folder as the head's working directory: the files copied into the container image, and the mounted ConfigMap."""

    def fill(folder: Path) -> None:
        for name, words in dockerfile:
            if name != "COPY" or words[-1].startswith("/"):
                continue
            source, target = ROOT / words[0], folder / words[1]
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        pod = documents["RayJob"]["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
        container = pod["containers"][0]
        mounted = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "config")
        config = folder / Path(mounted).relative_to(container["workingDir"])
        config.mkdir()
        for key, text in documents["ConfigMap"]["data"].items():
            (config / key).write_text(text)

    return fill
