"""The two domains, the directions between them, and the splits of a data set: their names, defined once."""

DOMAINS = ("A", "B")
DIRECTIONS = ("AtoB", "BtoA")
TRAIN_SPLITS = ("trainA", "trainB")
TEST_SPLITS = ("testA", "testB")
SPLITS = TRAIN_SPLITS + TEST_SPLITS
