"""The workers as replicas: TensorFlow's threads, the strategy, and the exchange of gradients around the ring."""

import json
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.eager import context

from cluster.worker.bfloat16_allreduce import mean_of_packed, pack
from cyclegan.training.step import Exchange

INTER_OP_THREADS = 2  # one for a pass, one for the exchange beside it


def set_threads(cores: int) -> None:
    """Intra-op threads = cores; must come before TensorFlow's first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(max(INTER_OP_THREADS, min(cores, 4)))


def make_strategy(peer_timeout: float, gpu: bool) -> tf.distribute.Strategy:
    """MultiWorkerMirroredStrategy over the processes of TF_CONFIG; a collective fails after `peer_timeout` seconds without a peer."""
    communication = tf.distribute.experimental.CommunicationImplementation
    _configure_coordination(peer_timeout)
    return tf.distribute.MultiWorkerMirroredStrategy(
        communication_options=tf.distribute.experimental.CommunicationOptions(
            implementation=communication.NCCL if gpu else communication.RING, timeout_seconds=peer_timeout
        )
    )


def mean_over_workers(vector: tf.Tensor, exact: int) -> tf.Tensor:
    """The exchange: elementwise mean of the workers' vectors, `exact` or not; in replica context."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, vector)


def mean_in_bfloat16(vector: tf.Tensor, exact: int) -> tf.Tensor:
    """The exchange with bfloat16 on the wire: the mean of the last `exact` elements is that of float32; in replica context.

    Every other element is off by at most (1 + 2⁻⁸)ⁿ - 1 of the mean of its magnitudes on n workers: it is rounded, and so is each sum.
    The ring sums every element once and hands out the result, so that all workers hold the same bits.
    """
    replica = tf.distribute.get_replica_context()
    workers = replica.num_replicas_in_sync
    packed = pack(vector, exact, replica.replica_id_in_sync_group, workers)
    return mean_of_packed(replica.all_reduce(tf.distribute.ReduceOp.SUM, packed), exact, workers, vector.dtype)


EXCHANGES: dict[str, Exchange] = {"float32": mean_over_workers, "bfloat16": mean_in_bfloat16}  # by cluster.allreduce_dtype


def runner(strategy: tf.distribute.Strategy) -> Callable[[Callable[..., Any], tuple[tf.Tensor, ...]], Any]:
    """What calls the replica's function under `strategy`."""
    return lambda replica, arguments: strategy.run(replica, args=arguments)


def _configure_coordination(peer_timeout: float) -> None:
    """Heartbeats as patient as the collectives: TensorFlow's own 10 s give false alarms while a process compiles."""
    cluster = json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"]
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        heartbeat_timeout_in_ms=int(peer_timeout * 1000),
        cluster_register_timeout_in_ms=int(peer_timeout * 1000),
        shutdown_barrier_timeout_in_ms=1000,  # a peer that is gone already must not hold up the end
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=len(cluster))],
    )
