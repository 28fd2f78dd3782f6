# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Fills in one part of the table, where it is run, as a line of JSON for each cell.

  cells.py PART FILE

loopback   list, info, map and read over TCP and UNIX sockets: any machine
vsock      everything over vsock: a kernel with vsock_loopback, and nbdd
attach     attach over TCP and UNIX sockets: a kernel of one's own, and nbdd
"""
import contextlib, itertools, json, os, signal, socket, subprocess, sys, tempfile, time
import content, credentials
from daemon import Daemon
from gaps import Lacks, RefusesToStart
from operations import Failed, Visit, ends, ends_well
from places import Place, TRANSPORTS, lacking
from servers import SERVERS
from table import OPERATIONS, SECURITIES

PARTS = {"loopback": (TRANSPORTS[:3], OPERATIONS[:4]), "vsock": (TRANSPORTS[3:], OPERATIONS),
         "attach": (TRANSPORTS[:3], OPERATIONS[4:])}


class Scene:
    """What all cells share."""

    def __init__(self, path, has_daemon):
        self.path, self.image = path, f"{path}/image"
        self.content, self.extents = content.make(self.image)
        credentials.make(path)
        self.daemon = Daemon(path) if has_daemon else None


@contextlib.contextmanager
def running(scene, server, place, security):
    """The server, from when it listens; it goes to the background by itself."""
    pid_file = f"{scene.path}/{place.number}.pid"
    with open(f"{pid_file}.log", "w+") as log:
        started = subprocess.run(server.command(scene, place, security, pid_file), stdout=log,
                                 stderr=log, stdin=subprocess.DEVNULL, timeout=60)
        log.seek(0)
        started.stderr = log.read().encode()
    ends_well(started)
    wait("a process id", lambda: os.path.exists(pid_file) and os.path.getsize(pid_file))
    with open(pid_file) as file:
        process = int(file.read())
    try:
        wait("an answer", lambda: listens(place))
        yield
    finally:
        os.kill(process, signal.SIGTERM)


def wait(what, holds):
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"no sign of {what}")
        time.sleep(0.02)


def listens(place):
    family, address = {
        "TCP 4": (socket.AF_INET, (place.host, place.port)),
        "TCP 6": (socket.AF_INET6, (place.host, place.port)),
        "UNIX": (socket.AF_UNIX, place.path),
        "vsock": (socket.AF_VSOCK, (place.cid, place.port))}[place.transport]
    with socket.socket(family) as caller:
        return caller.connect_ex(address) == 0


def fill(scene, server, transport, security, operations):
    """Answers (operation, outcome, words) for one server as it is started once."""
    why = server.missing() or lacking(transport)
    if why:
        return [(operation, "skipped", why) for operation in operations]
    place = Place(transport, scene.path)
    cells, open_ones = [], []
    for operation in operations:
        gap = server.gap(transport, security, operation)
        later = scene.daemon and operation == "attach" and scene.daemon.not_yet(place, security)
        if gap and (operation == "attach" or isinstance(gap.proof, Lacks)):
            # What cannot be attached is proved by the other operations on the same server.
            has_it = isinstance(gap.proof, Lacks) and gap.proof.where(
                gap.proof.program, gap.proof.word)
            cells.append((operation, *(
                ("failed", f"{gap.proof.word} is known to it now") if has_it
                else ("cannot", gap.words))))
        elif later:
            cells.append((operation, "later", f"nbdd: {later}"))
        else:
            open_ones.append((operation, gap))
    if not open_ones:
        return cells
    try:
        with running(scene, server, place, security):
            visit = Visit(scene, server, place, security)
            return cells + [perform(visit, *one) for one in open_ones]
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        return cells + [(operation, *refusal(gap, error)) for operation, gap in open_ones]


def refusal(gap, error):
    """What it means that a server did not start, or was not there any more at the end."""
    if gap and isinstance(gap.proof, RefusesToStart) and gap.proof.matches(str(error)):
        return "cannot", gap.words
    return "failed", f"the server: {error}"


def perform(visit, operation, gap):
    try:
        if gap is None:
            getattr(visit, operation)()
            return operation, "passed", ""
        if isinstance(gap.proof, RefusesToStart):
            raise Failed("it starts")
        options = ["--output", "/dev/null"] if operation == "read" else []
        ends(gap.proof, visit.nbdctl(operation, *options))
        return operation, "cannot", gap.words
    except (Failed, OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        return operation, "failed", f"{type(error).__name__}: {error}"


def main(part, path):
    transports, operations = PARTS[part]
    with tempfile.TemporaryDirectory(prefix="nbdd-interop.") as directory, open(path, "w") as file:
        scene = Scene(directory, "attach" in operations)
        for server, transport, security in itertools.product(SERVERS, transports, SECURITIES):
            for cell in fill(scene, server, transport, security, operations):
                print(json.dumps([server.name, transport, security, *cell]), file=file, flush=True)
        if scene.daemon:
            scene.daemon.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
