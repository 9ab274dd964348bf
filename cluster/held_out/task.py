"""The evaluation of one checkpoint: a Ray task that takes the CPU time that training leaves."""

import os
from dataclasses import dataclass
from pathlib import Path

import ray
from ray._private.state import available_resources_per_node
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.hardware.capacity import usable_nodes
from cluster.held_out.images import HeldOutImages
from cyclegan.import_tensorflow import import_tensorflow
from cyclegan.inference.generator_checkpoint import read_generators
from cyclegan.inference.held_out import Evaluation, evaluate_images
from cyclegan.inference.loading import load_features, load_translator
from preprocess.shards.manifest import Manifest
from ringcycle.domains import DIRECTIONS
from ringcycle.storage.location import Location


@dataclass(frozen=True)
class HeldOutSettings:
    """What to evaluate on. images: most of each domain. crop_size, truths: see `HeldOutImages`. weights: of Inception, for KID and FID."""

    shards: Location
    images: int
    crop_size: tuple[int, int]
    truths: Path | None = None
    weights: Path | None = None


def evaluate_on_spare_cpus(checkpoint: Location, settings: HeldOutSettings) -> Evaluation:
    """Evaluate a checkpoint on the node with the most unclaimed CPUs, or on this one if all are claimed.

    Raises RayError if the task fails or its process dies.
    """
    free = available_resources_per_node()
    spare = {node["NodeID"]: int(free.get(node["NodeID"], {}).get("CPU", 0)) for node in usable_nodes()}
    here = ray.get_runtime_context().get_node_id()
    node = max(spare, key=lambda node: (spare[node], node == here), default=here)
    there = NodeAffinitySchedulingStrategy(node, soft=True)
    task = _evaluate.options(scheduling_strategy=there).remote(checkpoint, settings, max(1, spare.get(node, 0)))
    evaluation: Evaluation = ray.get(task)
    return evaluation


# It claims no CPU: a group of workers that starts must not wait for it. A process of its own, so that its memory is given back.
@ray.remote(num_cpus=0, max_retries=0, max_calls=1)
def _evaluate(checkpoint: Location, settings: HeldOutSettings, threads: int) -> Evaluation:
    """Raises whatever goes wrong."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # for this thread and those that it starts
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import_tensorflow(3)
    trained = read_generators(checkpoint)
    manifest = Manifest.load(settings.shards)
    images = {
        domain: HeldOutImages(settings.shards, manifest, domain, settings.images, settings.crop_size, settings.truths) for domain in "AB"
    }
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    translate = {direction: load_translator(trained, direction) for direction in DIRECTIONS}
    return evaluate_images(translate, images, load_features(settings.weights) if settings.weights else None)
