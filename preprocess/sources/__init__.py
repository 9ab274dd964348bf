"""Which images there are: lists the files of a source, in folders or object stores, and names them by a fingerprint.

Knows layouts, lists and splits, and never looks into an image. Never imports `preprocess.building` or `preprocess.feed`.
"""
