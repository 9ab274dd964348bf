"""Are gradients exchanged while the discriminator pass computes? A trace of one step of two workers, each on one pinned core.

    python -m benchmarks.overlap [--allreduce-dtype bfloat16] [--rate 1gbit] [--json overlap.json]

Without --rate the workers talk over loopback; with it, as root, over a link of that rate between two network namespaces.
"""

import argparse
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.limited_link import ADDRESSES, available, limited_link
from benchmarks.scaling import Group
from benchmarks.sizes import add_sizes
from benchmarks.span import Span
from cluster.calibration.scale_out import ELEMENT_BYTES

WIDTH = 60  # characters of the longest bar


def main() -> None:
    """Trace and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sizes(parser)
    parser.add_argument("--allreduce-dtype", choices=ELEMENT_BYTES, default="float32")
    parser.add_argument("--rate", help="of a limited link, in the syntax of tc")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.rate and not available():
        parser.error("--rate needs root, ip and tc")
    with tempfile.TemporaryDirectory(prefix="ringcycle-overlap-") as cache, ExitStack() as stack:
        prefixes = stack.enter_context(limited_link(given.rate)) if given.rate else [[], []]
        options = [word for name in ("size", "filters", "blocks", "batch") for word in (f"--{name}", str(getattr(given, name)))]
        group = Group(ADDRESSES if given.rate else ["127.0.0.1"] * 2, prefixes, [*options, "--cache", cache])
        stack.callback(group.close)
        group.wait()
        group.run(given.allreduce_dtype)
        workers = [[Span(*span) for span in spans] for spans in group.ask(f"trace {given.allreduce_dtype}")]
    print(f"{given.size}×{given.size}, {given.blocks} blocks, batch {given.batch}, {given.allreduce_dtype}, {given.rate or 'loopback'}")
    for rank, spans in enumerate(workers):
        print(*timeline(rank, spans), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(workers, indent=1))


def timeline(rank: int, spans: list[Span]) -> list[str]:
    """A bar, and milliseconds, for each part of a worker's step. spans: ordered by begin."""
    start, last = spans[0].begin, max(span.end for span in spans)
    scale = WIDTH / (last - start)
    lines = [f"worker {rank}"]
    for begin, end, name in spans:
        first = round((begin - start) * scale)
        bar = " " * first + "█" * max(1, round((end - start) * scale) - first)
        lines.append(f"  {name:28}{1000 * (begin - start):9.1f} to {1000 * (end - start):9.1f}  {bar}")
    named = {span.name: span for span in spans}
    computing = named["discriminator pass"]
    share = computing.overlap(named["exchange of generators"]) / (computing.end - computing.begin)
    lines.append(f"  {share:.0%} of the discriminator pass overlapped with the exchange of generators")
    return lines


if __name__ == "__main__":
    main()
