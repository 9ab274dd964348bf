"""Pickles of plain values are read as Python reads them; everything else is refused in one line, in bounded time and memory."""

import pickle
import struct
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyclegan.torch_files.broken import BrokenTorchFile
from cyclegan.torch_files.pickle_writer import call, name, value
from cyclegan.torch_files.pickled import DAMAGED, MOST_BYTES, Name, load
from tests.cyclegan.torch_files.written import dictionary

NAMES = {"math.prod": Name("math.prod", lambda arguments: ("called", arguments)), "torch.Kind": Name("torch.Kind")}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner).map(tuple),
    max_leaves=20,
)


def read(operations: bytes) -> object:
    return load(b"\x80\2" + operations + b".", 0, NAMES, lambda identity: ("stored", identity))[0]


@settings(max_examples=20, deadline=None)
@given(plain=PLAIN)
def test_plain_values(plain: object) -> None:
    pickled = pickle.dumps([plain, plain], 2)
    assert load(b"before" + pickled + b"after", 6, {}, lambda _: None) == ([plain, plain], 6 + len(pickled))


def test_admitted_names_are_called_and_stored_things_found() -> None:
    assert read(call("math", "prod", 3, ("x",))) == ("called", (3, ("x",)))
    assert read(name("torch", "Kind")) == Name("torch.Kind")
    assert read(value(("storage", 1)) + b"Q") == ("stored", ("storage", 1))


def test_text_of_python_2() -> None:
    assert read(b"U\3abcq\0") == read(b"T\3\0\0\0abc") == "abc"


def test_the_attributes_of_a_dictionary_are_left_out() -> None:
    assert read(dictionary({"a": value(1)}) + dictionary({"_metadata": b"}"}) + b"b") == {"a": 1}


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return eval, ("1 / 0",)


def test_no_other_name_is_even_looked_up() -> None:
    with pytest.raises(BrokenTorchFile, match=r"^it names builtins\.eval, and only tensors are read$"):
        load(pickle.dumps(Evil(), 2, fix_imports=False), 0, NAMES, lambda _: None)
    with pytest.raises(BrokenTorchFile, match=r"^it names n{100}, and"):
        read(name("n" * 5000, "f"))


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        (b"", DAMAGED),
        (b"NN", DAMAGED),
        (b"(N", DAMAGED),
        (b"t", DAMAGED),
        (b"\x86", DAMAGED),
        (b"h\7", DAMAGED),
        (b"}NNu", DAMAGED),
        (b"}(Nu", DAMAGED),
        (b")(Nu", DAMAGED),
        (b")Na", DAMAGED),
        (b"NNR", DAMAGED),
        (name("torch", "Kind") + b")R", DAMAGED),
        (name("math", "prod") + b"NR", DAMAGED),
        (b"\xff", DAMAGED),
        (b"X\xff\xff\xff\xffabc", DAMAGED),
        (b"}NNs", "the keys of its dictionaries are NoneType, not text"),
        (b"})Ns", "the keys of its dictionaries are tuple, not text"),
        (b")}b", "its pickle sets the attributes of an object"),
        (b"}Nb", "its pickle sets the attributes of an object"),
        (b"\x8a\1", DAMAGED),
        (b"B\3\0\0\0abc", "its pickle uses BINBYTES, which torch.save's protocol 2 never does for tensors"),
        (b"\x80\4", "its pickle uses PROTO, which torch.save's protocol 2 never does for tensors"),
    ],
)
def test_damage(operations: bytes, reason: str) -> None:
    with pytest.raises(BrokenTorchFile) as error:
        read(operations)
    assert str(error.value) == reason


def test_cut_off() -> None:
    whole = pickle.dumps({"a": [1, ("b", 2.5, 2**70)]}, 2)
    for length in range(len(whole)):
        with pytest.raises(BrokenTorchFile):
            load(whole[:length], 0, {}, lambda _: None)


def test_too_long() -> None:
    with pytest.raises(BrokenTorchFile, match=r"^its pickle has more than 1,048,576 bytes$"):
        read(b"X" + struct.pack("<I", MOST_BYTES) + b"a" * MOST_BYTES)


@pytest.mark.parametrize(
    "operations",
    [
        b"Nr\xff\xff\xff\xff",  # pickle.Unpickler would allocate 32 GiB for this memo index
        b")" + b"q\0h\0h\0\x86" * 20_000,  # tuples doubled again and again, of which nobody may take the hash or the text
        b")" + b"\x85" * 30_000,  # nested too deeply for recursion
        b"]" + b"q\0]h\0a" * 20_000,
        b"(" * 50_000 + b"t" * 49_999,
        b"]q\0h\0a",  # a list in itself
    ],
)
def test_bombs_do_not_explode(operations: bytes) -> None:
    start = time.process_time()
    with suppress(BrokenTorchFile):
        read(operations)
    assert time.process_time() - start < 5
