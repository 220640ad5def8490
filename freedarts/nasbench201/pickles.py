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

# Codes of instructions, as numbers; the SETs are those that may hand something out.
_LONG_BINGET, _LONG_BINPUT, _BINFLOAT = pickle.LONG_BINGET[0], pickle.LONG_BINPUT[0], pickle.BINFLOAT[0]
_SETITEMS, _APPENDS, _TUPLE1, _STOP = pickle.SETITEMS[0], pickle.APPENDS[0], pickle.TUPLE1[0], pickle.STOP[0]
_SET = (_SETITEMS, pickle.SETITEM[0])
_NUMBERS = {
    _BINFLOAT: struct.Struct(">d"),
    pickle.BININT2[0]: struct.Struct("<H"),
    pickle.BININT[0]: struct.Struct("<i"),
}
_BYTE, _UINT = struct.Struct("<B"), struct.Struct("<I")
_INDICES = {_LONG_BINGET: _UINT, pickle.BINGET[0]: _BYTE, _LONG_BINPUT: _UINT, pickle.BINPUT[0]: _BYTE}
_CONSTANTS = {
    pickle.NONE[0]: None,
    pickle.NEWTRUE[0]: True,
    pickle.NEWFALSE[0]: False,
    pickle.EMPTY_TUPLE[0]: (),
}


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
    if (path := f"{module}.{name}") not in _ALLOWED:
        raise InputError(f"names the global {path}, which no NAS-Bench-201 file needs; nothing was run")
    return _Global(path)


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
        if (run := self._runs.get((joined, length))) is None:
            if len(self._runs) == 4096:
                self._runs.clear()
            texts = [_decode(joined[start : start + length]) for start in range(0, len(joined), length)]
            run = self._runs[joined, length] = texts, array("I", [self[text] for text in texts])
        return run


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

    Each instruction is a method, which takes its code and moves on last: `position` is where an error was met.
    """

    def __init__(self, file: BinaryIO):
        self.file = file
        self.data, self.position, self.limit, self.offset = b"", 0, -1, 0
        self.codes = _Codes()

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
            return (yield from self._run(key))
        except InputError as error:
            raise InputError(f"byte {self.offset + self.position}: {error}") from None
        except DAMAGE as error:
            place = self.offset + self.position
            reason = str(error) or type(error).__name__
            raise InputError(f"cut short or damaged near byte {place} ({reason})") from None

    def _run(self, key: str | None) -> Iterator[tuple[object, object]]:
        self.key, self.target = key, None  # the dictionary under the key
        self.stack, self.frames = [], []
        self.memo, self.kept, self.passing = array("I"), {}, {}  # numbers of texts, 0 for others; shared; all others
        while True:
            if self.position > self.limit:
                self._refill()
            code = self.data[self.position]
            if code in _SET:
                yield from self._set_items(code)
            elif code == _STOP:
                self.position += 1
                return self.stack.pop()
            else:
                _INSTRUCTIONS.get(code, Machine._refuse)(self, code)

    def _refill(self) -> None:
        self.offset += self.position
        self.data = self.data[self.position :] + (chunk := self.file.read(CHUNK))
        self.position = 0
        self.limit = len(self.data) - MARGIN if len(chunk) == CHUNK else len(self.data)

    def _argument(self, form: struct.Struct) -> int:
        """The number behind the instruction's code."""
        return form.unpack_from(self.data, self.position + 1)[0]

    def _get(self, code: int) -> None:
        if code == _LONG_BINGET and self.data[self.position + 5] == _BINFLOAT and self._reference_run():
            return
        form = _INDICES[code]
        index = self._argument(form)
        if text := self.memo[index]:
            self.stack.append(self.codes.texts[text])
        elif index in self.passing:
            self.stack.append(self.passing[index])
        elif index in self.kept:
            self.stack.append(self.kept[index])
        else:
            raise InputError("refers to a part of an architecture that was already handed out")
        self.position += 1 + form.size

    def _reference_run(self) -> bool:
        """Do a whole run, if its keys are texts."""
        end = _REFERENCE_RUN.match(self.data, self.position).end()
        run = np.frombuffer(self.data, _REFERENCE, (end - self.position) // _REFERENCE.itemsize, self.position)
        memo, texts = self.memo, self.codes.texts
        keys = [texts[memo[entry]] for entry in run["entry"].tolist()]
        if None in keys:
            return False
        self.stack += _pairs(keys, run["value"])
        self.position = end
        return True

    def _put(self, code: int) -> None:
        form, value = _INDICES[code], self.stack[-1]
        index = self._argument(form)
        if index != len(self.memo):
            raise InputError("memo entries out of order")
        if type(value) is str:
            self.memo.append(self.codes[value])
        else:
            self.memo.append(0)
            (self.kept if _is_shared(value) else self.passing)[index] = value
        self.position += 1 + form.size

    def _text(self, code: int) -> None:
        length = self._argument(_UINT)
        if length > MARGIN // 2:
            raise InputError(f"a text of {length} bytes; the names in a NAS-Bench-201 file are short")
        start = self.position + 5
        end = start + length
        if self.data[end] == _LONG_BINPUT and self.data[end + 5] == _BINFLOAT:
            return self._text_run(length)
        if end > len(self.data):
            raise EOFError
        self.stack.append(_decode(self.data[start:end]))
        self.position = end

    def _text_run(self, length: int) -> None:
        pattern, record = _text_run(length)
        end = pattern.match(self.data, self.position).end()
        run = np.frombuffer(self.data, record, (end - self.position) // record.itemsize, self.position)
        if run["entry"].tolist() != list(range(len(self.memo), len(self.memo) + len(run))):
            raise InputError("memo entries out of order")
        keys, numbers = self.codes.run(run["text"].tobytes(), length)
        self.memo += numbers
        self.stack += _pairs(keys, run["value"])
        self.position = end

    def _small_integer(self, code: int) -> None:
        if self.data[self.position + 2] == _BINFLOAT:
            end = _INTEGER_RUN.match(self.data, self.position).end()
            self.stack += _integers((end - self.position) // 11).unpack_from(self.data, self.position)
            self.position = end
        else:
            self.stack.append(self.data[self.position + 1])
            self.position += 2

    def _number(self, code: int) -> None:
        form = _NUMBERS[code]
        self.stack += form.unpack_from(self.data, self.position + 1)
        self.position += 1 + form.size

    def _long(self, code: int) -> None:
        end = self.position + 2 + self.data[self.position + 1]
        self.stack.append(int.from_bytes(self.data[self.position + 2 : end], "little", signed=True))
        self.position = end

    def _constant(self, code: int) -> None:
        self.stack.append(_CONSTANTS[code])
        self.position += 1

    def _empty_list(self, code: int) -> None:
        self.stack.append([])
        self.position += 1

    def _empty_dict(self, code: int) -> None:
        value = {}
        if self.key is not None and len(self.frames) == 1 and self.stack and self.stack[-1] == self.key:
            self.target = value
        self.stack.append(value)
        self.position += 1

    def _mark(self, code: int) -> None:
        self.frames.append(self.stack)
        self.stack = []
        self.position += 1

    def _marked(self) -> list:
        """What lies above the last mark, which is taken off with it."""
        items, self.stack = self.stack, self.frames.pop()
        return items

    def _set_items(self, code: int) -> Iterator[tuple[object, object]]:
        """Yields what is handed out."""
        if code == _SETITEMS:
            items = self._marked()
        else:
            items = self.stack[-2:]
            del self.stack[-2:]
        pairs, into = zip(items[::2], items[1::2], strict=True), self.stack[-1]
        if into is self.target and self.target is not None:
            yield from pairs
            self.passing.clear()
        elif isinstance(into, dict):
            into.update(pairs)
            if self._holds_entry():
                yield tuple(self.stack)
                self.stack.clear()
                self.passing.clear()
        else:
            raise InputError(f"sets items of a {type(into).__name__}")
        self.position += 1

    def _holds_entry(self) -> bool:
        """Whether the stack is one item that will be set in the target."""
        return (
            self.target is not None
            and len(self.stack) == 2
            and bool(self.frames)
            and self.frames[-1][-1] is self.target
        )

    def _append(self, code: int) -> None:
        items = self._marked() if code == _APPENDS else [self.stack.pop()]
        if type(self.stack[-1]) is not list:
            raise InputError(f"appends to a {type(self.stack[-1]).__name__}")
        self.stack[-1] += items
        self.position += 1

    def _short_tuple(self, code: int) -> None:
        """Of one to three items."""
        items = self.stack[_TUPLE1 - 1 - code :]
        self.stack[_TUPLE1 - 1 - code :] = [tuple(items)]
        self.position += 1

    def _tuple(self, code: int) -> None:
        items = self._marked()
        self.stack.append(tuple(items))
        self.position += 1

    def _reduce(self, code: int) -> None:
        arguments = self.stack.pop()
        if type(self.stack[-1]) is not _Global:  # a text may read like one
            raise InputError(f"calls a {type(self.stack[-1]).__name__}; nothing was run")
        self.stack[-1] = self.stack[-1](*arguments)
        self.position += 1

    def _build(self, code: int) -> None:
        """Of a dtype: its byte order."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], np.dtype) or state[1] != "<":
            raise InputError(f"sets the state of a {type(self.stack[-1]).__name__}")
        self.position += 1

    def _find_global(self, code: int) -> None:
        module = self.data.index(b"\n", self.position)
        name = self.data.index(b"\n", module + 1)
        self.stack.append(
            _global(self.data[self.position + 1 : module].decode(), self.data[module + 1 : name].decode())
        )
        self.position = name + 1

    def _protocol(self, code: int) -> None:
        if (version := self.data[self.position + 1]) > 2:
            raise InputError(f"pickle protocol {version}; torch.save writes protocol 2")
        self.position += 2

    def _refuse(self, code: int) -> None:
        raise InputError(f"pickle instruction {code:#04x}, which a NAS-Bench-201 file has no use for")


_INSTRUCTIONS = {
    code: instruction
    for codes, instruction in (
        (pickle.LONG_BINGET + pickle.BINGET, Machine._get),
        (pickle.LONG_BINPUT + pickle.BINPUT, Machine._put),
        (pickle.BINUNICODE, Machine._text),
        (pickle.BININT1, Machine._small_integer),
        (pickle.BINFLOAT + pickle.BININT2 + pickle.BININT, Machine._number),
        (pickle.LONG1, Machine._long),
        (pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE + pickle.EMPTY_TUPLE, Machine._constant),
        (pickle.EMPTY_LIST, Machine._empty_list),
        (pickle.EMPTY_DICT, Machine._empty_dict),
        (pickle.MARK, Machine._mark),
        (pickle.APPEND + pickle.APPENDS, Machine._append),
        (pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3, Machine._short_tuple),
        (pickle.TUPLE, Machine._tuple),
        (pickle.REDUCE, Machine._reduce),
        (pickle.BUILD, Machine._build),
        (pickle.GLOBAL, Machine._find_global),
        (pickle.PROTO, Machine._protocol),
    )
    for code in codes
}


class Unpickler(pickle.Unpickler):
    """pickle's own machine, for a small pickle of any protocol, with the same few globals."""

    def find_class(self, module: str, name: str) -> _Global:
        return _global(module, name)

    def persistent_load(self, reference: object) -> object:
        raise InputError(f"a persistent reference {reference!r}, which no NATS-Bench file needs")
