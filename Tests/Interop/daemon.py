# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Devices of the kernel that nbdd attaches. Only for a kernel of one's own."""
import os, subprocess, time
import content
from operations import Failed, check, compare, ends_well

NOT_YET = "is not supported by this version"


class Daemon:
    def __init__(self, directory):
        self.refusals = {}
        os.makedirs(f"{directory}/etc/devices.d")
        os.environ["NBDD_SOCKET"] = f"{directory}/org.nbdd"
        self.log = open(f"{directory}/nbdd.log", "w+")
        self.process = subprocess.Popen(
            ["nbdd", "--config", f"{directory}/etc"], stdout=self.log, stderr=self.log,
            env={**os.environ, "CREDENTIALS_DIRECTORY": f"{directory}/client"})
        deadline = time.monotonic() + 20
        while nbdctl("status").returncode:
            if time.monotonic() > deadline:
                raise Failed("nbdd does not answer")
            time.sleep(0.1)

    def not_yet(self, place, security):
        """nbdd's own words if it refuses all URIs of this kind, for which it needs no server."""
        kind = place.transport == "vsock", security != "plain"
        if kind not in self.refusals:
            result = nbdctl("attach", place.uri(security, "disk"), "--name", "probe")
            words = result.stderr.decode()
            is_refusal = result.returncode == 78 and NOT_YET in words
            self.refusals[kind] = words.partition("uri: ")[2].strip() if is_refusal else None
        return self.refusals[kind]

    def attach(self, visit):
        """Attaches, compares what the device has, detaches."""
        name = f"interop-{visit.place.number}"
        attached = nbdctl("attach", visit.uri, "--name", name)
        ends_well(attached)
        device = attached.stdout.decode().strip()
        facts = f"/sys/block/{os.path.basename(device)}"
        try:
            check("size in sectors", content.SIZE // 512, number(f"{facts}/size"))
            check("read-only", visit.server.read_only, number(f"{facts}/ro") == 1)
            check("smallest request", max(visit.server.minimum or 1, 512),
                  number(f"{facts}/queue/logical_block_size"))
            # Bypasses the page cache, which could have the bytes from another server.
            seen = subprocess.run(
                ["dd", f"if={device}", "bs=1M", "iflag=direct", "status=none"], capture_output=True)
            ends_well(seen)
            compare(visit.scene.content, seen.stdout)
        finally:
            detached = nbdctl("detach", name)
        ends_well(detached)
        check("held after detach", False, os.path.exists(f"{facts}/pid"))

    def end(self):
        self.process.terminate()
        check("exit status of nbdd", 0, self.process.wait(40))


def nbdctl(*arguments):
    return subprocess.run(["nbdctl", *arguments], capture_output=True, timeout=60)


def number(path):
    with open(path) as file:
        return int(file.read())
