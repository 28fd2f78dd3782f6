# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""The servers: how each is started, what it is known to offer, and what it cannot do."""
import shutil, subprocess
from gaps import Ends, Gap, Lacks, RefusesToStart, TLS, mentions, offers

NO_MAP = Gap("has no allocation map: nbdctl says so and counts all as data", Ends(
    0, "does not offer the metadata context base:allocation; everything counts as data"),
    operation=("map",))


class Server:
    """`exports` are the names it lists; the first is used. `flags` are some of those it tells."""
    exports = ["disk"]
    handshake = "fixed newstyle"
    replies = "structured"
    minimum = None
    read_only = True
    flags = {"sendFlush"}
    gaps = ()
    is_strict = False  # refuses names that it does not list

    def missing(self):
        """What this machine lacks to run it; nothing if all is there."""
        return None if shutil.which(self.program) else f"{self.program} is not installed"

    def gap(self, transport, security, operation):
        return next((g for g in self.gaps if g.covers(transport, security, operation)), None)


class Nbdkit(Server):
    """Its file plugin, with options of nbdkit, or with a filter and parameters of that."""
    program = "nbdkit"
    exports = [""]
    read_only = False
    flags = {"sendFlush", "sendFUA", "sendTrim", "sendWriteZeroes"}

    def __init__(self, name, *options, parameters=(), **facts):
        self.name, self.options, self.parameters = f"nbdkit {name}".strip(), options, parameters
        for fact, value in facts.items():
            setattr(self, fact, value)

    def missing(self):
        filters = [option for option in self.options if option.startswith("--filter=")]
        probe = ["nbdkit", *filters, "null", "--version"]
        return super().missing() or (
            f"nbdkit has no {filters[0]}"
            if filters and subprocess.run(probe, capture_output=True).returncode else None)

    def command(self, scene, place, security, pid_file):
        listening = {"UNIX": ["-U", place.path], "vsock": ["--vsock", f"--port={place.port}"]}.get(
            place.transport, ["-i", place.host, "-p", f"{place.port}"])
        certificates = ["--tls=require", f"--tls-certificates={scene.path}/server"]
        securing = {"plain": [], "x509": certificates,
                    "client": certificates + ["--tls-verify-peer"],
                    "PSK": ["--tls=require", f"--tls-psk={scene.path}/psk/keys.psk"]}[security]
        return ["nbdkit", "-P", pid_file, *listening, *securing, *self.options, "file", scene.image,
                *self.parameters]


class NbdServer(Server):
    program = name = "nbd-server"
    exports = ["disk", "spare"]

    def __init__(self):
        self.gaps = (
            Gap("nbd-server(5) has no vsock", Lacks(mentions, "nbd-server", "vsock"),
                transport=("vsock",)),
            Gap("nbd-server(5) has no pre-shared keys", Lacks(mentions, "nbd-server", "gnutls_psk"),
                security=("PSK",)),
            # Its manual says otherwise; `verify_cert` in its source does not.
            Gap("hangs up on a client without a certificate",
                Ends(77, "asked for a client certificate"), security=("x509",)),
            NO_MAP)
        if self.missing() is None and not mentions("nbd-server", "structured"):
            self.replies = "simple"

    def command(self, scene, place, security, pid_file):
        lines = ["[generic]", "allowlist = true"]
        lines += [f"unixsock = {place.path}"] if place.transport == "UNIX" else [
            f"listenaddr = {place.host}", f"port = {place.port}"]
        if security != "plain":
            lines += ["force_tls = true", f"certfile = {scene.path}/server/server-cert.pem",
                      f"keyfile = {scene.path}/server/server-key.pem"]
        if security == "client":
            lines.append(f"cacertfile = {scene.path}/server/ca-cert.pem")
        for name in self.exports:
            lines += [f"[{name}]", f"exportname = {scene.image}", "readonly = true", "flush = true"]
        with open(f"{pid_file}.conf", "w") as file:
            file.write("\n".join(lines) + "\n")
        return ["nbd-server", "-C", file.name, "-p", pid_file]


class Qemu(Server):
    minimum = 1

    def objects(self, scene, security):
        x509 = f"tls-creds-x509,id=tls,endpoint=server,dir={scene.path}/server,verify-peer="
        some = {"plain": None, "x509": x509 + "off", "client": x509 + "on",
                "PSK": f"tls-creds-psk,id=tls,endpoint=server,dir={scene.path}/psk"}[security]
        return ["--object", some] if some else []


class QemuNbd(Qemu):
    program = name = "qemu-nbd"
    exports = ["vm/disk 1"]
    gaps = (Gap("qemu-nbd(8) has no vsock", Lacks(offers, "qemu-nbd", "vsock"),
                transport=("vsock",)),)

    def command(self, scene, place, security, pid_file):
        listening = ["-k", place.path] if place.transport == "UNIX" else [
            "-b", place.host, "-p", f"{place.port}"]
        securing = self.objects(scene, security)
        return ["qemu-nbd", "--fork", "--persistent", "--shared=0", "--read-only", "--format=raw",
                f"--pid-file={pid_file}", f"--export-name={self.exports[0]}", *listening, *securing,
                *["--tls-creds=tls"] * bool(securing), scene.image]


class QemuStorageDaemon(Qemu):
    program = name = "qemu-storage-daemon"
    exports = ["disk", "spare"]

    def command(self, scene, place, security, pid_file):
        address = {"UNIX": f"type=unix,addr.path={place.path}",
                   "vsock": f"type=vsock,addr.cid={place.cid},addr.port={place.port}"}.get(
            place.transport, f"type=inet,addr.host={place.host},addr.port={place.port}")
        securing = self.objects(scene, security)
        command = ["qemu-storage-daemon", "--daemonize", "--pidfile", pid_file, "--blockdev",
                   f"driver=file,node-name=image,filename={scene.image},read-only=on", *securing,
                   "--nbd-server", f"addr.{address}" + ",tls-creds=tls" * bool(securing)]
        for name in self.exports:
            command += ["--export", f"type=nbd,id={name},node-name=image,name={name}"]
        return command


NOT_FIXED = (
    Gap("without fixed newstyle there is no TLS", Ends(77, "does not offer TLS"), security=TLS),
    Gap("without fixed newstyle there is no list", Ends(1, "cannot list its exports"),
        operation=("list",)),
    NO_MAP)
SERVERS = [
    Nbdkit(""),
    # Read-only, because in old style it reports that it can flush, and then refuses to (nbdkit 1.32): a
    # device with writes could not be detached. One without writes must be.
    Nbdkit("--oldstyle", "--oldstyle", "--readonly", handshake="oldstyle", replies="simple",
           read_only=True, flags={"canMultiConn"}, gaps=(
               Gap("old style has no TLS", RefusesToStart("oldstyle protocol.* and require TLS"),
                   security=TLS), NO_MAP)),
    Nbdkit("--mask-handshake=0", "--mask-handshake=0", handshake="newstyle", replies="simple",
           gaps=NOT_FIXED),
    Nbdkit("--mask-handshake=1", "--mask-handshake=1"),
    Nbdkit("--no-sr", "--no-sr", replies="simple", gaps=(NO_MAP,)),
    Nbdkit("exportname", "--filter=exportname", exports=["disk", "spare"], is_strict=True,
           parameters=("exportname-strict=true", "exportname-list=explicit", "exportname=disk",
                       "exportname=spare")),
    Nbdkit("blocksize-policy", "--filter=blocksize-policy", minimum=4096, parameters=(
        "blocksize-minimum=4096", "blocksize-preferred=4096", "blocksize-maximum=65536",
        "blocksize-error-policy=error")),
    NbdServer(), QemuNbd(), QemuStorageDaemon(),
]
