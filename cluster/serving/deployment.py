"""The server on Ray Serve: started, watched and stopped."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, DeploymentStatus, LoggingConfig

from cluster.hardware.capacity import cpus_for_each, usable_nodes
from cluster.serving.app import MOST_IN_FLIGHT
from cluster.serving.replica import TranslationReplica
from cluster.serving.settings import ServiceSettings
from ringcycle.errors import UserError

log = logging.getLogger(__name__)

NAME = "ringcycle"
GRACE = 10.0  # seconds for translations to end when the server does
LOOK_SECONDS = 0.2  # between looks at whether to stop, and, at the start, whether it is ready
WATCH_SECONDS = 2.0  # between looks at the replicas
HEALTH_SECONDS = 60.0  # without an answer before Ray Serve replaces a replica
FEW = 16  # requests to a replica beside translations: the page, health, and those that it refuses
MOST_QUEUED = 128  # requests that a proxy holds until a replica takes them


@dataclass(frozen=True)
class Place:
    """Where the server listens, and how many replicas of how many CPUs it has."""

    host: str
    port: int
    replicas: int
    cpus: int


def plan_place(host: str, port: int, replicas: int, cpus: int, joined: bool) -> Place:
    """The place on the Ray cluster that this process has joined, or started. cpus: of each replica; 0: as many as fit.

    Raises UserError if the replicas do not fit, or if the cluster's proxies would listen elsewhere.
    """
    nodes = [node["Resources"] for node in usable_nodes()]
    most = cpus_for_each(nodes, replicas, gpu=False)
    total = sum(int(node.get("CPU", 0)) for node in nodes)
    if not most:
        raise UserError(f"--replicas = {replicas}, but the nodes have {total} CPUs: give {total} or fewer, or add nodes")
    if cpus > most:
        raise UserError(f"--cpus = {cpus}, but {replicas} such replicas do not fit on the nodes: give {most} or fewer")
    if joined and serve.status().proxies:
        raise UserError("the Ray cluster runs Ray Serve already: end that (serve shutdown), or set RAY_ADDRESS=local")
    if joined and ip_address(host).is_loopback and not _on_head():
        raise UserError(f"--host = {host}, but requests would be taken on the head node: run this there, or give --host 0.0.0.0")
    return Place(host, port, replicas, cpus or most)


@contextmanager
def serving(settings: ServiceSettings, place: Place, stopped: Callable[[], bool]) -> Iterator[None]:
    """A server, which is ready when this is entered, or was stopped before. It ends with this.

    Raises UserError if a replica says why it cannot translate, or none can be started.
    """
    logging.getLogger("ray.serve").setLevel(logging.CRITICAL)  # what matters of it is said here
    quiet = LoggingConfig(log_level="WARNING", enable_access_log=False)
    loopback = ip_address(place.host).is_loopback
    try:
        try:
            serve.start(
                proxy_location=ProxyLocation.HeadOnly if loopback else ProxyLocation.EveryNode,
                http_options=HTTPOptions(host=place.host, port=place.port),
                logging_config=quiet,
            )
        except (RayError, RuntimeError, TimeoutError) as error:
            raise UserError(f"Ray Serve did not start ({_in_short(error)}): if the nodes are very busy, try again") from error
        held = ray.put(settings)
        deployment = serve.deployment(
            name="translate",
            num_replicas=place.replicas,
            ray_actor_options={"num_cpus": place.cpus},
            max_ongoing_requests=MOST_IN_FLIGHT + FEW,
            max_queued_requests=MOST_QUEUED,
            graceful_shutdown_timeout_s=GRACE,
            health_check_timeout_s=HEALTH_SECONDS,
            max_constructor_retry_count=2,
            logging_config=quiet,
        )(serve.ingress()(TranslationReplica))
        target = serve.RunTarget(deployment.bind([held], place.cpus), name=NAME, route_prefix="/", logging_config=quiet)
        serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)
        _wait(stopped)
        yield
    finally:
        serve.shutdown()


def watch(stopped: Callable[[], bool]) -> None:
    """Say when a replica is lost, which Ray Serve replaces, and when all are there again. Returns once stopped.

    Raises UserError if Ray itself is lost.
    """
    whole, due = True, 0.0
    while not stopped():
        time.sleep(LOOK_SECONDS)
        if time.monotonic() < due:
            continue
        due = time.monotonic() + WATCH_SECONDS
        try:
            running = all(deployment.status == DeploymentStatus.HEALTHY for deployment in _application().deployments.values())
        except (RayError, RayServeException, KeyError) as error:
            raise UserError(f"the Ray cluster is lost ({_in_short(error)}): run the same command again") from error
        if running != whole:
            log.info("all replicas are back" if running else "a replica was lost; Ray Serve starts another one")
            whole = running


def _wait(stopped: Callable[[], bool]) -> None:
    while not stopped():
        application = _application()
        if application.status == ApplicationStatus.RUNNING:
            mistake: str = serve.get_app_handle(NAME).mistake.remote().result()
            if mistake:
                raise UserError(mistake)
            return
        if application.status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY):
            raise UserError(f"no replica can be started ({_in_short(application.message)}): check the memory of the nodes")
        time.sleep(LOOK_SECONDS)


def _in_short(error: object) -> str:
    return " ".join(str(error).split())[-300:]


def _application() -> Any:
    return serve.status().applications[NAME]


def _on_head() -> bool:
    here = ray.get_runtime_context().get_node_id()
    return any(node["NodeID"] == here and "node:__internal_head__" in node["Resources"] for node in ray.nodes())
