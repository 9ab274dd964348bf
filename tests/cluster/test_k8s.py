"""`python -m cluster.k8s render`, as a user runs it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import cluster.k8s
from cluster.k8s import main
from cluster.kubernetes.sizes import GIB
from tests.k8s.rendered import K8S, kustomized, of_kind, overlay, pods, ray_cluster
from tests.ray_nodes import ROOT, clean_environment

DIGEST = "registry.example:5000/team/ringcycle@sha256:" + 64 * "a"
HORSES = """
[data]
source = "/storage/horses"

[run]
name = "Horses_1"
storage = "/storage/runs"

[cluster]
workers = 3
cpus_per_worker = 11
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(HORSES)
    return file


@pytest.fixture
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What XLA predicts, without compiling: `test_the_shipped_memory_is_what_the_programs_need` compiles."""
    monkeypatch.setattr(cluster.k8s, "_memory", lambda config: (300 * 2**20, 3 * GIB))


def rendered(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["render", *arguments]) == 0, capsys.readouterr().err
    return list(yaml.safe_load_all(capsys.readouterr().out))


@pytest.mark.usefixtures("_memory")
def test_everything_follows_the_configuration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay("xeon")  # skips without kubectl
    documents = rendered(capsys, "--overlay", "xeon", "--config", str(config), "--image", DIGEST, "--namespace", "vision")
    assert {document["metadata"]["namespace"] for document in documents} == {"vision"}
    assert not of_kind(documents, "PersistentVolumeClaim")
    (job,), (text,), (budget,) = (of_kind(documents, kind) for kind in ("RayJob", "ConfigMap", "PodDisruptionBudget"))
    assert (job["metadata"]["name"], text["metadata"]["name"]) == ("horses-1", "horses-1-config")
    assert text["data"] == {"config.toml": HORSES}
    assert budget["spec"]["minAvailable"] == 3
    spec = ray_cluster(documents)
    assert spec is not None
    trainers, preprocessors = spec["workerGroupSpecs"]
    assert [trainers[field] for field in ("replicas", "minReplicas", "maxReplicas")] == [3, 3, 3]
    assert trainers["rayStartParams"] == {"num-cpus": "11", "object-store-memory": str(GIB)}
    (container,) = trainers["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == container["resources"]["requests"]
    assert container["resources"]["limits"]["cpu"] == "12"
    assert preprocessors["replicas"] == 2
    made = pods(documents, "vision")
    for pod in made.values():
        assert {each["image"] for each in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]} == {DIGEST}
    head = {variable["name"]: variable.get("value") for variable in made["head"]["spec"]["containers"][0]["env"]}
    assert head["RINGCYCLE_RUN__NAME"] == "Horses_1", "the run keeps the name that Kubernetes does not accept"
    assert head["RINGCYCLE_CLUSTER__START_TIMEOUT"] == "900"
    assert {made[group]["metadata"]["labels"]["app.kubernetes.io/instance"] for group in ("head", "trainers", "preprocessors")} == {
        "horses-1"
    }
    assert made["submitter"]["metadata"]["labels"]["ray.io/originated-from-cr-name"] == "horses-1"


@pytest.mark.usefixtures("_memory")
def test_an_overlay_renders_its_own_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """But for the memory, which is not XLA's here."""
    shipped = overlay("elastic")
    for documents in (shipped, made := rendered(capsys, "--overlay", "elastic")):
        spec = ray_cluster(documents)
        assert spec is not None
        for part in spec["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["resources"].values():
            del part["memory"]
    assert made == shipped


@pytest.mark.usefixtures("_memory")
def test_a_second_run_has_another_name_and_the_same_claim(capsys: pytest.CaptureFixture[str]) -> None:
    overlay("laptop")
    documents = rendered(capsys, "--overlay", "laptop", "--name", "second")
    assert {document["metadata"]["name"].split("-")[0] for document in documents} == {"second"}
    trainers = pods(documents)["trainers"]["spec"]
    assert {"name": "storage", "persistentVolumeClaim": {"claimName": "ringcycle-storage"}} in trainers["volumes"]


@pytest.mark.parametrize(("name", "mode"), [("storage", "ReadWriteMany"), ("laptop/storage", "ReadWriteOnce")])
def test_the_claim_is_rendered_by_itself(name: str, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    overlay("laptop")
    (claim,) = rendered(capsys, "--overlay", name, "--storage-class", "standard", "--namespace", "vision")
    assert claim["metadata"] == {"name": "ringcycle-storage", "namespace": "vision"}
    assert (claim["spec"]["storageClassName"], claim["spec"]["accessModes"]) == ("standard", [mode])


def test_tensorboard_reads_where_the_runs_are(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = overlay("tensorboard")
    assert rendered(capsys, "--overlay", "tensorboard") == shipped
    config.write_text('[run]\nname = "faces"\nstorage = "/storage/elsewhere"\n')
    documents = rendered(capsys, "--overlay", "tensorboard", "--config", str(config))
    (deployment,) = of_kind(documents, "Deployment")
    assert deployment["metadata"]["name"] == "ringcycle-tensorboard", "it shows all runs"
    assert "--logdir=/storage/elsewhere" in deployment["spec"]["template"]["spec"]["containers"][0]["command"]
    config.write_text('[run]\nstorage = "s3://bucket/runs"\n')
    assert main(["render", "--overlay", "tensorboard", "--config", str(config)]) == 2
    assert capsys.readouterr().err.startswith("error: run.storage = s3://bucket/runs is not below /storage, ")


CHANGES = {
    "workers = 3": ("workers = [2, 8]", "xeon", "cluster.workers = [2, 8], but overlay xeon has a fixed number: give one, or use"),
    "": ("", "elastic", "cluster.workers = 3, but overlay elastic scales: give [MIN, MAX], or use"),
    "cpus_per_worker = 11": ("cpus_per_worker = 4", "xeon", "cluster.cpus_per_worker = 4, but pods of the group preprocessors have 4 CPUs"),
    "/storage/runs": ("runs", "xeon", "run.storage = runs is not below /storage, where the pods see the claim"),
    "/storage/horses": ("/data/horses", "kueue", "data.source = /data/horses is not below /storage"),
    "[cluster]": ('[cluster]\ndevice = "gpu"', "xeon", "cluster.device = gpu, but overlay xeon has no GPUs: "),
    "workers = 3\ncpus": ("workers = 0\ncpus", "kueue", "cluster.workers = 0 counts nodes that are not there yet: give "),
    "[run]": ("[run]\n", "gpu", 'cluster.device = auto, but overlay gpu has a GPU for each worker: set it to "gpu"'),
    "Horses_1": (48 * "h", "xeon", f"the name {48 * 'h'} gives no name in Kubernetes: "),
}


@pytest.mark.usefixtures("_memory")
@pytest.mark.parametrize("old", CHANGES)
def test_what_cannot_run_is_refused_in_one_line(old: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new, name, line = CHANGES[old]
    overlay(name)
    config.write_text(HORSES.replace(old, new) if old else HORSES)
    assert main(["render", "--overlay", name, "--config", str(config)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines()[-1].startswith(f"error: {line}")


MISTAKES = [
    (["--overlay", "xenon"], "--overlay xenon: no such overlay, did you mean xeon?; there are elastic, "),
    (["--overlay", str(K8S)], f"--overlay {K8S}: this folder has no kustomization.yaml"),
    (["--overlay", "xeon", "--config", "none.toml"], "--config none.toml: no such file"),
    (["--overlay", "xeon", "--image", "Not an image"], "--image 'Not an image' is not valid: give registry.example/"),
    (["--overlay", "xeon", "--namespace", "Vision"], "--namespace 'Vision' is not valid: give lower-case letters"),
    (["--overlay", "xeon", "--storage-class", "a b"], "--storage-class 'a b' is not valid: give one that"),
    (["--overlay", "xeon", "--name", "a/b"], "--name 'a/b' is not valid: give letters"),
    (["--overlay", "xeon", "--node", "many"], "--node many: give CPUS,MEMORY, such as 16,64GiB"),
    (["--overlay", "xeon", "--node", "16,much"], "--node = much is no size: give one such as 2GiB"),
    (["--overlay", "xeon", "--node", "8,64Gi"], "cluster.cpus_per_worker = 15 takes a pod of 16 CPUs, but a node has 8: use 7 or fewer"),
    (["--overlay", "tensorboard", "--node", "8,64Gi"], "--node 8,64Gi: overlay tensorboard has no workers: leave it out"),
    (["--overlay", "xeon", "--storage-class", "nfs"], "--storage-class nfs: the claim, which alone has a class, is rendered by itself"),
    (["--overlay", "storage", "--config", "mine.toml"], "--config mine.toml: overlay storage is the claim alone: leave it out"),
]


@pytest.mark.usefixtures("_memory")
@pytest.mark.parametrize(("arguments", "line"), MISTAKES)
def test_a_mistake_in_an_argument_costs_one_line(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    overlay("xeon")
    assert main(["render", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines()[-1].startswith(f"error: {line}")


def test_a_missing_kubectl_costs_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["render", "--overlay", "xeon"]) == 2
    assert capsys.readouterr().err.startswith("error: kubectl is not installed, and it reads the overlays: ")


@pytest.mark.process
@pytest.mark.parametrize(
    "name", ["laptop", *(pytest.param(name, marks=pytest.mark.soak) for name in ("xeon", "gpu", "elastic", "kueue", "raycluster"))]
)
def test_shipped_manifests_are_what_render_prints(name: str) -> None:
    """With the memory that XLA predicts: the command compiles the programs."""
    shipped = overlay(name)
    words = [sys.executable, "-m", "cluster.k8s", "render", "--overlay", name]
    done = subprocess.run(words, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert list(yaml.safe_load_all(done.stdout)) == shipped


def test_an_overlay_of_the_users_must_have_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay("xeon")
    (tmp_path / "kustomization.yaml").write_text("configMapGenerator: [{name: mine, literals: [a=b]}]\n")
    assert main(["render", "--overlay", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: overlay {tmp_path.name} has no RayJob or RayCluster: build it on k8s/base or ")
    (tmp_path / "kustomization.yaml").write_text("resources: [none.yaml]\n")
    assert main(["render", "--overlay", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: kubectl kustomize {tmp_path} failed: ") and "none.yaml" in err and err.count("\n") == 1


@pytest.mark.usefixtures("_memory")
def test_an_overlay_of_the_users_is_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kustomized(tmp_path, resources=["overlays/xeon"], components=["components/object-store"], nameSuffix="-b")
    documents = rendered(capsys, "--overlay", str(tmp_path))
    assert {document["metadata"]["name"] for document in of_kind(documents, "NetworkPolicy")} == {
        "ringcycle-b",
        "ringcycle-submitter-b",
        "ringcycle-object-store-b",
    }
