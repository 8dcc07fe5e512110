"""Servers that lie, drip, cut and never end, against `medley data fetch`."""

import time

from .kinds import Kind
from .process import Limits
from .room import DATA, DISK, snapshot
from .server import Server

NAME = "breastmnist.npz"
# More than the published file has, and little enough to be sent in a moment.
MUCH = 64 << 20


class Servers(Kind):
    about = (
        "servers that cut at the same byte, answer 416, lie about ranges and lengths, never end, drip, redirect; for data fetch"
    )

    def prepare(self):
        self.body = self.lab.published.read_bytes() if self.lab.published else self.lab.data.joinpath(NAME).read_bytes()

    def cases(self):
        return [name.removeprefix("answer_") for name in vars(type(self)) if name.startswith("answer_")]

    def attack(self, room, case):
        self.random, self.cut = room.random, room.random.randrange(1, len(self.body))
        answer = getattr(self, f"answer_{case}")
        with room.attack(
            f"{case.replace('_', ' ')} ({self.cut} of {len(self.body)} bytes); fetch", Limits(wall=120, idle=120)
        ) as attack, Server(answer) as server:
            folder = room.work / "data"
            fetch = [
                "data",
                "fetch",
                "breastmnist",
                "--base-url",
                server.address,
                "--attempts",
                "3",
                "--timeout",
                "2",
                "--data",
                folder,
            ]
            process = attack.start(*fetch)
            outcome = process.wait()
            attack.check(outcome, process.limits, {0, DATA}, names=[NAME])
            arrived = folder / NAME
            if arrived.exists():
                attack.demand(
                    self.lab.published and arrived.read_bytes() == self.body, "what it took is not the published file"
                )
            attack.demand(outcome.code == DATA or arrived.exists(), "it says that it fetched, and there is nothing")
            attack.demand(len(server.requests) <= 40, f"it asked {len(server.requests)} times without progress")
            written = sum((folder / name).stat().st_size for name in snapshot(folder, read=False)) if folder.exists() else 0
            attack.demand(
                written <= 2 * len(self.body) + (1 << 20), f"it wrote {written} bytes, and the file has {len(self.body)}"
            )
        if self.lab.published:
            self.again(room, folder)

    def again(self, room, folder):
        """What a bad server left is no obstacle to a good one."""
        with room.attack("a good server after a bad one; fetch") as attack, Server(
            lambda request: request.answer(200, self.body, etag='"one"', ranges=True)
        ) as server:
            fetch = ["data", "fetch", "breastmnist", "--base-url", server.address, "--attempts", "3", "--data", folder]
            if (folder / f"{NAME}.rejected").exists():
                # Somebody has to look at it and take it away.
                attack.run(*fetch, codes={DATA, DISK}, names=["rejected"])
                (folder / f"{NAME}.rejected").unlink()
            attack.run(*fetch, codes={0})
            attack.demand((folder / NAME).read_bytes() == self.body, "what it took is not the published file")

    # ---- answers ----

    def partial(self, request, length=None, **headers):
        """The head of the whole, and then a part of it."""
        request.head(200, content_length=len(self.body) if length is None else length, etag='"one"', **headers)
        request.send(self.body[: self.cut])

    def answer_cut_then_416(self, request):
        """Cuts at the same byte, and has nothing after it."""
        if request.first is None:
            return self.partial(request)
        request.head(416, content_length=0)

    def answer_cut_then_416_with_the_length(self, request):
        if request.first is None:
            return self.partial(request)
        request.head(416, content_length=0, content_range=f"bytes */{self.cut}")

    def answer_cut_then_no_range(self, request):
        """206 that does not say what it is."""
        if request.first is None:
            return self.partial(request)
        request.head(206, content_length=len(self.body) - request.first)
        request.send(self.body[request.first :])

    def answer_cut_then_wrong_range(self, request):
        if request.first is None:
            return self.partial(request)
        ranges = (
            "bytes 0-9/10",
            "bytes 9-0/10",
            "bytes -1-5/3",
            "bytes x-y/z",
            "items 0-1/2",
            f"bytes {2**64}-{2**65}/{2**66}",
        )
        request.head(206, content_length=10, content_range=self.random.choice(ranges))
        request.send(self.body[:10])

    def answer_cut_then_another_total(self, request):
        """The right place in a file of another length."""
        if request.first is None:
            return self.partial(request)
        total = self.random.choice((request.first, request.first + 1, 2**63, 2**64 - 1))
        request.head(206, content_length=10, content_range=f"bytes {request.first}-{request.first + 9}/{total}", etag='"one"')
        request.send(self.body[request.first : request.first + 10])

    def answer_always_cut(self, request):
        self.partial(request)

    def answer_a_byte_at_a_time(self, request):
        """Progress, but never an end worth waiting for."""
        if request.first is None:
            return self.partial(request)
        first = request.first
        request.head(
            206,
            content_length=len(self.body) - first,
            content_range=f"bytes {first}-{len(self.body) - 1}/{len(self.body)}",
            etag='"one"',
        )
        request.send(self.body[first : first + self.random.choice((0, 10_000, 100_000))])

    def answer_another_version_each_time(self, request):
        request.head(200, content_length=len(self.body), etag=f'"{request.number}"')
        request.send(self.body[: self.cut])

    def answer_endless(self, request):
        request.head(200, etag='"one"')
        self.much(request, 1 << 40)

    def answer_endless_in_chunks(self, request):
        request.head(200, transfer_encoding="chunked")
        block = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
        while True:
            request.send(block)

    def answer_more_than_was_said(self, request):
        request.head(200, content_length=len(self.body), etag='"one"')
        self.much(request, len(self.body) + MUCH)

    def answer_a_great_length(self, request):
        self.partial(request, length=self.random.choice((2**33, 2**62, 2**63, 2**64 - 1, 2**64, 10**30)))

    def answer_no_length_and_less(self, request):
        request.head(200)
        request.send(self.body[: self.cut])

    def answer_a_wrong_length(self, request):
        self.partial(request, length=self.random.choice(("-1", "x", "", "1, 2", f"{self.cut}, {self.cut + 1}")))

    def answer_two_lengths(self, request):
        request.send(f"HTTP/1.1 200 X\r\nContent-Length: {self.cut}\r\nContent-Length: {len(self.body)}\r\n\r\n".encode())
        request.send(self.body)

    def answer_silence(self, request):
        self.partial(request)
        time.sleep(20)

    def answer_no_answer(self, request):
        time.sleep(20)

    def answer_a_dripping_head(self, request):
        for byte in b"HTTP/1.1 200 X\r\nX-Slow: " + b"a" * 400:
            request.send(bytes([byte]))
            time.sleep(0.2)

    def answer_a_long_head(self, request):
        request.send(b"HTTP/1.1 200 X\r\n")
        for index in range(20_000):
            request.send(f"X-{index}: {'a' * 1000}\r\n".encode())

    def answer_a_line_without_end(self, request):
        request.send(b"HTTP/1.1 200 ")
        while True:
            request.send(b"X" * (1 << 16))

    def answer_no_http(self, request):
        request.send(self.random.randbytes(3000))

    def answer_in_a_circle(self, request):
        request.head(302, location=f"/{request.number}/{NAME}", content_length=0)

    def answer_to_a_file(self, request):
        request.head(
            302,
            location=self.random.choice(("file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:1", "//", "http://[", "")),
            content_length=0,
        )

    def answer_come_back_later(self, request):
        request.head(
            503,
            retry_after=self.random.choice(("86400", "-1", "x", str(2**64), "Fri, 31 Dec 9999 23:59:59 GMT")),
            content_length=0,
        )

    def answer_with_a_message(self, request):
        request.send(b"HTTP/1.1 500 \x1b[2J\x07cleared\r\nContent-Length: 0\r\nETag: \x1b[31m\r\n\r\n")

    def answer_with_an_odd_tag(self, request):
        tag = self.random.choice(('"' + "a" * 5000 + '"', "\x1b[31m", '"a"\tb', "W/", ""))
        (
            self.partial(request)
            if request.first
            else request.head(200, content_length=len(self.body), etag=tag) or request.send(self.body[: self.cut])
        )

    def answer_compressed(self, request):
        request.head(200, content_encoding="gzip", content_length=len(self.body))
        request.send(self.body)

    def answer_another_file(self, request):
        body = bytearray(self.body)
        body[self.cut] ^= 1
        request.answer(200, bytes(body), etag='"one"', ranges=True)

    @staticmethod
    def much(request, count):
        block = bytes(1 << 18)
        for _ in range(0, count, len(block)):
            request.send(block)
