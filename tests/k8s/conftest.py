"""The manifests as Kubernetes receives them, and the folder inside the container image."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.k8s.rendered import instructions

ROOT = Path(__file__).parents[2]
BASE, STORAGE = ROOT / "k8s/base", ROOT / "k8s/storage"
Document = dict[str, Any]
CRD = Path(__file__).parent / "schemas/ray.io_rayjobs.yaml"
KUBERNETES = "1.32.0"


def closed(schema: Any) -> Any:
    """A CRD's schema that refuses unknown fields; the API server would drop them silently."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        parts.setdefault("additionalProperties", False)
    return parts


@pytest.fixture(scope="session")
def ray_job_schema() -> jsonschema.Draft202012Validator:
    crd = yaml.load(CRD.read_text(), yaml.CSafeLoader)
    version = next(version for version in crd["spec"]["versions"] if version["name"] == "v1")
    schema = version["schema"]["openAPIV3Schema"]
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    name = {"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 47}
    schema["properties"]["metadata"] = {"properties": {"name": name, "labels": texts, "annotations": texts}}
    return jsonschema.Draft202012Validator(closed(schema))


def _with_kubectl(folder: Path) -> list[Document]:
    """The documents that `kubectl kustomize` prints for a folder."""
    printed = subprocess.run(["kubectl", "kustomize", str(folder)], check=True, capture_output=True, text=True, timeout=60)
    return list(yaml.safe_load_all(printed.stdout))


def _without_kubectl(folder: Path) -> list[Document]:
    """The same documents, for the few features of kustomize that the base uses; any other feature raises ValueError."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    known = {"apiVersion", "kind", "resources", "configMapGenerator", "generatorOptions", "configurations"}  # the last: for other names
    unknown = kustomization.keys() - known
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
    """The rendered documents of `k8s/base` by kind; of the two policies the run's."""
    return _by_kind(BASE)


@pytest.fixture(scope="session")
def documents(base: dict[str, Document]) -> dict[str, Document]:
    """Those of `k8s/storage` too."""
    return base | _by_kind(STORAGE)


def _by_kind(folder: Path) -> dict[str, Document]:
    rendered = (_with_kubectl if shutil.which("kubectl") else _without_kubectl)(folder)
    by_kind = {document["kind"]: document for document in rendered if document["metadata"]["name"] != "ringcycle-submitter"}
    assert len(by_kind) == len(rendered) - (folder == BASE)
    return by_kind


@pytest.fixture
def both_renderings() -> tuple[list[Document], list[Document]]:
    """The documents of both folders sorted by kind, rendered with kubectl and without."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    by_kubectl, without = (
        sorted([*render(BASE), *render(STORAGE)], key=lambda document: f"{document['kind']} {document['metadata']['name']}")
        for render in (_with_kubectl, _without_kubectl)
    )
    return by_kubectl, without


@pytest.fixture(scope="session")
def dockerfile() -> list[tuple[str, list[str]]]:
    """The instructions of `k8s/Dockerfile`."""
    return instructions()
