"""When the parts of one step ran, from a trace by TensorFlow's profiler."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    return _spans(_trace(step))


def traced_operations(step: Callable[[], object]) -> list[tuple[str, Span]]:
    """Run a `step` and return when each operation of its compiled programs ran, with the program's name.

    A conditional operation contains those of its branch. An operation that goes on in other threads ends with its last part.
    """
    begun: dict[int, tuple[str, Span]] = {}
    ends: dict[int, float] = {}
    for plane in _trace(step).planes:
        names = {number: metadata.name for number, metadata in plane.stat_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                stats = {names[stat.metadata_id]: stat for stat in event.stats}
                begin = line.timestamp_ns / 1e9 + event.offset_ps / 1e12
                if "hlo_op" in stats:
                    module, name = (stats[key].str_value or names[stats[key].ref_value] for key in ("hlo_module", "hlo_op"))
                    begun[_number(stats["_p"])] = (module, Span(begin, begin + event.duration_ps / 1e12, name))
                elif "_c" in stats and plane.event_metadata[event.metadata_id].name.startswith("end: "):
                    ends[_number(stats["_c"])] = begin
    return [(module, Span(span.begin, ends.get(number, span.end), span.name)) for number, (module, span) in begun.items()]


def _number(stat: Any) -> int:
    return int(stat.uint64_value or stat.int64_value)


def _trace(step: Callable[[], object]) -> xplane_pb2.XSpace:
    with tempfile.TemporaryDirectory(prefix="ringcycle-trace-") as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=2))
        step()
        time.sleep(AFTER)
        tf.profiler.experimental.stop()
        (file,) = Path(folder).rglob("*.xplane.pb")
        return xplane_pb2.XSpace.FromString(file.read_bytes())


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
