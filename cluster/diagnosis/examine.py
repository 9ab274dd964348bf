"""All checks in order. Each one is bounded in time, and one that fails is a finding."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ray

from cluster.calibration.scale_out import exchanged_bytes
from cluster.config import Config
from cluster.diagnosis import images as images_check
from cluster.diagnosis.finding import Finding, grouped
from cluster.diagnosis.gpus import gpus
from cluster.diagnosis.images import Images
from cluster.diagnosis.network import network
from cluster.diagnosis.network_verdicts import exchange_seconds
from cluster.diagnosis.node_facts import NodeFacts, gather, proxies_of
from cluster.diagnosis.node_verdicts import alike, proxies, verdicts
from cluster.diagnosis.nodes import Budget, Node, Nodes, RayNodes, ThisMachine, answered, ask, failed, unanswered
from cluster.diagnosis.prediction import memory_needed, needs, time_needed
from cluster.diagnosis.ray_setup import Placement, cluster, default_count, token, workers
from cluster.diagnosis.software import versions
from cluster.diagnosis.storage import storage
from cluster.driver.checks import gpu_wanted
from ringcycle.errors import UserError
from ringcycle.ray_refusal import obeys_anyone
from ringcycle.ray_start import start_ray

SECONDS = 60.0  # for all checks together, after Ray has started
FACTS_SECONDS = 30.0  # a node's first task starts a process
NO_ANSWER = "see whether it is overloaded, has the same installation, and what Ray's logs there say"


@dataclass(frozen=True)
class Request:
    """What to examine. environment, folder: of this command; the folder is for relative paths."""

    config: Config
    environment: Mapping[str, str]
    folder: Path


@dataclass
class Examination:
    """The checks of a request. phase: told what is going on. show: given findings as they come, and the number of nodes."""

    request: Request
    phase: Callable[[str], object]
    show: Callable[[list[Finding], int], object]
    findings: list[Finding] = field(default_factory=list)
    nodes: Sequence[Node] = ()

    def run(self) -> None:
        """Run all checks. Starts or joins Ray; the caller shuts it down."""
        try:
            self._run()
        except Exception as error:  # such as a head that dies meanwhile
            self._report([failed("doctor", error)])

    def _run(self) -> None:
        self.phase("starting Ray")
        nodes, joined = self._start()
        budget, config = Budget(SECONDS), self.request.config
        self.phase("asking the nodes")
        asked = ask(nodes, gather, budget.at_most(FACTS_SECONDS), config.cluster.compile_cache)
        self._report(grouped(unanswered("node", asked, NO_ANSWER)))
        facts: dict[Node, NodeFacts] = answered(asked)
        if not facts:
            return
        nodes.nodes = list(facts)
        gpu = isinstance(nodes, RayNodes) and gpu_wanted(config)
        if not config.cluster.workers:
            config = config.with_workers(default_count(facts, gpu))
        placement = self._placement(config, facts, nodes, joined, gpu)
        self._check("nodes", lambda: self._of_nodes(config, facts, placement, joined))
        if gpu:
            self.phase("asking TensorFlow for GPUs")
            self._check("gpus", lambda: gpus(config, nodes, budget))
        self.phase("looking for images")
        found, complaints = images_check.inspect(config)
        self._check("images", lambda: [*complaints, *images_check.visible(config, found, nodes, budget)])
        self.phase("writing to the storage")
        environment, folder = self.request.environment, self.request.folder
        self._check("storage", lambda: storage(config, found.format, nodes, environment, folder, budget))
        self.phase("measuring the network")
        self._check("network", lambda: network(config, found.format, nodes, budget))
        self.phase("predicting")
        self._check("time", lambda: self._predicted(config, found, nodes, facts, placement, budget))

    def _start(self) -> tuple[Nodes, bool]:
        try:
            joined = start_ray()
        except UserError as error:
            alone = ThisMachine()
            self.nodes = alone.nodes
            self._report([Finding.of_message("cluster", error)])
            return alone, False
        nodes = RayNodes()
        self.nodes = nodes.nodes
        tls = self.request.environment.get("RAY_USE_TLS", "0").lower() in ("1", "true")
        address = ray.get_runtime_context().gcs_address
        self._check("cluster", lambda: [cluster(nodes.nodes, joined, len(nodes.leaving))])
        self._check("token", lambda: [token(obeys_anyone(address) if joined else None, joined, tls)])
        return nodes, joined

    def _placement(self, config: Config, facts: Mapping[Node, NodeFacts], nodes: Nodes, joined: bool, gpu: bool) -> Placement:
        """Where the workers would be; without Ray, all on this machine."""
        if isinstance(nodes, RayNodes):
            finding, placement = workers(config, nodes.nodes, joined, gpu)
            self._report([finding])
            return placement
        count = config.cluster.most
        return Placement(dict.fromkeys(facts, count), max(1, min(found.usable for found in facts.values()) // count))

    def _of_nodes(self, config: Config, facts: dict[Node, NodeFacts], placement: Placement, joined: bool) -> Iterable[Finding]:
        ours, addresses = versions(), [node.address for node in self.nodes]
        for node, found in facts.items():
            for finding in verdicts(found, node, config, placement.workers.get(node, 0), ours):
                yield finding.on(node.name)
            if joined:
                yield from (finding.on(node.name) for finding in proxies(found.proxies, found.no_proxy, addresses))
        if joined:
            yield from proxies(*proxies_of(self.request.environment), addresses)
        yield from alike(facts)

    def _predicted(
        self, config: Config, found: Images, nodes: Nodes, facts: Mapping[Node, NodeFacts], placement: Placement, budget: Budget
    ) -> Iterable[Finding]:
        needed = needs(config, found.format, nodes, facts, placement, budget)
        rates = [finding.figures["rate"].low for finding in self.findings if finding.check == "network" and "rate" in finding.figures]
        between = bool(rates) and len(needed) > 1
        exchange = exchange_seconds(exchanged_bytes(config, found.format), len(needed), min(rates)) if between else 0.0
        yield time_needed(config, found, needed, exchange)
        yield from memory_needed(config, found.format, needed)

    def _check(self, check: str, act: Callable[[], Iterable[Finding]]) -> None:
        found: list[Finding] = []
        try:
            found.extend(act())
        except Exception as error:
            found.append(failed(check, error))
        self._report(grouped(found))

    def _report(self, findings: list[Finding]) -> None:
        self.findings += findings
        self.show(findings, len(self.nodes))
