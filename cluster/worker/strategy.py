"""TensorFlow's side of a worker: its threads, the distribution strategy, and the all-reduce of gradients around the ring."""

import json
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.eager import context

from cluster.hardware.cpu_features import CPUINFO, processor_name
from cluster.worker.bfloat16_allreduce import mean_of_packed, pack
from cluster.worker.peer_filter import PeerFilter, peer_addresses
from cyclegan.training.step import Exchange

INTER_OP_THREADS = 2  # one for a pass, one for the all-reduce that overlaps it


def set_threads(cores: int) -> None:
    """Use as many intra-op threads as `cores`. Must come before TensorFlow's first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(max(INTER_OP_THREADS, min(cores, 4)))


def make_strategy(peer_timeout: float, gpu: bool) -> tf.distribute.Strategy:
    """A strategy over the processes that TF_CONFIG names. A collective fails after waiting `peer_timeout` seconds for a peer.

    Without TF_CONFIG, for a single worker, TensorFlow starts no server. With it, only the group's hosts can connect to the server.
    """
    communication = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=communication.NCCL if gpu else communication.RING, timeout_seconds=peer_timeout
    )
    if "TF_CONFIG" not in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    group = json.loads(os.environ["TF_CONFIG"])
    workers = group["cluster"]["worker"]
    _configure_coordination(len(workers), peer_timeout)
    port = int(workers[group["task"]["index"]].rpartition(":")[2])
    with PeerFilter(port, peer_addresses(workers, group.get("peers", ()))):
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


def device_name(gpu: bool) -> str:
    """The model of this worker's GPU or, without one, of its processor."""
    if not gpu:
        return processor_name(CPUINFO.read_text())
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return str(details.get("device_name", "GPU"))


def mean_over_workers(vector: tf.Tensor, exact: int) -> tf.Tensor:
    """All-reduce in the vector's own dtype: the elementwise mean over workers. Called in replica context."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, vector)


def mean_in_bfloat16(vector: tf.Tensor, exact: int) -> tf.Tensor:
    """All-reduce in bfloat16, except that the mean of the last `exact` elements is as precise as in float32. Called in replica context.

    Any other element is off by at most (1 + 2⁻⁸)ⁿ - 1 times the mean of its magnitudes on n workers: it is rounded, and so is each sum.
    The ring sums every element once and distributes the result, so all workers hold the same bits.
    """
    replica = tf.distribute.get_replica_context()
    workers = replica.num_replicas_in_sync
    packed = pack(vector, exact, replica.replica_id_in_sync_group, workers)
    return mean_of_packed(replica.all_reduce(tf.distribute.ReduceOp.SUM, packed), exact, workers, vector.dtype)


EXCHANGES: dict[str, Exchange] = {"float32": mean_over_workers, "bfloat16": mean_in_bfloat16}  # by cluster.allreduce_dtype


def runner(strategy: tf.distribute.Strategy) -> Callable[[Callable[..., Any], tuple[tf.Tensor, ...]], Any]:
    """A function that runs the replica's function under `strategy`; see `make_step`."""
    return lambda replica, arguments: strategy.run(replica, args=arguments)


def _configure_coordination(workers: int, peer_timeout: float) -> None:
    """Give TensorFlow's heartbeats the patience of the collectives: its default of 10 s raises false alarms while a process compiles."""
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        heartbeat_timeout_in_ms=int(peer_timeout * 1000),
        cluster_register_timeout_in_ms=int(peer_timeout * 1000),
        shutdown_barrier_timeout_in_ms=1000,  # a peer that has already exited must not delay the others
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=workers)],
    )
