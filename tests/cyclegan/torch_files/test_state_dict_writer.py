"""What is written is read back bit for bit, in order. `tests.cyclegan.test_convert` lets PyTorch read it, where there is one."""

import io
import struct
import zipfile

import numpy as np

from cyclegan.torch_files.state_dict import parse
from cyclegan.torch_files.state_dict_writer import ALIGNMENT, STORAGES, write_state_dict


def test_arrays_of_all_types_come_back() -> None:
    draws = np.random.default_rng(0)
    arrays = {f"model.{i}.weight": draws.integers(0, 100, (2, 3, 4)).astype(dtype) for i, dtype in enumerate(STORAGES)}
    assert len(arrays) == 8
    arrays |= {"transposed": arrays["model.0.weight"].T, "one": np.array(2**40), "ümlaut": np.array([np.nan, -0.0], np.float32)}
    file = io.BytesIO()
    write_state_dict(file, arrays)
    found = parse(file.getvalue())
    assert list(found) == list(arrays)
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array, strict=True)
        assert found[key].tobytes() == array.tobytes()


def test_bytes_of_tensors_are_aligned() -> None:
    file = io.BytesIO()
    write_state_dict(file, {f"{'x' * i}": np.arange(i, dtype=np.float32) for i in range(1, 9)})
    data = file.getvalue()
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            (extra,) = struct.unpack_from("<H", data, info.header_offset + 28)
            start = info.header_offset + 30 + len(info.filename) + extra
            assert start % ALIGNMENT == 0 and data[start : start + info.file_size] == archive.read(info)
