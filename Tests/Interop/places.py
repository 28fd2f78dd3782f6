# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Where a server listens, and the URI of an export there."""
import itertools, socket
from urllib.parse import quote
import credentials

TRANSPORTS = ["TCP 4", "TCP 6", "UNIX", "vsock"]
HOSTS = {"TCP 4": "127.0.0.1", "TCP 6": "::1"}
LOCAL_CID = 1  # VMADDR_CID_LOCAL
numbers = itertools.count(10809)


class Place:
    def __init__(self, transport, directory):
        self.transport, self.number = transport, next(numbers)
        self.host = HOSTS.get(transport)
        self.cid = LOCAL_CID
        self.port = self.free_port() if self.host else self.number
        self.path = f"{directory}/{self.number}.sock"

    def free_port(self):
        family = socket.AF_INET6 if self.transport == "TCP 6" else socket.AF_INET
        with socket.socket(family) as listener:
            listener.bind((self.host, 0))
            return listener.getsockname()[1]

    @property
    def told(self):
        """What `nbdctl info` calls it."""
        return {"TCP 4": f"127.0.0.1:{self.port}", "TCP 6": f"[::1]:{self.port}",
                "UNIX": self.path, "vsock": f"vsock {LOCAL_CID}:{self.port}"}[self.transport]

    def uri(self, security, export):
        user = f"{credentials.USER}@" if security == "PSK" else ""
        parameters = ["tls-type=psk"] if security == "PSK" else []
        if self.transport in ("UNIX", "vsock") and security in ("x509", "client"):
            parameters.append(f"tls-hostname={credentials.NAME}")
        if self.transport == "UNIX":
            scheme, address = "+unix", ""
            parameters.insert(0, f"socket={self.path}")
        elif self.transport == "vsock":
            scheme, address = "+vsock", f"{LOCAL_CID}:{self.port}"
        else:
            scheme, address = "", self.told
        query = "?" + "&".join(parameters) if parameters else ""
        secure = "" if security == "plain" else "s"
        return f"nbd{secure}{scheme}://{user}{address}/{quote(export)}{query}"


def lacking(transport):
    """Why this machine does not have a transport; nothing if it has."""
    try:
        if transport in HOSTS:
            Place(transport, "")
        elif transport == "vsock":
            socket.socket(socket.AF_VSOCK).close()
    except OSError as error:
        return f"no {transport} here: {error.strerror}"
    return None
