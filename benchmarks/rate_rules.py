"""How should the learning rate grow with the global batch? Trainings on the embedded data with equal numbers of images seen.

    python -m benchmarks.rate_rules [--images 4000] [--seeds 3] [--batches 1 4 8] [--rates 1e-3] [--folder FOLDER] [--section.field VALUE …]

Each cell: median error against the truth over that of the unchanged image, A→B / B→A, with the range over the seeds. One worker computes
the global batch, which is the same as several workers with parts of it. At batch 1 all rules are one training. A rule's value can hide
behind a rate that is badly chosen at batch 1: give several. Further options are those of `cluster.train`.
"""

import argparse
from typing import get_args

from benchmarks.embedded_runs import add_options, cell, folder_of, outcomes, print_table
from cyclegan.config import RateRule


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8], help="global batches")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3], help="learning rates at global batch 1")
    given, others = parser.parse_known_args()
    rules = get_args(RateRule)
    rows = []
    with folder_of(given) as folder:
        for rate in given.rates:
            for batch in given.batches:
                cells = {}
                for rule in rules if batch > 1 else rules[:1]:
                    settings = {
                        "train.learning_rate": rate,
                        "train.rate_rule": rule,
                        "train.batch": batch,
                        "train.steps": given.images // batch,
                    }
                    cells[rule] = cell(outcomes(folder, f"rate-{rate:g}-batch-{batch}-{rule}", settings, others, given.seeds))
                rows.append([f"{rate:g}", str(batch), f"{given.images // batch:,}", *(cells.get(rule, "as sqrt") for rule in rules)])
    print_table(["rate at batch 1", "global batch", "steps", *rules], rows)


if __name__ == "__main__":
    main()
