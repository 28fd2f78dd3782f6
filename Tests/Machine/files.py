#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Work on the files of a directory: creates, appends to, renames, replaces, deletes and syncs them.

files.py DIRECTORY STOP SUMS    until the file STOP exists; then writes SUMS, as `sha256sum -c` takes it

Ends with 1 at the first error that a system call returns, or file that does not have its bytes.
"""
import hashlib
import os
import random
import sys

directory, stop, sums = sys.argv[1:]
random.seed()
contents = {}  # the digest of each file, as far as it is written
names = 0
counts = {"created": 0, "appended": 0, "renamed": 0, "deleted": 0, "read": 0, "synced": 0}


def sync(path, flags=os.O_RDONLY):
    descriptor = os.open(path, flags)
    os.fsync(descriptor)
    os.close(descriptor)
    counts["synced"] += 1


def write(name, mode, size, digest):
    data = random.randbytes(size)
    with open(os.path.join(directory, name), mode) as file:
        file.write(data)
        if random.random() < 0.4:
            file.flush()
            os.fsync(file.fileno())
            counts["synced"] += 1
    digest.update(data)


def new_name():
    global names
    names += 1
    return f"f{names}"


def step():
    choice = random.random()
    if len(contents) < 20 or choice < 0.3 and len(contents) < 120:
        name = new_name()
        contents[name] = hashlib.sha256()
        write(name, "xb", random.randrange(1, 100_000), contents[name])
        counts["created"] += 1
        return
    name = random.choice(list(contents))
    path = os.path.join(directory, name)
    if choice < 0.5:
        write(name, "ab", random.randrange(1, 20_000), contents[name])
        counts["appended"] += 1
    elif choice < 0.65:
        # Half of the time in place of a file that is there.
        other = random.choice(list(contents)) if random.random() < 0.5 else new_name()
        os.rename(path, os.path.join(directory, other))
        contents[other] = contents.pop(name)
        counts["renamed"] += 1
        if random.random() < 0.3:
            sync(directory)
    elif choice < 0.8 or len(contents) >= 120:
        os.unlink(path)
        del contents[name]
        counts["deleted"] += 1
    else:
        with open(path, "rb") as file:
            # Not from memory, if that can be had.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if hashlib.sha256(file.read()).digest() != contents[name].digest():
                sys.exit(f"{name} does not have its bytes")
        counts["read"] += 1


while not os.path.exists(stop):
    step()
with open(sums, "w", encoding="ascii") as file:
    for name, digest in sorted(contents.items()):
        file.write(f"{digest.hexdigest()}  {name}\n")
sync(directory)
print(", ".join(f"{count} {what}" for what, count in counts.items()))
