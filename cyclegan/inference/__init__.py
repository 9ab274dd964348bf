"""Translation: generators read from a checkpoint, applied to image files of any size.

Knows image files, checkpoints and one generator at a time. Never imports `cluster` or Ray; only `translator` and `strips` import
TensorFlow.
"""
