"""Verdicts on the storage. Pure functions."""

from collections.abc import Mapping
from math import prod

from cluster.config import Config
from cluster.diagnosis.finding import Figure, Finding, Verdict
from cluster.diagnosis.nodes import NoAnswer, Node
from cluster.diagnosis.storage_probe import ABSENT, Read, Upload, Written
from cyclegan.checkpoint_files.arrays import expected_arrays
from cyclegan.config import ImageFormat
from preprocess.images.size import sides_of

CHECK = "storage"
SHARED = "give a folder that all nodes share, at the same path, or an s3:// or gs:// location"
SLOW_SECONDS = 60.0  # for a checkpoint
LATE_SECONDS = 1.0


def state_bytes(config: Config, images: ImageFormat) -> tuple[int, int]:
    """Bytes of what all workers have alike (weights, moments, average), and of one worker's image pools."""
    arrays = expected_arrays(config.model_dump(mode="json"), images)
    batch, (height, width), pool = config.train.batch, sides_of(config.data.crop_size), config.train.pool_size
    shared = sum(kind.dtype.itemsize * prod(n or 1 for n in kind.shape) for name, kind in arrays.items() if not name.startswith("pool."))
    return shared, 4 * 2 * batch * pool * height * width * images.channels


def checkpoint_bytes(config: Config, images: ImageFormat) -> tuple[int, int]:
    """Bytes of the part of rank 0, which is the largest, and of a whole checkpoint."""
    shared, pools = state_bytes(config, images)
    return shared + pools, shared + config.cluster.most * pools


def visible(
    label: str, driver: str, names: Mapping[Node, str], written: Mapping[Node, Written], reads: Mapping[Node, Read]
) -> list[Finding]:
    """Whether each node can write, and sees what the driver and all nodes wrote.

    label: of the storage. driver: the name of the driver's file. names: of each node's file. Nodes that did not answer are left out.
    """
    findings = []
    owners = {name: node.name for node, name in names.items()}
    for node, wrote in written.items():
        read = reads.get(node)
        figures = {"write": Figure.of(1000 * wrote.seconds, "ms")}
        if wrote.fact == ABSENT or (read and driver in read.missing):
            fact = f"run.storage = {label} is another folder there than here, or is not mounted"
            finding = Finding(CHECK, Verdict.PROBLEM, fact, SHARED)
        elif wrote.fact:
            fact = f"run.storage = {label} cannot be written to ({wrote.fact})"
            finding = Finding(CHECK, Verdict.PROBLEM, fact, "mount it writable there, for the user that Ray runs as")
        elif read and read.missing:
            unseen = ", ".join(owners[name] for name in read.missing)
            fact = f"run.storage = {label}: what {unseen} wrote cannot be seen"
            finding = Finding(CHECK, Verdict.PROBLEM, fact, SHARED)
        elif read and read.seconds > LATE_SECONDS:
            figures["late"] = Figure.of(read.seconds, "s")
            fact = f"run.storage = {label}: what other nodes wrote is seen {{late}} late"
            finding = Finding(CHECK, Verdict.WARNING, fact, "mount it with a shorter attribute cache (NFS: actimeo=1)", figures)
        else:
            fact = f"run.storage = {label}: writable, replaces files atomically, {{write}} for a small file"
            finding = Finding(CHECK, Verdict.OK, fact, figures=figures)
        findings.append(finding.on(node.name))
    return findings


def checkpoint_time(part: int, uploads: Mapping[Node, Upload | NoAnswer]) -> list[Finding]:
    """How long a checkpoint takes to reach the storage. part: bytes of rank 0's part, whichever node it is on."""
    findings = []
    for node, done in uploads.items():
        if isinstance(done, NoAnswer) or done.fact:
            why = done.reason if isinstance(done, NoAnswer) else done.fact
            cure = "see whether the storage is full, or hangs there"
            finding = Finding("checkpoint", Verdict.PROBLEM, f"large files do not reach the storage: {why}", cure)
        else:
            rate = done.bytes / max(done.seconds, 1e-9)
            figures = {"part": Figure.of(part, "bytes"), "seconds": Figure.of(part / rate, "s"), "rate": Figure.of(rate, "bytes/s")}
            fact = "{part} reach the storage in {seconds} ({rate})"
            cure = "faster storage, or a larger run.checkpoint_every: training goes on meanwhile, but a loss costs more steps"
            slow = part / rate > SLOW_SECONDS
            finding = Finding("checkpoint", Verdict.WARNING if slow else Verdict.OK, fact, cure if slow else "", figures)
        findings.append(finding.on(node.name))
    return findings


def room(free: int, whole: int, keep: int) -> Finding:
    """Whether the storage has room for `run.keep` checkpoints of `whole` bytes and the one being written."""
    figures = {"free": Figure.of(free, "bytes"), "whole": Figure.of(whole, "bytes"), "kept": Figure.of(keep)}
    fact = "{free} free, {kept} checkpoints of {whole} are kept"
    if free < 2 * whole:
        cure = "make room, or give another run.storage"
        return Finding("room", Verdict.PROBLEM, f"{fact}: not even one fits beside the next", cure, figures)
    if free < (keep + 1) * whole:
        return Finding("room", Verdict.WARNING, f"{fact}: older ones would be deleted early", "make room, or lower run.keep", figures)
    return Finding("room", Verdict.OK, fact, figures=figures)
