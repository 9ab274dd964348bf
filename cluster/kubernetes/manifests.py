"""An overlay's documents, into which a training's sizes, configuration and names are written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cluster.config import SYNTHETIC, Config
from cluster.kubernetes.overlays import Document
from cluster.kubernetes.sizes import GIB, START_SECONDS, PodSizes
from ringcycle.errors import UserError
from ringcycle.storage.location import is_remote, redacted

RUN_NAME = "RINGCYCLE_RUN__NAME"
START_TIMEOUT = "RINGCYCLE_CLUSTER__START_TIMEOUT"
CONFIG = "config.toml"
TRAINERS = "trainers"
GPU = "nvidia.com/gpu"
MOST_NAME = 47
"""Characters of a RayJob's name that KubeRay accepts."""

_NAMES = {"name", "serviceAccountName", "app.kubernetes.io/instance", "app.kubernetes.io/name", "ray.io/originated-from-cr-name"}


@dataclass(frozen=True)
class Manifests:
    """The documents of one overlay; the methods change them in place."""

    overlay: str
    documents: list[Document]

    def of_kind(self, *kinds: str) -> Document | None:
        """The first document of these kinds."""
        return next((document for document in self.documents if document["kind"] in kinds), None)

    @property
    def cluster(self) -> Document | None:
        """The specification of the Ray cluster, if there is one."""
        job, cluster = self.of_kind("RayJob"), self.of_kind("RayCluster")
        found: Document | None = job["spec"]["rayClusterSpec"] if job else cluster["spec"] if cluster else None
        return found

    @property
    def claim(self) -> Document | None:
        """The claim, if that is what the overlay is."""
        return self.of_kind("PersistentVolumeClaim")

    @property
    def config_map(self) -> Document | None:
        """The ConfigMap with the training's configuration, if there is one."""
        return next((d for d in self.documents if d["kind"] == "ConfigMap" and CONFIG in d.get("data", {})), None)

    @property
    def config_text(self) -> str:
        """The configuration that the overlay comes with, as TOML; empty without one."""
        return str(self.config_map["data"][CONFIG]) if self.config_map else ""

    def check_parts(self) -> None:
        """Raises UserError if the overlay, which may be the user's, lacks what is written to."""
        cluster = self.cluster
        if cluster is None and self.of_kind("Deployment"):
            return
        groups = [group["groupName"] for group in cluster["workerGroupSpecs"]] if cluster else []
        claims = [v for v in cluster["headGroupSpec"]["template"]["spec"]["volumes"] if "persistentVolumeClaim" in v] if cluster else []
        parts = {"RayJob or RayCluster": cluster, f"group {TRAINERS}": TRAINERS in groups, "claim": claims, CONFIG: self.config_map}
        lacking = next((name for name, part in parts.items() if not part), "")
        if lacking:
            raise UserError(f"overlay {self.overlay} has no {lacking}: build it on k8s/base or one of k8s/overlays")

    def check(self, config: Config) -> None:
        """Raises UserError if the overlay cannot run a training of this configuration."""
        cluster = self.cluster
        assert cluster is not None
        elastic = bool(cluster.get("enableInTreeAutoscaling"))
        if isinstance(config.cluster.workers, tuple) and not elastic:
            given = list(config.cluster.workers)
            raise UserError(f"cluster.workers = {given}, but overlay {self.overlay} has a fixed number: give one, or use --overlay elastic")
        if elastic and not isinstance(config.cluster.workers, tuple):
            raise UserError(
                f"cluster.workers = {config.cluster.workers}, but overlay {self.overlay} scales: give [MIN, MAX], or use --overlay xeon"
            )
        trainers, *others = _groups(cluster)
        gpu = GPU in _ray_container(trainers)["resources"]["limits"]
        if gpu != (config.cluster.device == "gpu"):
            has = "has a GPU for each worker" if gpu else "has no GPUs"
            cure = 'set it to "gpu"' if gpu else 'set it to "cpu", or use --overlay gpu'
            raise UserError(f"cluster.device = {config.cluster.device}, but overlay {self.overlay} {has}: {cure}")
        for group in others:
            cpus = int(group["rayStartParams"]["num-cpus"])
            if config.cluster.cpus_per_worker <= cpus:
                raise UserError(
                    f"cluster.cpus_per_worker = {config.cluster.cpus_per_worker}, but pods of the group {group['groupName']} have {cpus} "
                    f"CPUs, so that workers would be placed there: use {cpus + 1} or more"
                )
        self._check_places(config)

    def _check_places(self, config: Config) -> None:
        """The places that the configuration names are on the claim, or in an object store."""
        assert self.cluster is not None
        mount = _claim_mount(self.cluster["headGroupSpec"]["template"]["spec"])
        data = config.data
        places = {
            "run.storage": config.run.storage,
            "data.source": "" if data.source == SYNTHETIC else data.source,
            "data.source_a": data.source_a,
            "data.source_b": data.source_b,
            "data.source_list": data.source_list,
            "data.shards": data.shards,
            "data.pairs": data.pairs,
            "run.start_from": config.run.start_from,
            "evaluate.weights": config.evaluate.weights,
        }
        for field, place in places.items():
            if place and not is_remote(place):
                _check_place(field, place, mount)

    def set_sizes(self, config: Config, sizes: PodSizes) -> None:
        """Write replicas, requests, limits, Ray's own figures, the start timeout and the disruption budget."""
        cluster = self.cluster
        assert cluster is not None
        trainers = _groups(cluster)[0]
        trainers |= {"replicas": sizes.least, "minReplicas": sizes.least, "maxReplicas": sizes.most}
        trainers["rayStartParams"] |= {"num-cpus": str(sizes.ray_cpus), "object-store-memory": str(sizes.store)}
        pod, container = trainers["template"]["spec"], _ray_container(trainers)
        volumes = {volume["name"]: volume.get("emptyDir") for volume in pod["volumes"]}
        volumes["home"]["sizeLimit"] = _quantity(sizes.home)
        disk = sizes.home + int(volumes["tmp"]["sizeLimit"].removesuffix("Gi")) * GIB + GIB  # and the container's own log
        for part in container["resources"].values():
            part |= {"cpu": str(sizes.cpus), "memory": _quantity(sizes.memory), "ephemeral-storage": _quantity(disk)}
        budget = self.of_kind("PodDisruptionBudget")
        if budget:
            budget["spec"]["minAvailable"] = sizes.least
        if config.cluster.start_timeout == type(config.cluster)().start_timeout:
            _set_variable(_ray_container(cluster["headGroupSpec"]), START_TIMEOUT, f"{START_SECONDS:g}")

    def set_config(self, text: str) -> None:
        """Write the configuration of the training."""
        assert self.config_map is not None
        self.config_map["data"][CONFIG] = text

    def set_runs(self, storage: str) -> None:
        """Name the folder of runs that TensorBoard reads. Raises UserError if it is not on the claim."""
        deployment = self.of_kind("Deployment")
        assert deployment is not None
        pod = deployment["spec"]["template"]["spec"]
        _check_place("run.storage", storage, _claim_mount(pod))
        (container,) = pod["containers"]
        container["command"] = [f"--logdir={storage}" if word.startswith("--logdir=") else word for word in container["command"]]

    def set_name(self, name: str) -> None:
        """Rename the run: `run.name`, and all documents in the form that Kubernetes accepts. Raises UserError if there is none."""
        job = self.of_kind("RayJob", "RayCluster", "Deployment")
        assert job is not None
        ours = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", ours) or len(ours) > MOST_NAME:
            raise UserError(f"the name {name} gives no name in Kubernetes: begin with a letter, with at most {MOST_NAME} characters")
        old = job["metadata"]["name"]
        own = {document["metadata"]["name"]: ours + document["metadata"]["name"].removeprefix(old) for document in self.documents}
        for mapping in _mappings(self.documents):
            for key in _NAMES & mapping.keys():
                mapping[key] = own.get(mapping[key], mapping[key])
        if job["kind"] == "RayJob" and ours != name:
            _set_variable(_ray_container(job["spec"]["rayClusterSpec"]["headGroupSpec"]), RUN_NAME, name)

    def set_image(self, image: str) -> None:
        """Name the image of all containers."""
        for mapping in _mappings(self.documents):
            if isinstance(mapping.get("image"), str):
                mapping["image"] = image

    def set_storage_class(self, name: str) -> None:
        """Name the class of the claim."""
        assert self.claim is not None
        self.claim["spec"]["storageClassName"] = name

    def set_namespace(self, namespace: str) -> None:
        """Put all documents into a namespace."""
        for document in self.documents:
            document["metadata"]["namespace"] = namespace


def _check_place(field: str, place: str, mount: PurePosixPath) -> None:
    if mount not in PurePosixPath(place).parents:
        raise UserError(f"{field} = {redacted(place)} is not below {mount}, where the pods see the claim: give a folder there")


def _groups(cluster: Document) -> list[Document]:
    """The worker groups, that of the training first."""
    return sorted(cluster["workerGroupSpecs"], key=lambda group: group["groupName"] != TRAINERS)


def _ray_container(group: Document) -> Document:
    """The container in which Ray runs: the first one, by KubeRay's rule."""
    container: Document = group["template"]["spec"]["containers"][0]
    return container


def _claim_mount(pod: Document) -> PurePosixPath:
    claim = next(volume["name"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume)
    mounts = pod["containers"][0]["volumeMounts"]
    return PurePosixPath(next(mount["mountPath"] for mount in mounts if mount["name"] == claim))


def _set_variable(container: Document, name: str, value: str) -> None:
    container["env"] = [*(variable for variable in container["env"] if variable["name"] != name), {"name": name, "value": value}]


def _quantity(size: int) -> str:
    return f"{size // GIB}Gi"


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings inside a document."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _mappings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _mappings(part)
