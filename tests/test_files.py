"""Files are whole or absent, and what cannot be read is named."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from freedarts.files import (
    VERSION,
    InputError,
    exists,
    files_in,
    message,
    parse_settings,
    read_bytes,
    read_json,
    replace_file,
    sha256,
    write_json,
    write_text,
)
from tests.support import ROOT, FailingReads

KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from freedarts.files import replace_file

def write(partial):
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

replace_file(Path(sys.argv[1]), write)
"""


def test_json_survives_and_folders_are_made(tmp_path):
    value = {"a": [1, 0.1, 1e-300, None, "ä ±"], "b": {"c": True}}
    path = tmp_path / "deep" / "er" / "file.json"
    write_json(path, value)
    assert read_json(path) == value
    assert path.read_text(encoding="utf-8").endswith("}\n")
    assert list(path.parent.iterdir()) == [path]


def test_json_that_was_changed_is_refused(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"a": {3: 0.1}, "b": (1, "ä")})
    content = json.loads(path.read_text())
    assert read_json(path) == {"a": {"3": 0.1}, "b": [1, "ä"]}
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False))  # another layout is no change
    assert read_json(path, ("a", "b")) == {"a": {"3": 0.1}, "b": [1, "ä"]}
    for changed in (content | {"a": {"3": 0.2}}, content | {"c": 1}, content | {"digest": None}):
        path.write_text(json.dumps(changed))
        with pytest.raises(InputError, match=f"^{path}: changed since it was made; .* no key 'digest'$"):
            read_json(path)
    path.write_text(json.dumps({"a": 1}))
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize(
    "value", [{"a": float("nan")}, {"a": float("inf")}, {"deep": [1, {"er": -float("inf")}]}, {"a": object()}]
)
def test_what_is_no_json_is_refused_and_leaves_the_old_file(value, tmp_path):
    path = tmp_path / "file.json"
    write_text(path, "old")
    with pytest.raises((ValueError, TypeError)):
        write_json(path, value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_failure_while_writing_leaves_the_old_file_and_no_partial_one(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")

    def write(partial):
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", ["old", None])
def test_kill_while_writing_leaves_the_old_file_or_none(old, tmp_path):
    path = tmp_path / "file"
    if old:
        path.write_text(old)
    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, path], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert (path.read_text() if path.exists() else None) == old


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON .*is it cut short"),
        (b'{"a": 1', "not valid JSON .*is it cut short"),
        (b'{"a": 1} {"b": 2}', "not valid JSON"),
        (b'\xff\xfe{"a": 1}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b"[1]", "holds a list, expected an object"),
        (b"null", "holds a NoneType, expected an object"),
        (b'{"b": 1}', "no key 'a', 'c'$"),
        (b'{"a": 1, "versions": {"freedarts": "0.0.9"}}', "no key 'c'; it was made by freedarts 0.0.9, this is "),
        (f'{{"a": 1, "versions": {{"freedarts": "{VERSION}"}}}}'.encode(), "no key 'c'$"),
        (b'{"a": 1, "versions": 3}', "no key 'c'$"),
    ],
)
def test_unreadable_json_is_named(content, message, tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}: {message}"):
        read_json(path, ("a", "c"))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=f"^{tmp_path / 'absent.json'}: no such file"):
        read_json(tmp_path / "absent.json")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("read", [read_json, read_bytes, sha256])
def test_what_cannot_be_read_is_neither_missing_nor_damaged(read, number, tmp_path):
    write_json(tmp_path / "file.json", {})
    with FailingReads(tmp_path, "file.json", number), pytest.raises(OSError, match="cannot be read") as found:
        read(tmp_path / "file.json")
    assert message(found.value) == f"{tmp_path / 'file.json'}: cannot be read ({os.strerror(number)})"


def test_what_cannot_be_looked_at_may_be_there(tmp_path):
    assert not exists(tmp_path / "file")
    (tmp_path / "file").touch()
    assert exists(tmp_path / "file")
    assert not exists(tmp_path / "file" / "within")
    with FailingReads(tmp_path, "file", errno.ESTALE), pytest.raises(OSError, match="cannot be read"):
        exists(tmp_path / "file")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="cannot be read"):
        exists(tmp_path / "loop")


def test_folder_that_cannot_be_listed_is_not_passed_over(tmp_path):
    assert files_in(tmp_path / "absent") == []
    for name in ("b", "a/d", "a/c"):
        write_text(tmp_path / name, "")
    assert files_in(tmp_path) == [tmp_path / name for name in ("a/c", "a/d", "b")]
    for name in (".", "a"):
        with FailingReads(tmp_path, name, errno.EACCES), pytest.raises(OSError, match="cannot be read"):
            files_in(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ('{"a": 1', "not valid JSON"),
        ("[1, 2]", "holds a list, expected an object"),
        ('{"a": 1, "b": 2, "a": 3}', "has the key 'a' twice"),
        ('{"a": 1}', r"holds \['a'\], expected the keys \['a', 'b'\]"),
        ('{"a": 1, "b": 2, "c": 3}', r"holds \['a', 'b', 'c'\], expected the keys"),
    ],
)
def test_settings_hold_exactly_the_keys(text, message):
    with pytest.raises(InputError, match=f"^--settings: {message}"):
        parse_settings(text, ("b", "a"))
    assert parse_settings(json.dumps({"a": 1, "b": None}), ("b", "a")) == {"a": 1, "b": None}
