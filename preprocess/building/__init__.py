"""From source images to shards: the work is cut into units of one shard each, which Ray actors on all nodes process.

Knows `preprocess.sources`, `preprocess.images` and `preprocess.shards`. Never imports `preprocess.feed`.
"""
