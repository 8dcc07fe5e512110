"""A small HTTP server on this machine that answers as it is told."""

import contextlib
import http.server
import threading


class Server:
    """Answers each request by `answer(request)`; a context manager. `requests` are the heads that came, in order."""

    def __init__(self, answer):
        requests = self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                requests.append(dict(self.headers))
                self.close_connection = True
                # The program may go away when it has had enough.
                with contextlib.suppress(OSError, ValueError):
                    answer(Request(self, len(requests)))

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.block_on_close = False
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


class Request:
    """One request, and ways to answer it."""

    def __init__(self, handler, number):
        self.handler, self.number = handler, number

    @property
    def first(self):
        """The byte from which on the rest is asked for, if it is."""
        wanted = self.handler.headers.get("Range", "")
        return int(wanted.removeprefix("bytes=").split("-")[0]) if wanted.startswith("bytes=") else None

    def head(self, status, **headers):
        """The head of an answer; `content_range` becomes Content-Range."""
        lines = [f"HTTP/1.1 {status} X", "Connection: close"]
        lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items() if value is not None]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, content):
        self.handler.wfile.write(content)
        self.handler.wfile.flush()

    def answer(self, status, body=b"", etag=None, ranges=False, length=None):
        """A whole answer; with `ranges`, only what was asked for."""
        first = self.first if ranges else None
        if first and first >= len(body):
            return self.head(416, content_length=0, content_range=f"bytes */{len(body)}")
        if first:
            self.head(
                206, content_length=len(body) - first, content_range=f"bytes {first}-{len(body) - 1}/{len(body)}", etag=etag
            )
            return self.send(body[first:])
        self.head(status, content_length=len(body) if length is None else length, etag=etag)
        return self.send(body)
