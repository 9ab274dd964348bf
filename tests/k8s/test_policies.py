"""Who reaches whom: the network policies, evaluated as Kubernetes defines them, and whom the disruption budget covers."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.k8s.policies import HERE, MONITORING, OPERATORS, Place, allows, selects
from tests.k8s.rendered import OVERLAYS, Document, kustomized, of_kind, overlay, pods

RUNS = [name for name in OVERLAYS if name not in ("raycluster", "tensorboard")]
ANY_PORT = 40123
DASHBOARD, METRICS, GCS = 8265, 8080, 6379


@dataclass
class Network:
    """The pods of two runs in one namespace, and others around them."""

    policies: list[Document]
    ours: dict[str, Place]
    theirs: dict[str, Place]

    def open(self, source: Place, target: Place, port: int, protocol: str = "TCP") -> bool:
        return allows(self.policies, "Egress", source, target, port, protocol) and allows(
            self.policies, "Ingress", target, source, port, protocol
        )


def places(documents: list[Document]) -> dict[str, Place]:
    return {name: Place(HERE, pod["metadata"]["labels"]) for name, pod in pods(documents).items()}


@pytest.fixture(scope="module", params=RUNS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = tmp_path_factory.mktemp("second")
    first, second = overlay(request.param), kustomized(folder, resources=[f"overlays/{request.param}"], nameSuffix="-b")
    return Network(of_kind(first, "NetworkPolicy") + of_kind(second, "NetworkPolicy"), places(first), places(second))


def in_cluster(run: dict[str, Place]) -> list[Place]:
    return [place for name, place in run.items() if name != "submitter"]


def test_pods_of_a_run_reach_each_other_at_any_port(network: Network) -> None:
    for run in (network.ours, network.theirs):
        assert all(network.open(one, other, ANY_PORT) for one in in_cluster(run) for other in in_cluster(run))


def test_two_runs_do_not_reach_each_other(network: Network) -> None:
    for one in network.ours.values():
        for other in network.theirs.values():
            for port in (ANY_PORT, GCS, DASHBOARD, METRICS):
                assert not network.open(one, other, port) and not network.open(other, one, port)


def test_the_submitter_reaches_its_own_dashboard_and_nothing_else(network: Network) -> None:
    for run in (network.ours, network.theirs):
        submitter = run["submitter"]
        assert network.open(submitter, run["head"], DASHBOARD)
        assert not network.open(submitter, run["head"], GCS)
        assert not network.open(submitter, run["trainers"], DASHBOARD)
        assert not any(network.open(place, submitter, ANY_PORT) for place in in_cluster(run))
        assert not network.open(submitter, Place(address="93.184.216.34"), 443)


def test_the_operator_is_known_by_its_namespace_too(network: Network) -> None:
    labels = {"app.kubernetes.io/name": "kuberay-operator"}
    head = network.ours["head"]
    assert network.open(Place(OPERATORS, labels), head, DASHBOARD)
    assert not network.open(Place(OPERATORS, labels), head, GCS)
    assert not network.open(Place("elsewhere", labels), head, DASHBOARD)
    assert not network.open(Place(HERE, labels), head, DASHBOARD)
    assert not network.open(Place(OPERATORS, {}), head, DASHBOARD)


def test_prometheus_reads_metrics_only(network: Network) -> None:
    prometheus = Place(MONITORING, {"app.kubernetes.io/name": "prometheus"})
    for place in in_cluster(network.ours):
        assert network.open(prometheus, place, METRICS)
        assert not network.open(prometheus, place, DASHBOARD)
        assert not network.open(Place(MONITORING, {}), place, METRICS)


def test_strangers_are_kept_out_and_pods_in(network: Network) -> None:
    outside = Place(address="93.184.216.34")
    for place in network.ours.values():
        for stranger in (Place(HERE), Place("elsewhere"), outside):
            assert not network.open(stranger, place, ANY_PORT)
        assert not network.open(place, Place(HERE), ANY_PORT) and not network.open(place, Place("elsewhere"), 443)
        assert not network.open(place, outside, 80)
        assert not network.open(place, Place(address="169.254.169.254"), 80), "the cloud's metadata service"


def test_names_are_resolved(network: Network) -> None:
    dns = Place("kube-system", {"k8s-app": "kube-dns"})
    for place in network.ours.values():
        assert network.open(place, dns, 53, "UDP") and network.open(place, dns, 53)
        assert network.open(place, Place(address="169.254.20.10"), 53, "UDP")
        assert not network.open(place, dns, 443)


def test_only_the_autoscaler_s_pod_reaches_the_api_server() -> None:
    api_server = Place(address="10.96.0.1")
    for name in RUNS:
        documents = overlay(name)
        network = Network(of_kind(documents, "NetworkPolicy"), places(documents), {})
        reached = {group for group, place in network.ours.items() if network.open(place, api_server, 443)}
        assert reached == ({"head"} if name == "elastic" else set())


def test_object_stores_are_reached_only_with_the_component(tmp_path: Path) -> None:
    documents = kustomized(tmp_path, resources=["overlays/xeon"], components=["components/object-store"], nameSuffix="-b")
    network = Network(of_kind(documents, "NetworkPolicy"), places(documents), {})
    for name, place in network.ours.items():
        assert network.open(place, Place(address="52.218.0.1"), 443) == (name != "submitter")
        for address in ("169.254.169.254", "10.0.0.7", "192.168.1.1"):
            assert not network.open(place, Place(address=address), 443)


def test_a_cluster_of_many_jobs_has_no_submitter() -> None:
    documents = overlay("raycluster")
    network = Network(of_kind(documents, "NetworkPolicy"), places(documents), {})
    job_of_another = Place(HERE, {"ray.io/originated-from-crd": "RayJob", "ray.io/originated-from-cr-name": "ringcycle"})
    assert network.open(network.ours["head"], network.ours["trainers"], ANY_PORT)
    assert not network.open(job_of_another, network.ours["head"], DASHBOARD)


def test_tensorboard_is_reached_by_nobody() -> None:
    documents = overlay("tensorboard")
    (board,) = places(documents).values()
    network = Network(of_kind(documents, "NetworkPolicy"), {}, {})
    assert not network.open(Place(HERE), board, 6006) and not network.open(board, Place(HERE), ANY_PORT)
    (deployment,) = of_kind(documents, "Deployment")
    assert "--host=127.0.0.1" in deployment["spec"]["template"]["spec"]["containers"][0]["command"]


@pytest.mark.parametrize("name", [*RUNS, "raycluster"])
def test_the_budget_lets_one_pod_go_at_a_time(name: str, tmp_path: Path) -> None:
    documents = kustomized(tmp_path, resources=[f"overlays/{name}"], nameSuffix="-b")
    (budget,) = of_kind(documents, "PodDisruptionBudget")
    covered = {group for group, place in places(documents).items() if selects(budget["spec"]["selector"], place.labels)}
    assert covered == {"head", "trainers"}
    assert not any(selects(budget["spec"]["selector"], place.labels) for place in places(overlay(name)).values())
