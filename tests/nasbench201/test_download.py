"""Download: from a server on this machine that breaks off, gives another file, or is not there."""

import hashlib
import random
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from freedarts.files import InputError
from freedarts.nasbench201.download import download
from tests.support import ROOT

CONTENT = random.Random(0).randbytes(3 << 20)
HALF = len(CONTENT) // 2
MD5_TAIL = hashlib.md5(CONTENT).hexdigest()[-6:]


@pytest.fixture
def server():
    """Serves CONTENT, and the rest of it from an offset. While `stalled` is set it stops half way."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            offset = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            self.server.offsets.append(offset)
            self.send_response(206 if offset else 200)
            if offset:
                self.send_header("Content-Range", f"bytes {offset}-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.send_header("Content-Length", str(len(CONTENT) - offset))
            self.end_headers()
            stalled = self.server.stalled.is_set()
            self.wfile.write(CONTENT[offset : HALF if stalled else None])
            while self.server.stalled.is_set():
                time.sleep(0.01)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.offsets, found.stalled = [], threading.Event()
        found.address = f"http://127.0.0.1:{found.server_port}/file.pth"
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.stalled.clear()
        found.shutdown()


def test_a_killed_download_goes_on_where_it_stopped(server, tmp_path):
    output = tmp_path / "data" / "file.pth"
    server.stalled.set()
    code = (
        "import sys; from pathlib import Path; from freedarts.nasbench201.download import download; "
        "download(sys.argv[1], Path(sys.argv[2]), sys.argv[3])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, server.address, str(output), MD5_TAIL], cwd=ROOT)
    deadline = time.monotonic() + 60
    while sum(path.stat().st_size for path in output.parent.glob(".*.part")) < 1 << 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not output.exists()
    server.stalled.clear()
    download(server.address, output, MD5_TAIL)
    assert output.read_bytes() == CONTENT
    assert list(output.parent.iterdir()) == [output]
    (tmp_path / "other").touch()
    assert output.stat().st_mode == (tmp_path / "other").stat().st_mode  # colleagues may read it
    assert server.offsets[0] == 0
    assert server.offsets[-1] >= 1 << 20


@pytest.mark.parametrize("name", [".file.pth", ".file.pthk3x_.part"])
def test_what_was_complete_at_a_kill_is_not_asked_for_again(server, tmp_path, name):
    (tmp_path / name).write_bytes(CONTENT)
    download(server.address, tmp_path / "file.pth", MD5_TAIL)
    assert (tmp_path / "file.pth").read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [tmp_path / "file.pth"]
    assert server.offsets == []


def test_another_file_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(InputError, match=rf"md5 \w+{MD5_TAIL}, expected one that ends in 096897"):
        download(server.address, tmp_path / "file.pth", "096897")
    assert not list(tmp_path.iterdir())


def test_a_missing_server_is_one_message(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        address = f"http://127.0.0.1:{closed.server_port}/"
    with pytest.raises(InputError, match=r"not downloaded .*refused.*nasbench201: file:") as error:
        download(address, tmp_path / "file.pth", MD5_TAIL, retries=0)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
