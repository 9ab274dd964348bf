"""Whether the workers of a group compute on GPUs: Ray counts a node's GPUs, TensorFlow needs CUDA's libraries to use one."""

import logging

import ray.train
import ray.train.collective
import tensorflow as tf

from cluster.hardware.gpu_libraries import CURE
from ringcycle.errors import UserError

log = logging.getLogger(__name__)


def use_gpu(device: str) -> bool:
    """Whether all workers of a group to which Ray has given GPUs use them. Called by all of them; device: `cluster.device`.

    With "auto", they use their processors if the first worker's TensorFlow sees no GPU. Raises UserError if it sees none here, but must.
    """
    context = ray.train.get_context()
    sees = bool(tf.config.list_physical_devices("GPU"))
    wanted = device == "gpu" or ray.train.collective.broadcast_from_rank_zero(sees)
    if wanted and not sees:
        fact = f"worker {context.get_world_rank()} on {ray.util.get_node_ip_address()}: TensorFlow sees no GPU, though Ray has one for it"
        raise UserError(f"{fact}: {CURE}, or set cluster.device = cpu")
    if not wanted and context.get_world_rank() == 0:
        log.warning(f"TensorFlow sees no GPU, though Ray has one for each worker: training on processors ({CURE})")
    return wanted
