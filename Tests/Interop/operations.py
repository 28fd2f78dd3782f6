# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""What is done with a server, and what has to come of it."""
import json, os, re, subprocess
import content

DEADLINE = 60


class Failed(Exception):
    pass


def check(what, expected, seen):
    if expected != seen:
        raise Failed(f"{what}: expected {expected}, seen {seen}")


def ends(proof, result):
    """That a command ended with the status and the words that are expected."""
    said = result.stderr.decode(errors="replace").strip()
    if result.returncode != proof.status or not re.search(proof.words, said):
        raise Failed(f"expected status {proof.status} and '{proof.words}', "
                     f"seen {result.returncode}: {said}")


class Visit:
    """One server that runs, and how nbdctl gets at it."""

    def __init__(self, scene, server, place, security):
        self.scene, self.server, self.place, self.security = scene, server, place, security
        self.uri = place.uri(security, server.exports[0])

    def credentials(self, security):
        return {"plain": [], "x509": ["--tls-certificates", f"{self.scene.path}/trust"],
                "client": ["--tls-certificates", f"{self.scene.path}/client"],
                "PSK": ["--tls-psk-file", f"{self.scene.path}/psk/keys.psk"]}[security]

    def nbdctl(self, operation, *options, uri=None, credentials=None):
        if credentials is None:
            credentials = self.credentials(self.security)
        return subprocess.run(
            ["nbdctl", operation, uri or self.uri, *credentials, *options], capture_output=True,
            stdin=subprocess.DEVNULL, timeout=DEADLINE)

    def told(self, operation, *options):
        """The JSON of a command that must succeed."""
        result = self.nbdctl(operation, "--json", *options)
        if result.returncode:
            raise Failed(f"status {result.returncode}: {result.stderr.decode().strip()}")
        return json.loads(result.stdout)

    def refused(self, what, statuses, **reaching):
        result = self.nbdctl("info", **reaching)
        if result.returncode not in statuses:
            raise Failed(f"{what}: expected status {statuses}, seen {result.returncode}: "
                         f"{result.stderr.decode().strip()}")

    def list(self):
        listed = self.told("list")["exports"]
        check("names", self.server.exports, [export["name"] for export in listed])
        sizes = {export["export"]["sizeBytes"] for export in listed}
        check("sizes", {content.SIZE}, sizes)

    def info(self):
        told = self.told("info")
        export = told["export"]
        check("name", self.server.exports[0], told["name"])
        check("size", content.SIZE, export["sizeBytes"])
        check("missing flags", set(), self.server.flags - set(export["flags"]))
        check("read-only", self.server.read_only, "readOnly" in export["flags"])
        check("minimum block", self.server.minimum, export.get("minimumBlockBytes"))
        check("handshake", self.server.handshake, told["handshake"])
        check("replies", self.server.replies, told["replies"])
        has_map = self.server.gap(self.place.transport, self.security, "map") is None
        check("allocation map", has_map, "base:allocation" in told["contexts"])
        check("server", self.place.told, told["server"])
        self.check_security(told.get("encryption"))
        if self.server.is_strict:
            self.refused("a name it does not have", [1],
                         uri=self.place.uri(self.security, "nothing"))

    def check_security(self, encryption):
        """That it is encrypted as it should be, and that the server refuses everybody else."""
        if self.security == "plain":
            return check("encryption", None, encryption)
        if not re.match(r"TLS 1\.[23]", encryption or ""):
            raise Failed(f"encryption: expected TLS 1.2 or 1.3, seen {encryption}")
        self.refused("in the clear", [77], credentials=[],
                     uri=self.place.uri("plain", self.server.exports[0]))
        if self.place.transport == "vsock":
            return  # a program takes its time on that kernel, and the rest is the same as over TCP
        if self.security == "client":
            self.refused("without a certificate", [69, 76, 77],
                         credentials=self.credentials("x509"))
        if self.security == "PSK":
            self.refused("with another key", [69, 76, 77],
                         credentials=["--tls-psk-file", f"{self.scene.path}/other.psk"])
        else:
            self.refused("a server whose issuer is not trusted", [77], credentials=[])

    def map(self):
        told = self.told("map")
        states = {"data": True, "hole, zero": False}
        check("extents", self.scene.extents, [
            (extent["offset"], extent["length"], states.get(extent["state"], extent["state"]))
            for extent in told["extents"]])

    def read(self):
        copy = f"{self.scene.path}/copy"
        ends_well(self.nbdctl("read", "--output", copy))
        with open(copy, "rb") as file:
            compare(self.scene.content, file.read())
        os.unlink(copy)
        if self.security != "plain":
            return
        # Across the end of a hole, and unaligned.
        part = self.nbdctl("read", "--offset", f"{(3 << 20) - 1001}", "--length", "5003")
        ends_well(part)
        compare(self.scene.content[(3 << 20) - 1001:][:5003], part.stdout)

    def attach(self):
        self.scene.daemon.attach(self)


def ends_well(result):
    if result.returncode:
        raise Failed(f"status {result.returncode}: {result.stderr.decode().strip()}")


def compare(expected, seen):
    """That all bytes are the same, without printing them."""
    if expected != seen:
        pairs = zip(expected, seen)
        place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(seen)))
        raise Failed(f"{len(seen)} bytes of {len(expected)}, different from byte {place}")
