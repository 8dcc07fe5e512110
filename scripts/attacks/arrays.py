"""`.npy` and `.npz` files, good and hostile, from the formats' specifications (NEP 1, APPNOTE.TXT) alone."""

import io
import struct
import zipfile
import zlib


def header(text, version=(1, 0), claim=None):
    """Magic, version, length and header text, padded to 64 bytes. `claim` is another length than the true one."""
    text = text.encode("latin-1") if isinstance(text, str) else text
    size, form = (2, "<H") if version[0] == 1 else (4, "<I")
    text += b" " * (-(8 + size + len(text) + 1) % 64) + b"\n"
    length = len(text) if claim is None else claim
    return b"\x93NUMPY" + bytes(version) + struct.pack(form, length & (256**size - 1)) + text


def dictionary(dtype, shape, fortran="False"):
    """A header as NumPy writes it; `shape` may be any text."""
    if not isinstance(shape, str):
        shape = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    return f"{{'descr': {dtype}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


def array(dtype, shape, data):
    """A whole `.npy` file."""
    return header(dictionary(f"'{dtype}'", shape)) + data


def members(path):
    """The members of an archive by name, as bytes."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(contents, method=zipfile.ZIP_DEFLATED):
    """An `.npz` of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in contents.items():
            file.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return buffer.getvalue()


def deflate_zeros(start, count):
    """A raw deflate stream of `start` and `count` zero bytes, with the CRC of what comes out of it."""
    stream, checksum, block = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.crc32(start), bytes(1 << 20)
    packed = [stream.compress(start)]
    for done in range(0, count, len(block)):
        piece = block[: min(len(block), count - done)]
        packed.append(stream.compress(piece))
        checksum = zlib.crc32(piece, checksum)
    return b"".join([*packed, stream.flush()]), checksum


def raw_archive(entries):
    """An archive whose headers say what they are told: (name, packed bytes, method, CRC, claimed size)."""
    body, directory = b"", b""
    for name, packed, method, checksum, size in entries:
        name = name.encode()
        common = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 0x21, checksum, len(packed), min(size, 0xFFFFFFFE), len(name), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\x03\x04" + common + name + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


# Texts of headers that promise too much, too deep, or nothing that can be meant. {n} is a number that grows with the round.
def hostile_headers(random):
    """Name and bytes of whole `.npy` files that no reader should take."""
    depth, many = random.choice((8, 24, 60, 5000)), random.choice((2**31, 2**40, 2**63 - 1, 2**63, 2**64, 10**40))
    one = "'|u1'"
    yield "brackets around nothing", header("[" * depth + "]" * depth)
    yield "brackets in the type", header(dictionary("[" * depth + "]" * depth, (1,)))
    yield "brackets in the shape", header(dictionary(one, "(" * depth + ")" * depth))
    yield "brackets that never close", header(dictionary(one, "(" * depth))
    yield "braces in braces", header("{'descr': " * depth + "}" * depth)
    yield "a type of records", header(dictionary("[('a', " * depth + "'|u1'" + ")]" * depth, (1,)))
    yield "a huge first dimension", header(dictionary(one, (many, 28, 28))) + bytes(784)
    yield "a product that overflows", header(dictionary(one, (2**32, 2**32, 2))) + bytes(784)
    yield "no rows of huge images", header(dictionary(one, (0, many, many)))
    yield "many dimensions", header(dictionary(one, (1,) * depth)) + bytes(1)
    yield "negative dimensions", header(dictionary(one, "(-1, 28, 28)")) + bytes(784)
    yield "a fraction of a row", header(dictionary(one, "(1.5, 28, 28)")) + bytes(784)
    yield "a number of many digits", header(dictionary(one, "(" + "9" * 20_000 + ", 28, 28)"))
    yield "objects, which are pickles", header(dictionary("'|O'", (1,))) + b"\x80\x04cos\nsystem\n(S'true'\ntR."
    yield "elements without a size", header(dictionary("'|V0'", (2**40,)))
    yield "elements of a great size", header(dictionary("'|S2147483647'", (2**20, 28, 28)))
    yield "complex numbers", header(dictionary("'<c16'", (1, 28, 28))) + bytes(784 * 16)
    yield "text", header(dictionary("'<U4'", (1, 28, 28))) + bytes(784 * 16)
    yield "the other byte order", header(dictionary("'>f8'", (1, 28, 28))) + bytes(784 * 8)
    yield "dates", header(dictionary("'<M8[ns]'", (1, 28, 28))) + bytes(784 * 8)
    yield "a header longer than the file", header("{}", (2, 0), claim=2**32 - 1)
    yield "a long header of spaces", header(b" " * (1 << 20) + dictionary(one, (1,)).encode(), (2, 0))
    yield "an unknown version", header(dictionary(one, (1, 28, 28)), (9, 9)) + bytes(784)
    yield "a header that is no literal", header("__import__('os').abort()")
    yield "a header of control characters", header(b"\x1b[2J\x07\x00\x9b" * 20)
    yield "a header of invalid UTF-8", header(b"{'descr': '\xff\xfe\xf0\x28'}", (3, 0))
    yield "keys twice", header("{'descr': '|u1', 'descr': '|O', 'fortran_order': False, 'shape': (1,), }")
    yield "nothing but the magic", b"\x93NUMPY"
    yield "nothing", b""
