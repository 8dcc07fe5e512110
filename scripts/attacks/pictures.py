"""Images, good and hostile, from the formats' specifications: PNG, GIF, TIFF, BMP, JPEG."""

import struct
import zlib


def chunk(kind, data, checksum=None):
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data) if checksum is None else checksum)
    )


def png(width, height, packed, depth=8, colour=0, before=b"", after=b"", interlace=0):
    """A PNG whose header says what it is told. `packed` is the deflated pixel data."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", packed) + after + chunk(b"IEND", b"")


def grey(width=28, height=28, level=100, **more):
    """A good one."""
    return png(width, height, zlib.compress((b"\x00" + bytes([level]) * width) * height), **more)


def zeros(count):
    """`count` zero bytes, deflated as zlib does, made without holding them."""
    stream, block = zlib.compressobj(9), bytes(1 << 20)
    packed = [stream.compress(block[: min(len(block), count - done)]) for done in range(0, count, len(block))]
    return b"".join([*packed, stream.flush()])


def tiff(width, height, packed, compression=8, **tags):
    """A TIFF of one strip, compressed as 8 (deflate), 32773 (PackBits) or 1 (not)."""
    entries = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 273: 8, 277: 1, 278: height, 279: len(packed)}
    entries |= {int(name.removeprefix("tag")): value for name, value in tags.items()}
    place = 8 + len(packed)
    directory = struct.pack("<H", len(entries))
    for tag, value in sorted(entries.items()):
        directory += struct.pack("<HHII", tag, 4, 1, value & 0xFFFFFFFF)
    return b"II*\x00" + struct.pack("<I", place) + packed + directory + struct.pack("<I", 0)


def gif(width, height, frames, frame_width=None, frame_height=None):
    """A GIF of empty frames on a screen."""
    frame = b"\x21\xf9\x04\x00\x0a\x00\x00\x00\x2c" + struct.pack(
        "<HHHHB", 0, 0, frame_width or width, frame_height or height, 0
    )
    # One clear code and an end, which is less than any frame needs.
    frame += b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * frames + b"\x3b"


def bmp(width, height, data=b"", bits=24, used=0):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, used, 0)
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(data), 0, 0, 14 + len(head)) + head + data


def jpeg(width, height, scans=0):
    """A JPEG head of a size, and empty scans."""
    table = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([1] * 64)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + bytes([1, 0x11, 0])
    huffman = b"\xff\xc4" + struct.pack(">HB", 20, 0) + bytes([1] + [0] * 15) + b"\x00"
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + bytes([1, 0, 0, 0, 0x10]) + b"\x00" * 8
    return b"\xff\xd8" + table + frame + huffman + scan * scans + b"\xff\xd9"


def hostile(random):
    """Name, ending and a maker of the bytes of pictures that no reader should take, or not at its word."""
    side = random.choice((30_000, 65_535, 100_000))
    return [
        (f"a PNG of {side} x {side} in a few kilobytes", "png", lambda: png(side, side, zeros(64 << 20))),
        ("a PNG of 2^31 x 2^31", "png", lambda: png(2**31 - 1, 2**31 - 1, zlib.compress(b""))),
        ("a PNG of more than 2^31", "png", lambda: png(2**32 - 1, 1, zlib.compress(b""))),
        ("a PNG without pixels", "png", lambda: png(0, 0, zlib.compress(b""))),
        ("a PNG of one line of 100 million pixels", "png", lambda: png(100_000_000, 1, zeros(100_000_001))),
        ("a PNG of 100 million lines", "png", lambda: png(1, 100_000_000, zeros(1 << 20))),
        ("a PNG whose pixels unpack to 1 GiB", "png", lambda: png(28, 28, zeros(1 << 30))),
        ("an interlaced PNG of 20000 x 20000", "png", lambda: png(20_000, 20_000, zeros(64 << 20), interlace=1)),
        ("a PNG with a colour profile of 1 GiB", "png", lambda: grey(before=chunk(b"iCCP", b"x\x00\x00" + zeros(1 << 30)))),
        ("a PNG with texts of 1 GiB", "png", lambda: grey(before=chunk(b"zTXt", b"x\x00\x00" + zeros(1 << 30)))),
        (
            "a PNG with international texts of 1 GiB",
            "png",
            lambda: grey(after=chunk(b"iTXt", b"x\x00\x01\x00\x00\x00" + zeros(1 << 30))),
        ),
        ("a PNG with 100,000 empty texts", "png", lambda: grey(before=chunk(b"tEXt", b"x\x00") * 100_000)),
        ("a PNG whose chunk is longer than the file", "png", lambda: grey()[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT"),
        ("a PNG with a wrong checksum", "png", lambda: grey()[:29] + b"\x00\x00\x00\x00" + grey()[33:]),
        ("an animated PNG of 4 billion frames", "png", lambda: grey(before=chunk(b"acTL", struct.pack(">II", 2**32 - 1, 0)))),
        (f"a TIFF of {side} x {side} that is a deflate bomb", "tiff", lambda: tiff(side, side, zeros(1 << 28))),
        ("a TIFF of one row in PackBits", "tiff", lambda: tiff(2**31 - 1, 1, b"\x81\x00" * 100_000, compression=32773)),
        (
            "a TIFF whose directory follows itself",
            "tiff",
            lambda: tiff(28, 28, bytes(784), compression=1)[:-4] + struct.pack("<I", 8 + 784),
        ),
        ("a TIFF with 4 billion samples", "tiff", lambda: tiff(28, 28, bytes(784), compression=1, tag277=2**32 - 1)),
        (
            "a TIFF whose strip lies outside",
            "tiff",
            lambda: tiff(28, 28, bytes(784), compression=1, tag273=2**32 - 1, tag279=2**32 - 1),
        ),
        ("a GIF of 65535 x 65535", "gif", lambda: gif(65_535, 65_535, 1)),
        ("a GIF of 100,000 frames", "gif", lambda: gif(2_000, 2_000, 100_000)),
        ("a GIF whose frame is larger than its screen", "gif", lambda: gif(1, 1, 3, 65_535, 65_535)),
        (f"a BMP of {side} x {side}", "bmp", lambda: bmp(side, side)),
        ("a BMP of a negative size", "bmp", lambda: bmp(-28, -(2**31), bytes(28 * 28 * 3))),
        ("a BMP of 4 billion colours", "bmp", lambda: bmp(28, 28, bytes(28 * 28), bits=8, used=2**32 - 1)),
        ("a JPEG of 65535 x 65535", "jpg", lambda: jpeg(65_535, 65_535, 1)),
        ("a JPEG of 10,000 scans", "jpg", lambda: jpeg(8_000, 8_000, 10_000)),
        ("nothing", "png", lambda: b""),
        ("noise", random.choice(("png", "jpg", "gif", "bmp", "tiff", "webp", "dcm", "nii")), lambda: random.randbytes(5_000)),
    ]
