"""When the parts of one step ran, from a trace by TensorFlow's profiler."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks.span import Span

PROGRAM, EXCHANGE = "CpuExecutable::ExecuteAsyncOnStream", "CollectiveReduceV2"
AFTER = 0.5  # seconds: an exchange is recorded after its result has been passed on
# The trace does not name compiled programs; in an undivided step they start in this order.
PROGRAMS = ("generator pass", "discriminator pass", "update of generators", "update of discriminators")
EXCHANGES = ("exchange of generators", "exchange of discriminators")


def traced(step: Callable[[], object]) -> list[Span]:
    """Run a `step` of several workers, undivided, and return when its programs and exchanges ran, ordered by start."""
    with tempfile.TemporaryDirectory(prefix="ringcycle-trace-") as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=2))
        step()
        time.sleep(AFTER)
        tf.profiler.experimental.stop()
        (file,) = Path(folder).rglob("*.xplane.pb")
        return _spans(xplane_pb2.XSpace.FromString(file.read_bytes()))


def _spans(space: xplane_pb2.XSpace) -> list[Span]:
    found = []
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                begin = line.timestamp_ns / 1e9 + event.offset_ps / 1e12
                found.append(Span(begin, begin + event.duration_ps / 1e12, plane.event_metadata[event.metadata_id].name))
    programs = sorted(span for span in found if span.name == PROGRAM)
    exchanges = sorted(span for span in found if span.name.endswith(f":{EXCHANGE}"))
    named = [*zip(programs, PROGRAMS, strict=True), *zip(exchanges, EXCHANGES, strict=True)]
    return sorted(Span(span.begin, span.end, name) for span, name in named)
