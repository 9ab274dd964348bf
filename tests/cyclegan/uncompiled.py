"""Running compiled functions without XLA, where compiling would cost more than the test."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


@contextmanager
def uncompiled() -> Iterator[None]:
    """Compiled functions run eagerly, operation by operation."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
