"""One process of the training group: compiles the step, runs the training loop and reports to the status board.

Knows TensorFlow, Ray Train and the feed, and what happens after a step: checkpoints, checksums, metrics. Never imports the driver.
"""
