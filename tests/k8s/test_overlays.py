"""Each overlay builds, fits the schemas, meets the restricted level, and agrees with the configuration that it comes with."""

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cluster.config import Config
from cluster.kubernetes.manifests import Manifests
from cluster.kubernetes.sizes import GIB, PodSizes
from cluster.load_config import load_config
from tests.k8s.conftest import KUBERNETES
from tests.k8s.rendered import K8S, OVERLAYS, RESTRICTED, Document, kustomized, of_kind, overlay, pods, ray_cluster, rendered

WITH_CLUSTER = [name for name in OVERLAYS if name != "tensorboard"]
COMPONENTS = ["object-store", "priority", "openshift"]
LEVEL_OF_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}


@pytest.fixture(params=OVERLAYS)
def documents(request: pytest.FixtureRequest) -> list[Document]:
    return overlay(request.param)


def config_of(documents: list[Document], folder: Path) -> Config:
    (config,) = of_kind(documents, "ConfigMap")
    (folder / "config.toml").write_text(config["data"]["config.toml"])
    return load_config(["--config", str(folder / "config.toml")], {})


def test_ray_resources_fit_their_schema(documents: list[Document], ray_job_schema: jsonschema.Draft202012Validator) -> None:
    """A RayCluster's is part of a RayJob's."""
    for document in of_kind(documents, "RayJob"):
        assert [f"{error.json_path}: {error.message}" for error in ray_job_schema.iter_errors(document)] == []
    for document in of_kind(documents, "RayCluster"):
        job = {
            "apiVersion": "ray.io/v1",
            "kind": "RayJob",
            "metadata": document["metadata"],
            "spec": {"entrypoint": "python", "rayClusterSpec": document["spec"]},
        }
        assert [f"{error.json_path}: {error.message}" for error in ray_job_schema.iter_errors(job)] == []


def test_core_resources_and_pods_fit_the_schemas_of_kubernetes(documents: list[Document]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes are not installed")
    core = [document for document in documents if not document["apiVersion"].startswith("ray.io/")]
    assert core
    for document in [*core, *pods(documents).values()]:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_every_pod_meets_the_restricted_level(documents: list[Document]) -> None:
    """Kubernetes' Pod Security Standards, restricted, for all containers that run; and beyond it no token and a read-only root."""
    made = pods(documents)
    assert made
    for pod in made.values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False and spec["serviceAccountName"].startswith("ringcycle")
        assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] != 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for volume in spec["volumes"]:
            assert LEVEL_OF_VOLUMES & volume.keys()
            assert volume.get("emptyDir", {"sizeLimit": ""}).keys() >= {"sizeLimit"}, "a volume without a limit can fill the node's disk"
        for each in [*spec["containers"], *spec.get("initContainers", [])]:
            assert each["securityContext"] == RESTRICTED
            assert not any("hostPort" in port for port in each.get("ports", []))


def test_containers_are_bounded_and_write_only_into_volumes(documents: list[Document]) -> None:
    for pod in pods(documents).values():
        for each in pod["spec"]["containers"]:
            assert {"cpu", "memory", "ephemeral-storage"} <= each["resources"]["limits"].keys() & each["resources"]["requests"].keys()
            writable = {mount["mountPath"] for mount in each["volumeMounts"] if not mount.get("readOnly")}
            home = next(variable["value"] for variable in each["env"] if variable["name"] == "HOME")
            assert {"/tmp", home} <= writable


def test_only_the_autoscaler_has_a_token(documents: list[Document]) -> None:
    """Of the API server; the role is made by KubeRay, for the service account of the head."""
    for pod in pods(documents).values():
        tokens = {
            volume["name"]
            for volume in pod["spec"]["volumes"]
            if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", []))
        }
        for each in pod["spec"]["containers"]:
            mounted = tokens & {mount["name"] for mount in each["volumeMounts"]}
            assert bool(mounted) == (each["name"] == "autoscaler")


@pytest.mark.parametrize("name", WITH_CLUSTER)
def test_manifests_are_what_their_configuration_asks_for(name: str, tmp_path: Path) -> None:
    """Rendering an overlay with its own configuration changes nothing. The memory is tested with the programs that need it."""
    shipped = overlay(name)
    manifests = Manifests(name, copy.deepcopy(shipped))
    config = config_of(shipped, tmp_path)
    manifests.check(config)
    assert manifests.cluster is not None
    container = manifests.cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]
    memory = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) * GIB
    cpus = config.cluster.cpus_per_worker
    manifests.set_sizes(config, PodSizes(config.cluster.least, config.cluster.most, cpus + 1, cpus, memory, GIB, GIB))
    manifests.set_config(manifests.config_text)
    manifests.set_name("ringcycle")
    assert manifests.documents == shipped


@pytest.mark.parametrize("name", ["base", *WITH_CLUSTER])
def test_pods_are_whole_cores_of_the_class_guaranteed(name: str) -> None:
    cluster = ray_cluster(rendered(K8S / "base") if name == "base" else overlay(name))
    assert cluster is not None
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        resources = group["template"]["spec"]["containers"][0]["resources"]
        assert resources["requests"] == resources["limits"]
        assert resources["limits"]["cpu"].isdigit()
        store = int(group["rayStartParams"]["object-store-memory"])
        assert 4 * store <= int(resources["limits"]["memory"].removesuffix("Gi")) * GIB


@pytest.mark.parametrize("name", WITH_CLUSTER)
def test_places_of_the_configuration_are_on_the_claim(name: str, tmp_path: Path) -> None:
    documents = overlay(name)
    config = config_of(documents, tmp_path)
    for pod in (pod for group, pod in pods(documents).items() if group != "submitter"):
        (claim,) = (volume["name"] for volume in pod["spec"]["volumes"] if "persistentVolumeClaim" in volume)
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        assert config.run.storage.startswith(mounts[claim] + "/")


def test_the_laptops_claim_is_for_one_node() -> None:
    laptop, general = rendered(K8S / "overlays/laptop/storage"), rendered(K8S / "storage")
    assert laptop[0]["metadata"] == general[0]["metadata"]
    assert (laptop[0]["spec"]["accessModes"], general[0]["spec"]["accessModes"]) == (["ReadWriteOnce"], ["ReadWriteMany"])


def test_the_elastic_overlay_is_valid_for_the_operator_and_for_short_notices() -> None:
    """KubeRay's own rules for an autoscaled RayJob (utils/validation.go), and the grace of spot nodes."""
    (job,) = of_kind(overlay("elastic"), "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert not [rule for rule in job["spec"]["deletionStrategy"]["deletionRules"] if rule["policy"] == "DeleteWorkers"]
    assert cluster["autoscalerOptions"]["idleTimeoutSeconds"] > Config().cluster.node_timeout
    (trainers,) = cluster["workerGroupSpecs"]
    assert (trainers["minReplicas"], trainers["maxReplicas"]) == (2, 8)
    spec = trainers["template"]["spec"]
    drain = next(v["value"] for v in spec["containers"][0]["env"] if v["name"] == "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S")
    assert int(drain) < spec["terminationGracePeriodSeconds"] <= 30
    assert "restartPolicy" not in spec


def test_kueue_starts_the_run_and_its_rules_hold() -> None:
    """What Kueue's webhook asks of a RayJob."""
    (job,) = of_kind(overlay("kueue"), "RayJob")
    assert job["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "training"}
    assert job["spec"]["suspend"] is True and job["spec"]["shutdownAfterJobFinishes"] is True
    assert not {"clusterSelector", "deletionStrategy"} & job["spec"].keys()


def test_the_cluster_without_a_job_is_the_base_s() -> None:
    documents = overlay("raycluster")
    assert not of_kind(documents, "RayJob") and len(of_kind(documents, "NetworkPolicy")) == 1
    cluster, base = ray_cluster(documents), ray_cluster(rendered(K8S / "base"))
    assert cluster is not None and base is not None
    head = base["headGroupSpec"]["template"]["spec"]["containers"][0]
    head["env"] = [variable for variable in head["env"] if variable["name"] != "RINGCYCLE_RUN__NAME"]
    assert cluster == base


def names_in(value: Any) -> set[str]:
    """All texts in a document, but for the paths and variables that are the image's."""
    if isinstance(value, dict):
        return {text for part in value.values() for text in names_in(part)}
    if isinstance(value, list):
        return {text for part in value for text in names_in(part)}
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_suffix_makes_a_second_run(name: str, tmp_path: Path) -> None:
    """All documents, and what they say of each other, have the new name; the claim, the Secret and the certificates are shared."""
    first, second = overlay(name), kustomized(tmp_path, resources=[f"overlays/{name}"], nameSuffix="-b")
    assert {f"{one['kind']} {one['metadata']['name']}-b" for one in first} == {f"{o['kind']} {o['metadata']['name']}" for o in second}
    changed = names_in(second) - names_in(first)
    assert all(text.startswith("ringcycle") and text.endswith("-b") for text in changed)
    shared = {text for text in names_in(first) & names_in(second) if text.startswith("ringcycle")}
    allowed = {"ringcycle:0.1.0", "ringcycle:0.1.0-gpu", "ringcycle-storage", "ringcycle-environment", "ringcycle-ca"}
    assert shared - allowed <= {"ringcycle"}, "the user's name in the image"
    instances = {pod["metadata"]["labels"].get("app.kubernetes.io/instance") for pod in pods(second).values()}
    assert instances <= {"ringcycle-b", None}


@pytest.mark.parametrize("name", ["xeon", "elastic"])
def test_components_reach_all_groups(name: str, tmp_path: Path) -> None:
    made = kustomized(tmp_path, resources=[f"overlays/{name}"], components=[f"components/{part}" for part in COMPONENTS])
    assert {policy["metadata"]["name"] for policy in of_kind(made, "NetworkPolicy")} >= {"ringcycle-object-store"}
    for group, pod in pods(made).items():
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & pod["spec"]["securityContext"].keys(), group
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"].get("priorityClassName") == (None if group == "submitter" else "training")


def test_an_image_by_digest_reaches_all_containers(tmp_path: Path) -> None:
    digest = "sha256:" + 64 * "a"
    images = [{"name": "ringcycle", "newName": "registry.example/ringcycle", "digest": digest}]
    for pod in pods(kustomized(tmp_path, resources=["overlays/xeon"], images=images)).values():
        for each in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
            assert each["image"] == f"registry.example/ringcycle@{digest}"
