"""How high may the learning rate be, and what helps at a high one? Trainings on the embedded data.

    python -m benchmarks.rates [--images 4000] [--seeds 3] [--rates 5e-4 …] [--folder FOLDER] [--section.field VALUE …]

Each cell: median error against the truth over that of the unchanged image, A→B / B→A, with the range over the seeds, and how many of the
trainings inverted light and dark, painted one even tone, dropped updates or failed. Further options are those of `cluster.train`.
"""

import argparse

from benchmarks.embedded_runs import add_options, cell, folder_of, outcomes, print_table

REMEDIES: dict[str, dict[str, object]] = {
    "nothing": {},
    "warm-up 10 %": {"train.warmup": 0.1},
    "clipped at 1": {"train.clip_norm": 1},
    "discriminators × 0.25": {"train.discriminator_rate": 0.25},
    "all three": {"train.warmup": 0.1, "train.clip_norm": 1, "train.discriminator_rate": 0.25},
}


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-4, 1e-3, 2e-3, 4e-3, 8e-3], help="learning rates, at batch 1")
    given, others = parser.parse_known_args()
    rows = []
    with folder_of(given) as folder:
        for rate in given.rates:
            cells = []
            for number, settings in enumerate(REMEDIES.values()):
                settings = {"train.learning_rate": rate, "train.steps": given.images, **settings}
                cells.append(cell(outcomes(folder, f"rate-{rate:g}-remedy-{number}", settings, others, given.seeds)))
            rows.append([f"{rate:g}", *cells])
    print_table(["learning rate", *REMEDIES], rows)


if __name__ == "__main__":
    main()
