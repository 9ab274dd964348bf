import os
from pathlib import Path

import numpy as np
import pytest

from cyclegan.inference.activation_file import ActivationFile, scratch_folder

RNG = np.random.default_rng(0)


def test_rows_come_back_in_any_order_and_into_any_rows(tmp_path: Path) -> None:
    values = RNG.normal(size=(10, 6, 3)).astype(np.float32)
    file = ActivationFile(tmp_path, values.shape)
    for start, stop in ((6, 10), (0, 1), (1, 6)):
        file.write(start, values[start:stop])
    got = np.zeros((5, 8, 3), np.float32)
    file.read(2, got[:, 1:7])
    np.testing.assert_array_equal(got[:, 1:7], values[2:7])
    assert not got[:, [0, 7]].any()
    file.write(3, -values[3:5])
    file.read(2, got[:, 1:7])
    np.testing.assert_array_equal(got[:, 1:7], values[2:7] * np.float32([1, -1, -1, 1, 1])[:, None, None])


def test_a_file_has_no_name(tmp_path: Path) -> None:
    file = ActivationFile(tmp_path, (1, 1, 1))
    file.write(0, np.ones((1, 1, 1), np.float32))
    assert os.listdir(tmp_path) == []
    file.close()


def test_what_was_never_written_cannot_be_read(tmp_path: Path) -> None:
    file = ActivationFile(tmp_path, (2, 1, 1))
    file.write(0, np.ones((1, 1, 1), np.float32))
    with pytest.raises(EOFError, match="row 1 was never written"):
        file.read(0, np.empty((2, 1, 1), np.float32))


def test_files_go_where_the_user_wants_them() -> None:
    assert scratch_folder({"TMPDIR": "/scratch"}) == Path("/scratch")
    assert scratch_folder({"TMPDIR": ""}) == scratch_folder({}) == Path("/var/tmp")
