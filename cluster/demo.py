"""`make demo`: train on the embedded images, then measure the result against the ground truth."""

import os
import sys
import time
from pathlib import Path

from cluster import train
from cluster.config import SYNTHETIC, load_config
from cluster.driver.console import Screen
from ringcycle.cli import ExitCode, duration, fail, run
from ringcycle.errors import UserError

CONFIG = Path(__file__).with_name("demo.toml")
INSTALL_SECONDS = Path("build/install-seconds")


def main() -> int:
    """Train `demo.toml` with the run in ./runs; arguments override the configuration. Returns the exit code."""
    arguments = ["--config", str(CONFIG), "--run.storage", "runs", *sys.argv[1:]]
    began = time.monotonic()
    code = train.main(arguments)
    if code:
        return code
    config = load_config(arguments, os.environ)
    storage = Path(config.run.storage).absolute()
    from cyclegan.evaluate import ground_truth_error  # imports TensorFlow, which training has loaded by now

    screen = Screen()
    run = storage / config.run.name
    images = run / "translated.png"
    try:
        errors = ground_truth_error(run, storage / SYNTHETIC, images)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    for direction, found in errors.items():
        screen.line(
            f"{direction}: mean error {found.translated:.1f} of 255 against the ground truth, {found.unchanged:.1f} if left unchanged: "
            f"ratio {found.ratio:.2f}"
        )
    screen.line(f"images (input, translated, truth): {images}")
    if INSTALL_SECONDS.is_file():
        screen.line(f"installation took {duration(float(INSTALL_SECONDS.read_text()))}, the demo {duration(time.monotonic() - began)}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(run(main))
