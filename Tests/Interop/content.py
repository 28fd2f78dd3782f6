# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""What every server serves: pseudo-random bytes with holes between them."""
import os, random

SIZE = (8 << 20) + 12288
DATA = [(0, 1 << 20), (3 << 20, 64 << 10), (5 << 20, 2 << 20)]


def make(path):
    """Writes the image and answers its bytes and its extents as (offset, length, is data)."""
    source, content = random.Random(10809), bytearray(SIZE)
    with open(path, "wb") as image:
        image.truncate(SIZE)
        for offset, length in DATA:
            content[offset:offset + length] = source.randbytes(length)
            image.seek(offset)
            image.write(content[offset:offset + length])
    return bytes(content), list(extents(path))


def extents(path):
    """What the file system says, which need not have made every hole a hole."""
    with open(path, "rb") as image:
        place = 0
        while place < SIZE:
            try:
                data = os.lseek(image.fileno(), place, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole is left
                data = SIZE
            if data > place:
                yield place, data - place, False
            if data < SIZE:
                hole = os.lseek(image.fileno(), data, os.SEEK_HOLE)
                yield data, hole - data, True
                data = hole
            place = data
