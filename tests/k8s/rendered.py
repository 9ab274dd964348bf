"""The overlays as `kubectl kustomize` prints them, and their pods as KubeRay 1.7 and the Job controller make them."""

import copy
import os
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())
Document = dict[str, Any]
RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@cache
def _printed(folder: Path) -> str:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed, and only it can render overlays")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(folder: Path) -> list[Document]:
    """The documents of a folder; the caller may change them."""
    return list(yaml.safe_load_all(_printed(folder)))


def overlay(name: str) -> list[Document]:
    """Those of an overlay."""
    return rendered(K8S / "overlays" / name)


def kustomized(folder: Path, **fields: Any) -> list[Document]:
    """Those of a kustomization of these fields, written into an empty folder. Paths are relative to `k8s/`."""
    here = folder.resolve()
    for field in fields.keys() & {"resources", "components"}:
        fields[field] = [os.path.relpath(K8S / path, here) for path in fields[field]]  # kustomize takes no absolute paths
    (here / "kustomization.yaml").write_text(yaml.safe_dump(fields))
    return rendered(here)


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    """All documents of a kind."""
    return [document for document in documents if document["kind"] == kind]


def ray_cluster(documents: list[Document]) -> Document | None:
    """The specification of the Ray cluster, in a RayJob or by itself."""
    for document in documents:
        if document["kind"] in ("RayJob", "RayCluster"):
            spec: Document = document["spec"]
            return spec.get("rayClusterSpec", spec)
    return None


def pods(documents: list[Document], namespace: str = "training") -> dict[str, Document]:
    """One pod of each kind that runs, by name: head, the groups, submitter, or a Deployment's.

    Like KubeRay, with the labels, volumes and containers that it adds to the templates (common/pod.go, rayjob_controller.go).
    """
    result: dict[str, Document] = {}
    for deployment in of_kind(documents, "Deployment"):
        result[deployment["metadata"]["name"]] = _pod(deployment["spec"]["template"], namespace, {})
    cluster = ray_cluster(documents)
    if cluster is None:
        return result
    job = next(iter(of_kind(documents, "RayJob")), None)
    name = next(document for document in documents if document["kind"] in ("RayJob", "RayCluster"))["metadata"]["name"]
    head = _pod(cluster["headGroupSpec"]["template"], namespace, _labels(name, "head", "headgroup"))
    if cluster.get("enableInTreeAutoscaling"):
        _add_autoscaler(head, cluster["autoscalerOptions"])
    result["head"] = head
    for group in cluster["workerGroupSpecs"]:
        worker = _pod(group["template"], namespace, _labels(name, "worker", group["groupName"]))
        _add_wait(worker)
        result[group["groupName"]] = worker
    for pod in result.values():
        _add_shared_memory(pod)
    if job:
        origin = {"ray.io/originated-from-cr-name": name, "ray.io/originated-from-crd": "RayJob"}
        result["submitter"] = _pod(job["spec"]["submitterPodTemplate"], namespace, origin)
    return result


def _pod(template: Document, namespace: str, labels: dict[str, str]) -> Document:
    made = copy.deepcopy(template)
    own = made.get("metadata", {}).get("labels", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": namespace, "labels": {**labels, **own}},
        "spec": made["spec"],
    }


def _labels(cluster: str, kind: str, group: str) -> dict[str, str]:
    return {
        "ray.io/is-ray-node": "yes",
        "ray.io/cluster": f"{cluster}-x7k2p",
        "ray.io/node-type": kind,
        "ray.io/group": group,
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
    }


def _add_wait(pod: Document) -> None:
    """The init container that waits for the head: image, variables, mounts and security context are the Ray container's."""
    ray = pod["spec"]["containers"][0]
    size = {"cpu": "200m", "memory": "256Mi"}
    wait = {"name": "wait-gcs-ready", "command": ["/bin/bash", "-c", "--"], "args": ["until ray health-check; do sleep 5; done"]}
    copied = {field: copy.deepcopy(ray[field]) for field in ("image", "env", "volumeMounts", "securityContext")}
    pod["spec"].setdefault("initContainers", []).append({**wait, **copied, "resources": {"limits": size, "requests": size}})


def _add_autoscaler(pod: Document, options: Document) -> None:
    given = {field: copy.deepcopy(options[field]) for field in ("env", "volumeMounts", "securityContext", "resources")}
    image = pod["spec"]["containers"][0]["image"]
    pod["spec"]["containers"].append({"name": "autoscaler", "image": image, "command": ["/bin/bash", "-c", "--"], **given})
    pod["spec"]["restartPolicy"] = "Never"
    if "ray-logs" not in {volume["name"] for volume in pod["spec"]["volumes"]}:
        pod["spec"]["volumes"].append({"name": "ray-logs", "emptyDir": {}})
    for container in pod["spec"]["containers"]:
        container["volumeMounts"].append({"name": "ray-logs", "mountPath": "/tmp/ray"})


def _add_shared_memory(pod: Document) -> None:
    container = pod["spec"]["containers"][0]
    if container["name"].startswith("ray-"):
        size = container["resources"]["limits"]["memory"]
        pod["spec"]["volumes"].append({"name": "shared-mem", "emptyDir": {"medium": "Memory", "sizeLimit": size}})
        container["volumeMounts"].append({"name": "shared-mem", "mountPath": "/dev/shm"})


def instructions() -> list[tuple[str, list[str]]]:
    """Those of `k8s/Dockerfile`: (name, words)."""
    lines = (K8S / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [(words[0], words[1:]) for line in lines if (words := shlex.split(line, comments=True))]


def fill_image(folder: Path, documents: list[Document]) -> None:
    """Fill a folder as the head's working directory: the files copied into the container image, and the mounted ConfigMap."""
    for name, words in instructions():
        if name != "COPY" or words[-1].startswith("/"):
            continue
        source, target = ROOT / words[0], folder / words[1]
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    cluster = ray_cluster(documents)
    assert cluster is not None
    container = cluster["headGroupSpec"]["template"]["spec"]["containers"][0]
    mounted = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "config")
    config = folder / Path(mounted).relative_to(container["workingDir"])
    config.mkdir()
    for document in of_kind(documents, "ConfigMap"):
        for key, text in document["data"].items():
            (config / key).write_text(text)
