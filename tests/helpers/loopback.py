"""A web server on this machine that misbehaves as told."""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!DOCTYPE html><html><body>Not here.</body></html>"


@dataclass
class Act:
    """How one request is answered; the last act of a path answers all that follow."""

    body: bytes = b""
    status: int = 200
    etag: str = '"one"'
    cut: int | None = None  # close the connection after so many bytes of this answer
    stall: bool = False  # after the cut, keep the connection open and say nothing
    drip: float = 0.0  # seconds between blocks
    block: int = 10_000  # bytes a block when dripping
    length: int | None = None  # what Content-Length claims; -1 leaves it out
    ranges: bool = True  # honour Range
    heed: bool = True  # honour If-Range


@dataclass
class Loopback:
    """`acts` by path; `asked` are the requests so far, as (path, Range header)."""

    address: str
    acts: dict[str, list[Act]]
    asked: list[tuple[str, str]]
    closing: threading.Event

    def serve(self, path: str, *acts: Act) -> str:
        """Answer `path` with these acts in turn; its URL."""
        self.acts[path] = list(acts)
        return f"{self.address}{path}"


@contextlib.contextmanager
def loopback() -> Iterator[Loopback]:
    """A running server, gone at the end of the block."""
    state = Loopback("", {}, [], threading.Event())
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Handler(state, *given))
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    def __init__(self, state: Loopback, *given: object) -> None:
        self.state = state
        super().__init__(*given)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.state.asked.append((self.path, asked))
        acts = self.state.acts.get(self.path, [Act(PAGE, 404)])
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        start = self.start(act, asked)
        body = act.body[start or 0 :]
        self.send_response(206 if start is not None else act.status)
        if act.length != -1:
            self.send_header("Content-Length", str(len(body) if act.length is None else act.length))
        if act.etag:
            self.send_header("ETag", act.etag)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(act.body) - 1}/{len(act.body)}")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.send(act, body if act.cut is None else body[: act.cut])

    def start(self, act: Act, asked: str) -> int | None:
        """Where a partial answer starts; None for a whole one."""
        match = re.fullmatch(r"bytes=(\d+)-", asked)
        same = self.headers.get("If-Range", act.etag) == act.etag or not act.heed
        return int(match[1]) if match and act.ranges and same and act.status == 200 else None

    def send(self, act: Act, body: bytes) -> None:
        step = act.block if act.drip else len(body) or 1
        for place in range(0, len(body), step):
            self.wfile.write(body[place : place + step])
            self.wfile.flush()
            self.state.closing.wait(act.drip)
        if act.stall:
            self.state.closing.wait()

    def log_message(self, *given: object) -> None:
        """Quiet."""
