"""The tracker of a run, MLflow or Weights & Biases: a process beside the driver reads the run's files as they grow, and sends them on.

So nothing that a tracker does reaches the training, and what it missed is sent once it answers, even by a later launch. The packages of
both are optional, and imported in that process only.
"""
