"""`ringcycle COMMAND ARGUMENTS`: each command under a short name, `ringcycle train` for `python -m cluster.train`.

Modules are found by name when they are run: nothing of the packages above is imported here.
"""

import runpy
import sys
from collections.abc import Sequence

from ringcycle.cli import ExitCode, fail
from ringcycle.options import suggestion
from ringcycle.output import say, tolerate_failing_output

COMMANDS = {
    "train": ("cluster.train", "train on a Ray cluster, or on this machine"),
    "build": ("preprocess.build", "turn images into shards"),
    "inspect": ("preprocess.inspect", "show what shards hold"),
    "translate": ("cyclegan.translate", "translate images"),
    "translate-folder": ("cluster.translate", "translate a folder on all nodes of a Ray cluster"),
    "serve": ("cluster.serve", "translate on a web page, and for other programs over HTTP"),
    "convert": ("cyclegan.convert", "convert weights from and to pytorch-CycleGAN-and-pix2pix"),
    "export": ("cyclegan.export", "write a generator for TensorFlow, ONNX or TFLite runtimes"),
    "evaluate": ("cyclegan.evaluate", "compare translations with a known truth"),
    "report": ("cluster.report", "draw a run, or several to compare, as an HTML page"),
    "checkpoint": ("cluster.checkpoint", "list and verify the checkpoints of a run"),
    "calibrate": ("cluster.calibrate", "find the fastest settings for this node"),
    "doctor": ("cluster.doctor", "check this machine, or a cluster, and predict time and memory"),
    "programs": ("cluster.programs", "show what XLA compiles"),
    "k8s": ("cluster.k8s", "print Kubernetes manifests, sized for a configuration"),
    "synthetic": ("preprocess.synthetic", "draw a data set with a known truth"),
    "demo": ("cluster.demo", "train on the embedded images and measure the result"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named command in this process, as `python -m` would. Returns its exit code, or raises its SystemExit."""
    tolerate_failing_output()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        say(*usage().splitlines())
        return ExitCode.OK if given else ExitCode.USAGE
    name, *rest = given
    if name not in COMMANDS:
        fail(f"{name}: no such command{suggestion(name, COMMANDS)}; ringcycle --help lists all")
        return ExitCode.USAGE
    module = COMMANDS[name][0]
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return ExitCode.OK


def usage() -> str:
    """What `--help` prints."""
    lines = [f"  {name:18}{does}" for name, (_, does) in COMMANDS.items()]
    return "\n".join(
        ["usage: ringcycle COMMAND [ARGUMENTS]", "", *lines, "", "`ringcycle COMMAND --help` lists the arguments of a command."]
    )


if __name__ == "__main__":
    sys.exit(main())
