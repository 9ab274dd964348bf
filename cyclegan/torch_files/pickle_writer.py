"""Pickles of protocol 2, written operation by operation: what `pickled` reads, for objects that do not exist here."""

import struct
from collections.abc import Mapping


def pickled(v: object) -> bytes:
    """A pickle of one value, as in `value`."""
    return b"\x80\2" + value(v) + b"."


def value(v: object) -> bytes:
    """The operations that make text, an integer, a truth value, None or a tuple of such; bytes are operations already."""
    match v:
        case bytes():
            return v
        case None | bool():
            return {None: b"N", True: b"\x88", False: b"\x89"}[v]
        case str():
            return b"X" + struct.pack("<I", len(v.encode())) + v.encode()
        case int() if -(2**31) <= v < 2**31:
            return b"J" + struct.pack("<i", v)
        case int():
            size = v.bit_length() // 8 + 1
            return b"\x8a" + bytes([size]) + v.to_bytes(size, "little", signed=True)
        case tuple():
            return b"(" + b"".join(map(value, v)) + b"t"
    raise TypeError(v)


def name(module: str, attribute: str) -> bytes:
    """The operations that make what a module calls `attribute`."""
    return f"c{module}\n{attribute}\n".encode()


def call(module: str, attribute: str, *arguments: object) -> bytes:
    """The operations that call it; arguments as in `value`."""
    return name(module, attribute) + value(arguments) + b"R"


def set_items(made: bytes, entries: Mapping[str, bytes]) -> bytes:
    """The operations that set entries of the dictionary that `made` makes; both are operations."""
    return made + b"(" + b"".join(value(key) + v for key, v in entries.items()) + b"u"
