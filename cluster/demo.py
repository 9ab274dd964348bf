"""`make demo`: train on the embedded images, then measure the result against the ground truth."""

import os
import sys
import time
from pathlib import Path

from cluster import train
from cluster.config import SYNTHETIC
from cluster.driver.console import Screen
from cluster.load_config import PRINT_CONFIG, load_config, log_level
from ringcycle.cli import ExitCode, duration, fail, run
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError

CONFIG = Path(__file__).with_name("demo.toml")
INSTALL_SECONDS = Path("build/install-seconds")


def main() -> int:
    """Train `demo.toml` with the run in ./runs; arguments override the configuration. Returns the exit code."""
    arguments = ["--config", str(CONFIG), "--run.storage", "runs", *sys.argv[1:]]
    began = time.monotonic()
    code = train.main(arguments)
    if code or PRINT_CONFIG in arguments:
        return code
    config = load_config(arguments, os.environ, trains=True)
    storage = Path(config.run.storage).absolute()
    from cyclegan.evaluate import Options, evaluate_folder  # imports TensorFlow, which takes seconds, so only once it is needed

    screen = Screen(log_level(arguments))
    run = storage / config.run.name
    images = run / "translated.png"
    try:
        measures = evaluate_folder(run, storage / SYNTHETIC, Options(images=images)).measures
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    for direction in DIRECTIONS:
        remaining, unchanged = (measures[f"{name}_l1_{direction[-1]}"].value for name in ("truth", "unchanged"))
        screen.line(
            f"{direction}: mean error {255 * remaining:.1f} of 255 against the ground truth, {255 * unchanged:.1f} if left unchanged: "
            f"ratio {remaining / unchanged:.2f}"
        )
    screen.line(f"images (input, translated, back, truth): {images}")
    if INSTALL_SECONDS.is_file():
        screen.line(f"installation took {duration(float(INSTALL_SECONDS.read_text()))}, the demo {duration(time.monotonic() - began)}")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(run(main))
