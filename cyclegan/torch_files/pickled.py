"""Pickles of protocol 2, interpreted: the few operations that state dicts need, on plain values and names that the caller admits.

`pickle.Unpickler` does too much with a stranger's file, even if `find_class` is overridden: it allocates memory for any four-byte memo
index, hashes any value as a key, and sets the state of any object.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cyclegan.torch_files.broken import BrokenTorchFile

MOST_BYTES = 2**20  # the 566 tensors of InceptionV3 take 80 KB
LITERALS = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING", "BINSTRING")
CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
DAMAGED = "its pickle is damaged"


@dataclass(frozen=True)
class Name:
    """A name that a pickle may mention. build: what it makes of a tuple of arguments; None if it is never called."""

    name: str
    build: Callable[[tuple[object, ...]], object] | None = None


def load(data: bytes, start: int, names: Mapping[str, Name], persistent: Callable[[object], object]) -> tuple[object, int]:
    """The value pickled at data[start:], and the position after its pickle.

    Values are None, bool, int, float, str, tuple, list, dict with keys of text, names, what names build, and what `persistent` makes of
    the identity of a thing stored outside the pickle. Raises BrokenTorchFile for anything else.
    """
    window = data[start : start + MOST_BYTES]
    machine = _Machine(names, persistent)
    try:
        for code, argument, position in pickletools.genops(window):
            if code.name == "STOP":
                return machine.result(), start + (position or 0) + 1
            machine.step(code.name, argument)
    except (IndexError, KeyError) as error:  # an empty stack, no mark, an unknown memo index
        raise BrokenTorchFile(DAMAGED) from error
    except ValueError as error:  # no operation, or cut off
        raise BrokenTorchFile(DAMAGED if len(window) < MOST_BYTES else f"its pickle has more than {MOST_BYTES:,} bytes") from error
    raise AssertionError("genops ends at STOP, or raises")


class _Machine:
    """The stack above the last mark, the stacks below each mark, and the memo."""

    def __init__(self, names: Mapping[str, Name], persistent: Callable[[object], object]) -> None:
        self._names = names
        self._persistent = persistent
        self._stack: list[object] = []
        self._below: list[list[object]] = []
        self._memo: dict[int, object] = {}

    def result(self) -> object:
        """What STOP returns: the only value that is left."""
        if self._below or len(self._stack) != 1:
            raise BrokenTorchFile(DAMAGED)
        return self._stack[0]

    def step(self, operation: str, argument: object) -> None:
        """Carry out one operation, by its name in `pickletools`."""
        stack = self._stack
        match operation, argument:
            case ("PROTO", 2):
                pass
            case (_, str() | int() | float()) if operation in LITERALS:
                stack.append(argument)
            case _ if operation in CONSTANTS:
                stack.append(CONSTANTS[operation])
            case ("EMPTY_DICT", _):
                stack.append({})
            case ("EMPTY_LIST", _):
                stack.append([])
            case ("MARK", _):
                self._below.append(stack)
                self._stack = []
            case ("TUPLE", _):
                items = self._above_mark()
                self._stack.append(tuple(items))
            case ("TUPLE1" | "TUPLE2" | "TUPLE3", _):
                items = [stack.pop() for _ in range(int(operation[-1]))]
                stack.append(tuple(reversed(items)))
            case ("BINPUT" | "LONG_BINPUT", int(index)):
                self._memo[index] = stack[-1]
            case ("BINGET" | "LONG_BINGET", int(index)):
                stack.append(self._memo[index])
            case ("APPEND", _):
                self._extend([stack.pop()])
            case ("APPENDS", _):
                self._extend(self._above_mark())
            case ("SETITEM", _):
                value, key = stack.pop(), stack.pop()
                self._update([key, value])
            case ("SETITEMS", _):
                self._update(self._above_mark())
            case ("GLOBAL", str(name)):
                stack.append(self._find(name.replace(" ", ".", 1)))
            case ("BINPERSID", _):
                stack.append(self._persistent(stack.pop()))
            case ("REDUCE", _):
                arguments, function = stack.pop(), stack.pop()
                stack.append(_call(function, arguments))
            case ("BUILD", _):
                # Sets attributes. Those of a state dict are the versions of its modules (`_metadata`), which no array depends on.
                if not isinstance(stack.pop(), dict) or not isinstance(stack[-1], dict):
                    raise BrokenTorchFile("its pickle sets the attributes of an object")
            case _:
                raise BrokenTorchFile(f"its pickle uses {operation}, which torch.save's protocol 2 never does for tensors")

    def _above_mark(self) -> list[object]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise BrokenTorchFile(DAMAGED)
        target.extend(items)

    def _update(self, items: list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise BrokenTorchFile(DAMAGED)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise BrokenTorchFile(f"the keys of its dictionaries are {type(key).__name__}, not text")
            target[key] = value

    def _find(self, name: str) -> Name:
        if name not in self._names:
            raise BrokenTorchFile(f"it names {name[:100]}, and only tensors are read")
        return self._names[name]


def _call(function: object, arguments: object) -> object:
    if not isinstance(function, Name) or function.build is None or not isinstance(arguments, tuple):
        raise BrokenTorchFile(DAMAGED)
    return function.build(arguments)
