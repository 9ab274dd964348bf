"""The manifests match the schemas of Kubernetes and KubeRay, and each other."""

import copy
import shlex
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import pytest

from cluster.config import Config
from cluster.load_config import load_config
from tests.k8s.conftest import KUBERNETES
from tests.k8s.rendered import fill_image

ROOT = Path(__file__).parents[2]
Document = dict[str, Any]


@pytest.fixture
def job(documents: dict[str, Document]) -> Any:
    return documents["RayJob"]["spec"]


@pytest.fixture
def pods(job: Any) -> dict[str, Any]:
    """The group specs by name: head, trainers."""
    cluster = job["rayClusterSpec"]
    return {"head": cluster["headGroupSpec"], **{group["groupName"]: group for group in cluster["workerGroupSpecs"]}}


@pytest.fixture
def config(job: Any, documents: dict[str, Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The configuration that the entrypoint's arguments give in the head's working directory."""
    fill_image(tmp_path, list(documents.values()))
    monkeypatch.chdir(tmp_path)
    python, module, name, *arguments = shlex.split(job["entrypoint"])
    assert [python, module, name] == ["python", "-m", "cluster.train"]
    return load_config(arguments, {})


def container(group: Any) -> Any:
    (only,) = group["template"]["spec"]["containers"]
    return only


def env(group: Any) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container(group)["env"] if "value" in variable}


def gibibytes(quantity: str) -> int:
    return int(quantity.removesuffix("Gi"))


def test_rendering_without_kubectl_gives_the_same_documents(both_renderings: tuple[list[Document], list[Document]]) -> None:
    by_kubectl, without = both_renderings
    assert by_kubectl == without


def test_ray_job_fits_the_schema_of_its_resource(documents: dict[str, Document], ray_job_schema: jsonschema.Draft202012Validator) -> None:
    assert [f"{error.json_path}: {error.message}" for error in ray_job_schema.iter_errors(documents["RayJob"])] == []


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("spec", "entryPoint", "python"),
        ("spec.rayClusterSpec", "authOption", {"mode": "token"}),
        ("spec.rayClusterSpec.headGroupSpec.template.spec", "terminationGracePeriod", 60),
        ("spec.rayClusterSpec.headGroupSpec.template.spec.containers.0.livenessProbe", "timeoutSecond", 15),
    ],
)
def test_a_misspelt_field_of_the_ray_job_is_found(
    documents: dict[str, Document], ray_job_schema: jsonschema.Draft202012Validator, path: str, field: str, value: Any
) -> None:
    document = copy.deepcopy(documents["RayJob"])
    parent: Any = document
    for step in path.split("."):
        parent = parent[int(step) if step.isdigit() else step]
    parent[field] = value
    (error,) = ray_job_schema.iter_errors(document)
    assert f"'{field}' was unexpected" in error.message


@pytest.mark.parametrize("kind", ["ConfigMap", "PersistentVolumeClaim", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"])
def test_core_documents_fit_the_schemas_of_kubernetes(documents: dict[str, Document], kind: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes are not installed")
    kubernetes_validate.validate(documents[kind], KUBERNETES, strict=True)
    misspelt = {**documents[kind], "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, KUBERNETES, strict=True)


def test_authentication_is_on(job: Any) -> None:
    assert job["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_nothing_runs_on_and_a_failed_head_stays_for_its_logs(job: Any) -> None:
    """KubeRay refuses rules beside `shutdownAfterJobFinishes`."""
    assert "shutdownAfterJobFinishes" not in job and "ttlSecondsAfterFinished" not in job
    rules = {(rule["policy"], *rule["condition"].values()) for rule in job["deletionStrategy"]["deletionRules"]}
    assert rules == {
        ("DeleteCluster", "SUCCEEDED", 60),
        ("DeleteWorkers", "FAILED", 0),
        ("DeleteCluster", "FAILED", 3600),
        ("DeleteCluster", "Failed", 3600),
    }


def test_deleting_a_run_leaves_the_claim(base: dict[str, Document]) -> None:
    assert sorted(base) == ["ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "RayJob", "ServiceAccount"]


def test_the_submitter_has_the_image_of_the_head_and_leaves_its_command_to_the_operator(job: Any, pods: dict[str, Any]) -> None:
    """The name is the one that KubeRay gives; a restart is the job's own (`backoffLimit`)."""
    spec = job["submitterPodTemplate"]["spec"]
    (submitter,) = spec["containers"]
    assert (submitter["name"], submitter["image"]) == ("ray-job-submitter", container(pods["head"])["image"])
    assert not {"command", "args"} & submitter.keys()
    assert spec["restartPolicy"] == "Never"


def test_ray_version_is_the_locked_one(job: Any) -> None:
    assert f"\nray=={job['rayClusterSpec']['rayVersion']} \\" in (ROOT / "requirements.lock").read_text()


def test_entrypoint_survives_the_submitters_shell(job: Any) -> None:
    """KubeRay pastes it into a bash command, and `ray job submit` quotes the words again: neither may change it."""
    assert shlex.join(shlex.split(job["entrypoint"])) == job["entrypoint"]


def test_entrypoint_names_the_mounted_config(documents: dict[str, Document], job: Any, pods: dict[str, Any]) -> None:
    words = shlex.split(job["entrypoint"])
    named = PurePosixPath(container(pods["head"])["workingDir"], words[words.index("--config") + 1])
    (mount,) = [mount for mount in container(pods["head"])["volumeMounts"] if mount["name"] == "config"]
    (volume,) = [volume for volume in pods["head"]["template"]["spec"]["volumes"] if volume["name"] == "config"]
    assert volume["configMap"]["name"] == documents["ConfigMap"]["metadata"]["name"]
    assert named.parent == PurePosixPath(mount["mountPath"])
    assert named.name in documents["ConfigMap"]["data"]


def test_paths_in_the_config_are_on_the_shared_claim_of_every_pod(
    documents: dict[str, Document], pods: dict[str, Any], config: Config
) -> None:
    assert documents["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]
    for group in pods.values():
        (volume,) = [volume for volume in group["template"]["spec"]["volumes"] if volume["name"] == "storage"]
        (mount,) = [mount for mount in container(group)["volumeMounts"] if mount["name"] == "storage"]
        assert volume["persistentVolumeClaim"]["claimName"] == documents["PersistentVolumeClaim"]["metadata"]["name"]
        assert PurePosixPath(mount["mountPath"]) in PurePosixPath(config.run.storage).parents
        assert PurePosixPath(mount["mountPath"]) in PurePosixPath(config.data.source).parents


def test_object_store_takes_at_most_a_quarter_of_the_memory(pods: dict[str, Any]) -> None:
    """It is in /dev/shm and counts towards the pod's memory; a generator pass at 256x256 needs 7 GB besides."""
    for group in pods.values():
        store = int(group["rayStartParams"]["object-store-memory"])
        assert 4 * store <= gibibytes(container(group)["resources"]["limits"]["memory"]) * 2**30


def test_a_pod_outlives_its_drain_and_the_job_stop(pods: dict[str, Any]) -> None:
    for group in pods.values():
        waits = [float(env(group)[name]) for name in ("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", "RAY_JOB_STOP_WAIT_TIME_S")]
        assert group["template"]["spec"]["terminationGracePeriodSeconds"] >= max(waits) + 30


def test_probes_wait_for_busy_cpus(pods: dict[str, Any]) -> None:
    """KubeRay's own probe times out after 2 s, which a node under full load misses."""
    for group in pods.values():
        for probe in ("livenessProbe", "readinessProbe"):
            assert container(group)[probe]["timeoutSeconds"] >= 10
            assert container(group)[probe]["failureThreshold"] * container(group)[probe]["periodSeconds"] >= 300


def test_container_image_is_what_the_pods_expect(dockerfile: list[tuple[str, list[str]]], pods: dict[str, Any]) -> None:
    instructions = dict(dockerfile)
    for group in pods.values():
        security = group["template"]["spec"]["securityContext"]
        assert [str(security["runAsUser"])] == instructions["USER"]
        assert [container(group)["workingDir"]] == instructions["WORKDIR"]
        assert f"PYTHONPATH={container(group)['workingDir']}" in instructions["ENV"]
