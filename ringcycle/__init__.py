"""What every package shares: storage, errors, hashing, exit codes, logging, starting Ray.

Knows paths, URIs and processes, but nothing of images, models or training runs. Never imports `preprocess`, `cyclegan` or `cluster`.
"""
