"""Shards: Arrow files of decoded images, the manifest that lists and seals them, and a cache for those read from an object store.

Knows files and their checksums, not where the images came from. Never imports Ray, `preprocess.building` or `preprocess.feed`.
"""
