"""Whether TensorFlow can use the GPUs that Ray counts."""

from collections.abc import Iterator

from cluster.config import Config
from cluster.diagnosis.finding import Figure, Finding, Verdict
from cluster.diagnosis.nodes import Budget, Node, Nodes, answered, unanswered
from cluster.hardware.gpu_libraries import CURE, gpus_of_tensorflow

SECONDS = 60.0  # it imports TensorFlow, with CUDA's libraries


def gpus(config: Config, nodes: Nodes, budget: Budget) -> Iterator[Finding]:
    """A finding for each node on which Ray counts GPUs."""
    with_gpus = {node: () for node in nodes.nodes if node.gpus}
    counts = nodes.ask_each(gpus_of_tensorflow, budget.at_most(SECONDS), with_gpus)
    yield from unanswered("gpus", counts, "run `python -c 'import tensorflow'` there")
    found: dict[Node, int] = answered(counts)
    for node, seen in found.items():
        yield usable(config.cluster.device, node.gpus, seen).on(node.name)


def usable(device: str, counted: int, seen: int) -> Finding:
    """device: `cluster.device`. counted: GPUs by Ray. seen: GPUs by TensorFlow."""
    figures = {"gpus": Figure.of(counted), "seen": Figure.of(seen)}
    if seen >= counted:
        return Finding("gpus", Verdict.OK, "TensorFlow sees {seen}, Ray counts {gpus}", figures=figures)
    if not seen:
        meant = device == "gpu"
        fact = f"Ray counts {{gpus}}, TensorFlow sees none: {'training would fail' if meant else 'processors would train'}"
        return Finding("gpus", Verdict.PROBLEM if meant else Verdict.WARNING, fact, CURE, figures)
    cure = f"`ray start --num-gpus={seen}` there, or see with nvidia-smi why the others are missing"
    return Finding("gpus", Verdict.PROBLEM, "Ray counts {gpus}, TensorFlow sees {seen}: a worker without one would fail", cure, figures)
