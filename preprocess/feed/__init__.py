"""From shards to batches: a plan decides which image, crop and flip; Ray actors beside each worker carry it out ahead of time.

Knows `preprocess.shards` only, whose images it reads. Never imports `preprocess.building` or `preprocess.sources`.
"""
