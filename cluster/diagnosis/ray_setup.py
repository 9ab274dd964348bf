"""Verdicts on the Ray cluster as a whole: its nodes, its token, and room for the workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.config import Config
from cluster.diagnosis.finding import Figure, Finding, Verdict
from cluster.diagnosis.node_facts import NodeFacts
from cluster.diagnosis.nodes import Node
from cluster.driver.checks import cpus_of_workers
from cluster.hardware.topology import workers_of_node
from ringcycle.errors import UserError


def cluster(nodes: Sequence[Node], joined: bool, leaving: int) -> Finding:
    """joined: whether the cluster ran already. leaving: nodes that are being drained."""
    figures = {"nodes": Figure.of(len(nodes)), "cpus": Figure.of(sum(n.cpus for n in nodes)), "gpus": Figure.of(sum(n.gpus for n in nodes))}
    what = "a running Ray cluster" if joined else "Ray, started here for these checks"
    gpus = " and {gpus} GPUs" if any(node.gpus for node in nodes) else ""
    fact = f"{what}: {{nodes}} node{'s' * (len(nodes) > 1)} with {{cpus}} CPUs{gpus}"
    if leaving:
        gone = f"{fact}, and {leaving} being drained, which no worker will use"
        return Finding("cluster", Verdict.WARNING, gone, "add a node, or wait for its replacement", figures)
    return Finding("cluster", Verdict.OK, fact, figures=figures)


def token(open_to_all: bool | None, joined: bool, tls: bool) -> Finding:
    """open_to_all: whether the head answers those who have no token; None: it did not answer such a request at all."""
    if not joined:
        return Finding("token", Verdict.OK, "Ray started here takes commands only with the random token of this one")
    if open_to_all is False:
        return Finding("token", Verdict.OK, "the cluster refuses commands without its token")
    if tls:
        return Finding("token", Verdict.OK, "the cluster asks for certificates (RAY_USE_TLS)")
    if open_to_all is None:
        return Finding("token", Verdict.WARNING, "the head did not say whether it asks for a token", "run this again")
    fact = "the cluster obeys whoever reaches its ports, and runs any code for them"
    cure = "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=…, the same secret on every host, before `ray start`"
    return Finding("token", Verdict.WARNING, fact, cure)


@dataclass(frozen=True)
class Placement:
    """The workers that each node gets, with `cpus` CPUs each."""

    workers: Mapping[Node, int]
    cpus: int


def workers(config: Config, nodes: Sequence[Node], joined: bool, gpu: bool) -> tuple[Finding, Placement]:
    """Whether `cluster.workers`, which is not 0 here, fit, and where; nodes that may still come are not waited for."""
    now = config.cluster.model_copy(update={"start_timeout": 0.0})
    try:
        cpus = cpus_of_workers(config.model_copy(update={"cluster": now}), joined, gpu)
    except UserError as error:
        return Finding.of_message("workers", error), Placement({}, 0)
    count = config.cluster.most
    device = " and a GPU" if gpu else ""
    figures = {"workers": Figure.of(count), "cpus": Figure.of(cpus), "batch": Figure.of(config.global_batch)}
    each = f"{{cpus}} CPU{'s' * (cpus > 1)}{device}{' each' * (count > 1)}"
    fact = f"{{workers}} worker{'s' * (count > 1)} with {each}; a step takes {{batch}} of the images of each domain"
    return Finding("workers", Verdict.OK, fact, figures=figures), Placement(placed(nodes, count, cpus, gpu), cpus)


def default_count(facts: Mapping[Node, NodeFacts], gpu: bool) -> int:
    """The workers that `cluster.workers = 0` stands for, as `hardware.default_workers` counts them; at least one."""
    if gpu:
        return max(1, sum(node.gpus for node in facts))
    each = [(workers_of_node(found.cores, found.quota), node.cpus) for node, found in facts.items()]
    return max(1, sum(min(count, cpus) for count, cpus in each))


def placed(nodes: Sequence[Node], workers: int, cpus: int, gpu: bool) -> dict[Node, int]:
    """How many workers of `cpus` CPUs each node gets, as Ray packs them: one node after the other."""
    left, result = workers, {}
    for node in nodes:
        fit = min(left, node.cpus // cpus if cpus else 0, node.gpus if gpu else left)
        result[node], left = fit, left - fit
    return result
