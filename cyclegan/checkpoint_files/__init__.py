"""Files of a checkpoint: parts first, then an index with their checksums, whose presence makes the folder a checkpoint.

    step-00000200/
        checkpoint.json           the index: what, by which versions, the checksum of each part, and its own
        part-00000-1a2b3c4d.npz   rank 0: weights with Adam's moments, and the pools of its rows
        part-00001-1a2b3c4d.npz   rank 1: the pools of its rows
        …

The index is written atomically, on a disk by a rename, in an object store by one request: a checkpoint exists or it does not, and one
replaces another of the same step atomically, as the names of the parts carry the token of the attempt that wrote them.

Reading one needs no cluster and no pickle. A folder without a valid index, or whose parts do not match it, is no checkpoint.
Knows files and the names of arrays. Never imports `cyclegan.training` or TensorFlow.
"""
