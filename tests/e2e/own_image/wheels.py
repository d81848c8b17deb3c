"""The package index of the build: everything that the locks name, downloaded once and served on loopback."""

from __future__ import annotations

import base64
import hashlib
import platform
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.e2e.own_image.bases import Python
from tests.e2e.tools.processes import LOOPBACK
from tests.e2e.tools.toolchain import cache_root

__all__ = ["download", "served"]

ROOT = Path(__file__).resolve().parents[3]
LOCKS = (ROOT / "requirements" / "runtime.txt", ROOT / "requirements" / "build.txt")
USER = "builder"


def download(python: Python) -> Path:
    """Return a folder with all wheels of the locks for `python`, from the cache of the toolchain if they are there."""
    pins = "\0".join([python.version, platform.machine(), *(lock.read_text(encoding="utf-8") for lock in LOCKS)])
    entry = cache_root() / f"wheels-{hashlib.sha256(pins.encode()).hexdigest()[:16]}"
    if entry.is_dir():
        return entry
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=f".{entry.name}-") as scratch:
        content = Path(scratch, "content")
        for lock in LOCKS:
            _run_pip(python, "download", "--dest", str(content), "--requirement", str(lock))
        try:
            content.rename(entry)
        except OSError:  # another process was first
            if not entry.is_dir():
                raise
    return entry


@contextmanager
def served(folder: Path, password: str) -> Iterator[str]:
    """Serve the wheels in `folder` to whoever has the password; yield the `pip.conf` that pip needs for that."""
    challenge = "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()
    with ThreadingHTTPServer((LOOPBACK, 0), partial(_Index, directory=str(folder), expected=challenge)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://{USER}:{password}@{LOOPBACK}:{server.server_port}/"
            yield f"[global]\nno-index = true\nfind-links = {address}\n"
        finally:
            server.shutdown()
            thread.join()


class _Index(SimpleHTTPRequestHandler):
    """A listing of wheels behind a password."""

    def __init__(self, *arguments: object, expected: str, **options: object) -> None:
        self._expected = expected
        super().__init__(*arguments, **options)  # type: ignore[arg-type]  # as the server calls it

    def do_GET(self) -> None:
        """Answer who knows the password."""
        if self.headers.get("Authorization") == self._expected:
            super().do_GET()
            return
        self.send_response(HTTPStatus.UNAUTHORIZED)
        self.send_header("WWW-Authenticate", 'Basic realm="wheels"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""


def _run_pip(python: Python, *arguments: str) -> None:
    """Run our pip as that of another Python, with the index that the machine uses."""
    pip = (sys.executable, "-m", "pip", "--python", str(python.program), "--disable-pip-version-check")
    subprocess.run(
        [*pip, arguments[0], "--quiet", "--require-hashes", "--only-binary=:all:", *arguments[1:]], check=True
    )
