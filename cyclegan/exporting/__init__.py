"""One direction of a training in the formats of other runtimes: SavedModel, ONNX, TFLite; each file read back and compared.

Knows generators and the files of other runtimes, whose packages are optional and imported when used. Never imports `cluster` or Ray.
"""
