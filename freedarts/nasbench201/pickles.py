"""Reads the pickles of the benchmark piece by piece, and runs nothing that they contain.

The released file is one pickle that would make 28 GB of objects. `Machine` steps through its instructions, hands out
each architecture when it is whole, and then forgets it. The four harmless globals that the files name are known here by
name; none is imported.
"""

import pickle
import re
import struct
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

import numpy as np

from freedarts.files import InputError

CHUNK, MARGIN = 1 << 20, 1 << 16
# What a pickle machine raises for instructions that do not fit together.
DAMAGE = (
    TypeError,
    ValueError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
    EOFError,
    pickle.UnpicklingError,
)
_SCALARS = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")  # before and since numpy 2
_ALLOWED = ("collections.OrderedDict", *_SCALARS, "numpy.dtype", "_codecs.encode")


class _Global(str):
    """The name of an allowed global. Calling it makes what the benchmark's files make with it, and nothing else; it has
    no attributes that a pickle could set."""

    __slots__ = ()

    def __call__(self, *arguments: object) -> object:
        match str(self), arguments:
            case "collections.OrderedDict", ():
                return OrderedDict()
            case "numpy.dtype", (str(code), _, _) if re.fullmatch("[fiu][1248]", code):
                return np.dtype("<" + code)
            case "_codecs.encode", (str(text), "latin1"):
                return text.encode("latin1")
            case name, (np.dtype() as dtype, bytes(raw)) if name in _SCALARS and len(raw) == dtype.itemsize:
                return np.frombuffer(raw, dtype)[0]
        raise InputError(f"calls {self} with arguments that no NAS-Bench-201 file has; nothing was run")


def _global(module: str, name: str) -> _Global:
    if (found := f"{module}.{name}") not in _ALLOWED:
        raise InputError(f"names the global {found}, which no NAS-Bench-201 file needs; nothing was run")
    return _Global(found)


class _Codes(dict):
    """Text -> its number, counted from 1."""

    def __init__(self):
        self.texts: list[str | None] = [None]
        self._runs: dict[tuple[bytes, int], tuple[list[str], array]] = {}

    def __missing__(self, text: str) -> int:
        code = self[text] = len(self.texts)
        self.texts.append(text)
        return code

    def run(self, joined: bytes, length: int) -> tuple[list[str], array]:
        """The texts, each of *length* bytes, that *joined* holds, and their numbers."""
        if (found := self._runs.get((joined, length))) is None:
            if len(self._runs) == 4096:
                self._runs.clear()
            texts = [_decode(joined[start : start + length]) for start in range(0, len(joined), length)]
            found = self._runs[joined, length] = texts, array("I", [self[text] for text in texts])
        return found


# Nearly all of a file are runs of (key, float) for the epochs of a curve. One match and one conversion do a whole run;
# the result is what its instructions would do one by one. Keys: a small integer; a memo entry; a new text and its memo
# entry (there are the same few lists of texts all over the file).
_INTEGER_RUN = re.compile(rb"(?:K.G........)+", re.DOTALL)
_REFERENCE_RUN = re.compile(rb"(?:j....G........)+", re.DOTALL)
_REFERENCE = np.dtype([("j", "V1"), ("entry", "<u4"), ("G", "V1"), ("value", ">f8")])
_integers = lru_cache(1024)(lambda count: struct.Struct(">" + "xBxd" * count))


@lru_cache(256)
def _text_run(length: int) -> tuple[re.Pattern[bytes], np.dtype]:
    fields = [("X", "V5"), ("text", f"V{length}"), ("r", "V1"), ("entry", "<u4"), ("G", "V1"), ("value", ">f8")]
    start = re.escape(struct.pack("<I", length))
    return re.compile(b"(?:X%b%br....G........)+" % (start, b"." * length), re.DOTALL), np.dtype(fields)


def _is_shared(value: object) -> bool:
    """Whether architectures may share it: globals, dtypes, and (data set, seed), all of them small and few."""
    return isinstance(value, _Global | np.dtype) or (type(value) is tuple and type(value[-1]) is int)


def _decode(encoded: bytes) -> str:
    return encoded.decode("utf-8", "surrogatepass")


def _pairs(keys: list, values: np.ndarray) -> list:
    pairs = [None] * (2 * len(keys))
    pairs[::2], pairs[1::2] = keys, values.tolist()
    return pairs


class Machine:
    """A pickle machine for the instructions of protocol 2.

    The memo must not keep what was handed out. Architectures may share texts (keys are shared), so each memo entry that
    is a text costs four bytes, its number; containers are forgotten with their architecture.
    """

    def __init__(self, file: BinaryIO):
        self.file = file
        self.data, self.position, self.limit, self.offset = b"", 0, -1, 0
        self.codes = _Codes()

    def _refill(self, position: int) -> bytes:
        self.offset += position
        self.data = self.data[position:] + (chunk := self.file.read(CHUNK))
        self.limit = len(self.data) - MARGIN if len(chunk) == CHUNK else len(self.data)
        return self.data

    def load(self) -> object:
        """The next pickle of the file, whole."""
        try:
            next(self.run(key=None))
        except StopIteration as stop:
            return stop.value
        raise AssertionError("without a key nothing is handed out")

    def run(self, key: str | None) -> Iterator[tuple[object, object]]:
        """Run the next pickle; yield the items of its dictionary under *key* (which stays empty); return the rest.

        Raises InputError with the byte where the file is damaged or does what it must not.
        """
        try:
            return (yield from self._steps(key))
        except InputError as error:
            raise InputError(f"byte {self.offset + self.position}: {error}") from None
        except DAMAGE as error:
            place = self.offset + self.position
            reason = str(error) or type(error).__name__
            raise InputError(f"cut short or damaged near byte {place} ({reason})") from None

    def _steps(self, key: str | None) -> Iterator[tuple[object, object]]:
        data, position, limit = self.data, self.position, self.limit
        codes, texts = self.codes, self.codes.texts
        memo, kept, passing = array("I"), {}, {}  # numbers of texts, 0 for others; what is shared; all others
        stack, frames, target = [], [], None
        while True:
            self.position = position
            if position > limit:
                data, position = self._refill(position), 0
                self.position, limit = position, self.limit
            match data[position]:
                case 0x6A | 0x68 as op:  # LONG_BINGET, BINGET
                    if op == 0x6A and data[position + 5] == 0x47:
                        end = _REFERENCE_RUN.match(data, position).end()
                        run = np.frombuffer(data, _REFERENCE, (end - position) // 14, position)
                        keys = [texts[memo[entry]] for entry in run["entry"].tolist()]
                        if None not in keys:
                            stack += _pairs(keys, run["value"])
                            position = end
                            continue
                    size = 5 if op == 0x6A else 2
                    index = int.from_bytes(data[position + 1 : position + size], "little")
                    if code := memo[index]:
                        stack.append(texts[code])
                    elif index in passing:
                        stack.append(passing[index])
                    elif index in kept:
                        stack.append(kept[index])
                    else:
                        raise InputError("refers to a part of an architecture that was already handed out")
                    position += size
                case 0x58:  # BINUNICODE
                    length = int.from_bytes(data[position + 1 : position + 5], "little")
                    if length > MARGIN // 2:
                        raise InputError(f"a text of {length} bytes; the names in a NAS-Bench-201 file are short")
                    end = position + 5 + length
                    if data[end] == 0x72 and data[end + 5] == 0x47:
                        pattern, record = _text_run(length)
                        end = pattern.match(data, position).end()
                        run = np.frombuffer(data, record, (end - position) // record.itemsize, position)
                        if run["entry"].tolist() != list(range(len(memo), len(memo) + len(run))):
                            raise InputError("memo entries out of order")
                        keys, numbers = codes.run(run["text"].tobytes(), length)
                        memo += numbers
                        stack += _pairs(keys, run["value"])
                    else:
                        if end > len(data):
                            raise EOFError
                        stack.append(_decode(data[position + 5 : end]))
                    position = end
                case 0x72 | 0x71 as op:  # LONG_BINPUT, BINPUT
                    size = 5 if op == 0x72 else 2
                    index, value = int.from_bytes(data[position + 1 : position + size], "little"), stack[-1]
                    if index != len(memo):
                        raise InputError("memo entries out of order")
                    if type(value) is str:
                        memo.append(codes[value])
                    else:
                        memo.append(0)
                        (kept if _is_shared(value) else passing)[index] = value
                    position += size
                case 0x4B:  # BININT1
                    if data[position + 2] == 0x47:
                        end = _INTEGER_RUN.match(data, position).end()
                        stack += _integers((end - position) // 11).unpack_from(data, position)
                        position = end
                    else:
                        stack.append(data[position + 1])
                        position += 2
                case 0x7D:  # EMPTY_DICT
                    value = {}
                    if key is not None and len(frames) == 1 and stack and stack[-1] == key:
                        target = value
                    stack.append(value)
                    position += 1
                case 0x28:  # MARK
                    frames.append(stack)
                    stack = []
                    position += 1
                case 0x75 | 0x73 as op:  # SETITEMS, SETITEM
                    if op == 0x75:
                        items, stack = stack, frames.pop()
                    else:
                        items = stack[-2:]
                        del stack[-2:]
                    into = stack[-1]
                    if into is target and target is not None:
                        yield from zip(items[::2], items[1::2], strict=True)
                        passing.clear()
                    elif isinstance(into, dict):
                        into.update(zip(items[::2], items[1::2], strict=True))
                        if target is not None and len(stack) == 2 and frames and frames[-1][-1] is target:
                            yield tuple(stack)
                            stack.clear()
                            passing.clear()
                    else:
                        raise InputError(f"sets items of a {type(into).__name__}")
                    position += 1
                case 0x47:  # BINFLOAT
                    stack += struct.unpack_from(">d", data, position + 1)
                    position += 9
                case 0x4D | 0x4A as op:  # BININT2, BININT
                    stack += struct.unpack_from("<H" if op == 0x4D else "<i", data, position + 1)
                    position += 3 if op == 0x4D else 5
                case 0x4E | 0x88 | 0x89 as op:  # NONE, NEWTRUE, NEWFALSE
                    stack.append(None if op == 0x4E else op == 0x88)
                    position += 1
                case 0x5D | 0x29 as op:  # EMPTY_LIST, EMPTY_TUPLE
                    stack.append([] if op == 0x5D else ())
                    position += 1
                case 0x61 | 0x65 as op:  # APPEND, APPENDS
                    if op == 0x65:
                        items, stack = stack, frames.pop()
                    else:
                        items = [stack.pop()]
                    if type(stack[-1]) is not list:
                        raise InputError(f"appends to a {type(stack[-1]).__name__}")
                    stack[-1] += items
                    position += 1
                case 0x85 | 0x86 | 0x87 as op:  # TUPLE1, TUPLE2, TUPLE3
                    stack[0x84 - op :] = [tuple(stack[0x84 - op :])]
                    position += 1
                case 0x74:  # TUPLE
                    items, stack = stack, frames.pop()
                    stack.append(tuple(items))
                    position += 1
                case 0x52:  # REDUCE
                    arguments = stack.pop()
                    if type(stack[-1]) is not _Global:  # a text may read like one
                        raise InputError(f"calls a {type(stack[-1]).__name__}; nothing was run")
                    stack[-1] = stack[-1](*arguments)
                    position += 1
                case 0x62:  # BUILD, of a dtype: its byte order
                    state = stack.pop()
                    if not isinstance(stack[-1], np.dtype) or state[1] != "<":
                        raise InputError(f"sets the state of a {type(stack[-1]).__name__}")
                    position += 1
                case 0x63:  # GLOBAL
                    module, name = (end := data.index(b"\n", position)), data.index(b"\n", end + 1)
                    stack.append(_global(data[position + 1 : module].decode(), data[module + 1 : name].decode()))
                    position = name + 1
                case 0x8A:  # LONG1
                    end = position + 2 + data[position + 1]
                    stack.append(int.from_bytes(data[position + 2 : end], "little", signed=True))
                    position = end
                case 0x80:  # PROTO
                    if data[position + 1] > 2:
                        raise InputError(f"pickle protocol {data[position + 1]}; torch.save writes protocol 2")
                    position += 2
                case 0x2E:  # STOP
                    self.position = position + 1
                    return stack.pop()
                case op:
                    raise InputError(f"pickle instruction {op:#04x}, which a NAS-Bench-201 file has no use for")


class Unpickler(pickle.Unpickler):
    """pickle's own machine, for a small pickle of any protocol, with the same few globals."""

    def find_class(self, module: str, name: str) -> _Global:
        return _global(module, name)

    def persistent_load(self, reference: object) -> object:
        raise InputError(f"a persistent reference {reference!r}, which no NATS-Bench file needs")
