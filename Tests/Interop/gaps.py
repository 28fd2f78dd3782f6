# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""What a server cannot do, in words, and how each run proves that it is still so."""
import dataclasses, re, shutil, subprocess
from typing import Callable, Union

TLS = ("x509", "client", "PSK")


@dataclasses.dataclass(frozen=True)
class RefusesToStart:
    """The server itself says so, and ends."""
    words: str

    def matches(self, said):
        return re.search(self.words, said) is not None


@dataclasses.dataclass(frozen=True)
class Lacks:
    """Its manual knows nothing of it, and `where` (`mentions`, `offers`) does not find the word."""
    where: Callable[[str, str], bool]
    program: str
    word: str


@dataclasses.dataclass(frozen=True)
class Ends:
    """nbdctl says so, with this status and words that match."""
    status: int
    words: str


@dataclasses.dataclass(frozen=True)
class Gap:
    """Of the cells with this transport, security and operation; all of them, where it is empty."""
    words: str
    proof: Union[RefusesToStart, Lacks, Ends]
    transport: tuple = ()
    security: tuple = ()
    operation: tuple = ()

    def covers(self, transport, security, operation):
        wanted = (self.transport, transport), (self.security, security), (self.operation, operation)
        return all(not some or one in some for some, one in wanted)


def mentions(program, word):
    """Whether a program has the word anywhere in its file."""
    with open(shutil.which(program), "rb") as file:
        return word.encode() in file.read()


def offers(program, word):
    """Whether the usage of a program has the word."""
    usage = subprocess.run([program, "--help"], capture_output=True, text=True)
    return word in usage.stdout + usage.stderr
