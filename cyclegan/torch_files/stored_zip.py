"""Zip files as `torch.save` writes them: every entry stored without compression, none overlapping another.

`zipfile` would read a central directory of any size into objects, 500 bytes each; this reader believes no number before it is checked.
"""

import struct
import zlib
from itertools import pairwise

from cyclegan.torch_files.broken import BrokenTorchFile

END = struct.Struct("<4s4H2LH")
ENTRY = struct.Struct("<4s6H3L5H2L")
HEADER = struct.Struct("<4s5H3L2H")
FLAGS = 0x0808  # torch sets both: sizes follow the data (and are in the directory too), names are UTF-8


class StoredZip:
    """The entries of a zip file in memory."""

    def __init__(self, data: bytes) -> None:
        """Read the directory of `data`. Raises BrokenTorchFile unless all entries are stored, and lie apart within `data`."""
        self._data = data
        self._entries: dict[str, tuple[int, int, int]] = {}  # start, end, CRC-32
        try:
            signature, *_, count, size, directory, comment = END.unpack_from(data, len(data) - END.size)
            if signature != b"PK\5\6" or comment or directory + size > len(data):
                raise BrokenTorchFile("it is cut off, or no zip file")
            position = directory
            for _ in range(count):
                position = self._read_entry(position, directory)
        except (struct.error, UnicodeDecodeError) as error:
            raise BrokenTorchFile("its directory is damaged") from error
        spans = sorted(self._entries.values())
        if any(end > start for (_, end, _), (start, _, _) in pairwise(spans)):
            raise BrokenTorchFile("its entries overlap")

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self) -> list[str]:
        """All names, in the order of the directory."""
        return list(self._entries)

    def read(self, name: str) -> memoryview:
        """The bytes of an entry, not copied. Raises BrokenTorchFile if there is none, or its checksum differs."""
        if name not in self._entries:
            raise BrokenTorchFile(f"it has no entry {name[:100]}")
        start, end, checksum = self._entries[name]
        content = memoryview(self._data)[start:end]
        if zlib.crc32(content) != checksum:
            raise BrokenTorchFile(f"its entry {name[:100]} is damaged")
        return content

    def _read_entry(self, position: int, directory: int) -> int:
        """Read the entry of the directory at `position`; the result is the position of the next one."""
        fields = ENTRY.unpack_from(self._data, position)
        signature, _, _, flags, method, _, _, checksum, packed, size, length, extra, comment, *_, header = fields
        after = position + ENTRY.size
        name = self._data[after : after + length].decode()
        if flags & ~FLAGS or method or packed != size:
            raise BrokenTorchFile("its entries are compressed or encrypted, which torch.save never does")
        local, *_, local_length, local_extra = HEADER.unpack_from(self._data, header)
        start = header + HEADER.size + local_length + local_extra
        if signature != b"PK\1\2" or local != b"PK\3\4" or name in self._entries or start + size > directory:
            raise BrokenTorchFile("its directory is damaged")
        self._entries[name] = (start, start + size, checksum)
        return int(after + length + extra + comment)
