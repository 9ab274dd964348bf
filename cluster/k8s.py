"""`python -m cluster.k8s render`: an overlay of `k8s/` for a training's configuration, as YAML for `kubectl apply -f -`."""

import re
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from cluster.config import Config
from cluster.driver.shard_compatibility import check_identity
from cluster.job import images_by_settings
from cluster.kubernetes.manifests import Manifests
from cluster.kubernetes.overlays import STORAGE, as_yaml, documents, overlay_folder
from cluster.kubernetes.sizes import check_node, pod_sizes
from cluster.load_config import load_config
from cluster.program_memory import predict_memory, recall_memory
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.errors import UserError
from ringcycle.options import byte_size
from ringcycle.output import say

LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
IMAGE = r"[A-Za-z0-9][\w.\-]*(:\d+)?(/[\w.\-]+)*(:[\w][\w.\-]{0,127})?(@sha256:[0-9a-f]{64})?"


def main(arguments: Sequence[str] | None = None) -> int:
    """Render one overlay. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        sys.stdout.write(render(options))
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    return ExitCode.OK


def render(options: Namespace) -> str:
    """The YAML. Says in one line on standard error what it asks the cluster for. Raises UserError for what cannot run."""
    _check(options)
    folder = overlay_folder(options.overlay)
    node = _node(options.node) if options.node else None
    manifests = Manifests(folder.name, documents(folder))
    _check_applies(options, manifests)
    if not manifests.claim:
        _write_run(options, manifests, node)
    elif options.storage_class:
        manifests.set_storage_class(options.storage_class)
    if options.image:
        manifests.set_image(options.image)
        if "@" not in options.image:
            say(f"--image {options.image} can change under a run that restarts: name it by digest (@sha256:…)", file=sys.stderr)
    if options.namespace:
        manifests.set_namespace(options.namespace)
    return as_yaml(manifests.documents)


def _write_run(options: Namespace, manifests: Manifests, node: tuple[int, int] | None) -> None:
    """Write configuration, name and sizes."""
    config, text = _config(options.config, manifests)
    manifests.check_parts()
    name = options.name or (config.run.name if manifests.cluster and config.run.name != Config().run.name else "")
    if name:
        manifests.set_name(name)
    if not manifests.cluster:
        if options.config:
            manifests.set_runs(config.run.storage)
        return
    manifests.check(config)
    manifests.set_config(text)
    check_node(pod_sizes(config, 0, 0), node)  # what needs no programs to be refused
    sizes = pod_sizes(config, *_memory(config))
    check_node(sizes, node)
    manifests.set_sizes(config, sizes)
    say(sizes.describe(), file=sys.stderr)


def _config(path: str | None, manifests: Manifests) -> tuple[Config, str]:
    """The configuration and its text: the given file's, or that of the overlay. The environment of this process does not count."""
    if path:
        return load_config(["--config", path], {}), Path(path).read_text("utf-8")
    text = manifests.config_text
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return load_config(["--config", file.name], {}), text


def _memory(config: Config) -> tuple[int, int]:
    """Bytes of a worker's variables, and of what its programs take besides, as XLA predicts them for this machine's processor."""
    here = config.cluster.model_copy(update={"compile_cache": ""})  # the configuration's is a folder of the pods
    config = config.model_copy(update={"cluster": here})
    images = images_by_settings(config.data)
    check_identity(config.train, images)
    memory = recall_memory(config, images)
    if memory is None:
        say("compiling the programs, to learn what memory they take: about a minute at 256×256", file=sys.stderr)
        memory = predict_memory(config, images)
    return memory.state, memory.passes


def _check(options: Namespace) -> None:
    forms = {
        "image": (IMAGE, "registry.example/ringcycle@sha256:…"),
        "namespace": (LABEL, "lower-case letters, digits and hyphens"),
        "storage_class": (SUBDOMAIN, "one that `kubectl get storageclass` lists"),
        "name": (r"[A-Za-z0-9][A-Za-z0-9._-]*", "letters, digits, '.', '_' and '-'"),
    }
    for field, (form, example) in forms.items():
        value = getattr(options, field)
        if value is not None and not re.fullmatch(form, value):
            raise UserError(f"--{field.replace('_', '-')} {value!r} is not valid: give {example}")


def _check_applies(options: Namespace, manifests: Manifests) -> None:
    """Raises UserError for an option that means nothing to the overlay."""
    if options.storage_class and not manifests.claim:
        fact = "the claim, which alone has a class, is rendered by itself, so that what deletes a run never deletes it"
        raise UserError(f"--storage-class {options.storage_class}: {fact}: use --overlay {STORAGE}")
    given = [f"--{name} {value}" for name in ("config", "image", "name", "node") if (value := getattr(options, name))]
    if manifests.claim and given:
        raise UserError(f"{given[0]}: overlay {options.overlay} is the claim alone: leave it out")
    if options.node and not manifests.cluster:
        raise UserError(f"--node {options.node}: overlay {options.overlay} has no workers: leave it out")


def _node(text: str) -> tuple[int, int]:
    """CPUs and bytes."""
    cpus, _, memory = text.partition(",")
    if not cpus.isdigit() or not memory:
        raise UserError(f"--node {text}: give CPUS,MEMORY, such as 16,64GiB")
    return int(cpus), byte_size("--node", f"{memory}B" if memory.endswith("i") else memory)


def _parser() -> Parser:
    parser = Parser(prog="python -m cluster.k8s", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("render", help="print the manifests of an overlay, sized for a configuration", allow_abbrev=False)
    action.add_argument("--overlay", required=True, metavar="NAME", help="one of k8s/overlays, or storage, or a folder of yours")
    action.add_argument("--config", metavar="FILE", help="the training's configuration (TOML); default: the overlay's own")
    action.add_argument("--image", metavar="IMAGE", help="image of all containers, best by digest; default: ringcycle:0.1.0")
    action.add_argument("--namespace", metavar="NAME", help="namespace of all documents; default: kubectl's own")
    action.add_argument("--storage-class", metavar="NAME", help="with --overlay storage: class of the claim; default: the cluster's")
    action.add_argument("--name", metavar="NAME", help="name of the run and of its documents; default: run.name, or ringcycle")
    action.add_argument("--node", metavar="CPUS,MEMORY", help="what a node has for pods, such as 16,64GiB: refuse workers that do not fit")
    return parser


if __name__ == "__main__":
    sys.exit(run(main))
