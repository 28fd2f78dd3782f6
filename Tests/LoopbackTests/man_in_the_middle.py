#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Stands between a client and an NBD server, and meddles with what they say.

  man_in_the_middle.py SOCKET SERVER RECORD MODE

  forward        changes nothing
  unsupported    answers STARTTLS itself, as a server that does not know it
  policy         answers STARTTLS itself, as a server that does not want it
  plain          takes fixed newstyle, and all options with it, from the server's greeting
  inject         puts replies to later options in the clear behind the server's ACK of STARTTLS
  inject-record  the same, dressed up as application data of TLS
  hang-up-N,N    hangs up when the client asks for an option with such a number
  trickle-N      passes on what the server says N bytes at a time, ten times a second

All that the client sends in its first connection goes to RECORD.0, in its second to RECORD.1. It prints
"ready", and the number of each connection that the client has ended.
"""
import itertools, socket, struct, sys, threading, time

MAGIC, STARTTLS, ACK = 0x0003E889045565A9, 5, 1
REFUSALS = {"unsupported": 0x80000001, "policy": 0x80000002}


def reply(option, kind, data=b""):
    return struct.pack(">QIII", MAGIC, option, kind, len(data)) + data


# What would do for the options that follow: no extended headers, structured replies, an export.
FORGED = (reply(11, 0x80000001) + reply(8, ACK)
          + reply(7, 3, struct.pack(">HQH", 0, 666 << 20, 1)) + reply(7, ACK))
INJECTED = {"inject": FORGED, "inject-record": b"\x17\x03\x03" + struct.pack(">H", len(FORGED)) + FORGED}


class Man:
    def __init__(self, client, server, record, mode):
        self.client, self.mode = client, mode
        self.detested = mode[8:].split(",") if mode.startswith("hang-up-") else []
        self.pace = int(mode[8:]) if mode.startswith("trickle-") else None
        self.record = open(record, "wb", buffering=0)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.connect(server)

    def heard(self, count):
        """Exactly so many bytes of the client."""
        data = b""
        while len(data) < count:
            part = self.client.recv(count - len(data))
            if not part:
                raise EOFError
            self.record.write(part)
            data += part
        return data

    def run(self, number):
        try:
            self.meddle()
            threading.Thread(target=self.pump, args=(self.server, self.client, None, self.pace)).start()
            if self.detested:
                self.listen()
            self.pump(self.client, self.server, self.record)
        except (EOFError, OSError):
            self.client.close()
            self.server.close()
        print(number, flush=True)

    def meddle(self):
        greeting = self.server.recv(18, socket.MSG_WAITALL)
        if self.mode == "plain":
            greeting = greeting[:16] + struct.pack(">H", struct.unpack(">H", greeting[16:])[0] & ~1)
        self.client.sendall(greeting)
        self.server.sendall(self.heard(4))
        if self.mode in ("forward", "plain") or self.detested or self.pace:
            return
        head = self.heard(16)
        _, option, length = struct.unpack(">QII", head)
        head += self.heard(length)
        if option == STARTTLS and self.mode in REFUSALS:
            return self.client.sendall(reply(STARTTLS, REFUSALS[self.mode]))
        self.server.sendall(head)
        if option == STARTTLS:
            self.client.sendall(self.server.recv(20, socket.MSG_WAITALL) + INJECTED[self.mode])

    def listen(self):
        """Passes on the options, until one is detested or they are over."""
        option = None
        while option not in (1, 7):
            head = self.heard(16)
            _, option, length = struct.unpack(">QII", head)
            if str(option) in self.detested:
                # The other thread holds the sockets as well.
                self.client.shutdown(socket.SHUT_RDWR)
                self.server.shutdown(socket.SHUT_RDWR)
                raise EOFError
            self.server.sendall(head + self.heard(length))

    @staticmethod
    def pump(source, sink, record=None, pace=None):
        try:
            while data := source.recv(pace or 65536):
                if pace:
                    time.sleep(0.1)
                if record:
                    record.write(data)
                try:
                    sink.sendall(data)
                except OSError:
                    pass  # What comes for one who has gone is recorded all the same.
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def main():
    path, server, record, mode = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("ready", flush=True)
    for number in itertools.count():
        man = Man(listener.accept()[0], server, f"{record}.{number}", mode)
        threading.Thread(target=man.run, args=(number,)).start()


if __name__ == "__main__":
    main()
