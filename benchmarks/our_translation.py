"""Our side of `benchmarks.translate`: a folder of images as `cyclegan.translate` does it, with the protocol of `torch_translation.py`."""

import argparse
import os
import sys
import time
from pathlib import Path

from cyclegan.import_tensorflow import tensorflow_environment

os.environ |= tensorflow_environment(3)
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.job_translator import IN_FLIGHT, JobTranslator, TranslationSettings
from cyclegan.inference.run_jobs import in_order, run_jobs
from cyclegan.inference.scale import Scale
from cyclegan.inference.translation_plan import Size, Speed, plan_jobs, shapes_of
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes

NEVER, ALWAYS = Speed(compile_seconds=float("inf")), Speed(compile_seconds=0, compile_seconds_per_block=0)


def main() -> None:
    """Warm up, then translate the folder for each line on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("source", "out"):
        parser.add_argument(name, type=Path)
    for name in ("size", "filters", "blocks", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--eager", action="store_true")
    given = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(given.threads)
    tf.config.threading.set_inter_op_parallelism_threads(given.threads)
    model = ModelSpec(filters=given.filters, blocks=given.blocks)
    trained = GeneratorCheckpoint("none", 1, model, FlatParameters(generator_shapes(model)).initial(0))
    files = [(file, given.out / f"{file.stem}.png") for file in sorted(given.source.iterdir())]
    jobs = plan_jobs([Size(given.size, given.size, 8)] * len(files), model, given.threads, NEVER if given.eager else ALWAYS)
    translate = JobTranslator(TranslationSettings(trained, "AtoB", Scale("native"), 64), shapes_of(jobs))

    def run() -> float:
        begin = time.perf_counter()
        finished = run_jobs(jobs, lambda job: translate([files[i] for i in job.images], job.shape), IN_FLIGHT)
        assert len(list(in_order(finished))) == len(files)
        return time.perf_counter() - begin

    first = run()
    print(f"the first pass over the folder took {first:.1f} s", file=sys.stderr)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(run(), flush=True)


if __name__ == "__main__":
    main()
