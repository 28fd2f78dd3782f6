#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Plays a server that misbehaves as a case of hostile-cases.json says.

  hostile_server.py CASES.json                      lists the cases
  hostile_server.py CASES.json ID --unix PATH | --tcp HOST:PORT [--conns N]

A script has the steps {"send": HEX, "repeat": N}, {"recv": N}, {"recv_until_option": OPT|[OPT..]},
{"recv_until_request": CMD|[CMD..]}, {"stall": SECONDS} and {"close": true}. HEX may hold blanks,
{NAME+K:WIDTH} (a big-endian number; NAME is opt, cookie, offset, length or a number) and
{fill:NAME+K} (that many bytes of 0x5a). Messages of the client that no step waits for, and all that
come after the last step, get the answer of a plain and well-behaved server. For each connection one
line of JSON on stderr tells what the client sent and how it ended.
"""
import argparse, json, re, socket, struct, sys, threading, time

OPTS, REPM = 0x49484156454F5054, 0x0003E889045565A9
REQ, XREQ, SIMPLE, CHUNK, XCHUNK = 0x25609513, 0x21E41C71, 0x67446698, 0x668E33EF, 0x6E8A278C
HOLE = re.compile(r"\{(fill:)?(\w+)([+-]\d+)?(?::(\d+))?\}")


class Gone(Exception):
    pass


class Player:
    def __init__(self, sock, case):
        self.s, self.case, self.var = sock, case, dict(opt=0, cookie=0, offset=0, length=0)
        self.log = dict(case=case["id"], reached=0, steps=len(case["server_script"]), raw=[],
                        options=[], requests=[], abort=False, ended="?")

    def get(self, n):
        buf = b""
        while len(buf) < n:
            part = self.s.recv(min(n - len(buf), 1 << 20))
            if not part:
                raise Gone("client closed" + " inside a message" * bool(buf))
            buf += part
        return buf

    def expand(self, text):
        def sub(m):
            n = (self.var[m[2]] if m[2] in self.var else int(m[2], 0)) + int(m[3] or 0)
            w = int(m[4] or 8)
            return "5a" * n if m[1] else (n % (1 << 8 * w)).to_bytes(w, "big").hex()
        return bytes.fromhex(HOLE.sub(sub, text))

    def message(self):
        """Read one client message: ("option", number, data) or ("request", command, magic)."""
        magic = struct.unpack(">I", self.get(4))[0]
        if magic == OPTS >> 32:
            _, opt, ln = struct.unpack(">III", self.get(12))
            self.var["opt"] = opt
            self.log["options"].append(opt)
            self.log["abort"] |= opt == 2
            return "option", opt, self.get(ln)
        if magic not in (REQ, XREQ):
            raise Gone("client sent unknown magic %08x" % magic)
        fmt = ">HHQQI" if magic == REQ else ">HHQQQ"
        flags, cmd, cookie, offset, length = struct.unpack(fmt, self.get(struct.calcsize(fmt)))
        self.var.update(cookie=cookie, offset=offset, length=length)
        self.log["requests"].append([cmd, flags, offset, length])
        if cmd == 1 or flags & 32:
            self.get(length)
        return "request", cmd, magic

    def auto(self, kind, n, data):
        """Answer as a plain server would."""
        v, sr, case = self.var, self.case.get("structured", False), self.case
        size, fl = struct.pack(">Q", case.get("size", 1 << 20)), struct.pack(">H", 0x6D)

        def reply(rtype, body=b""):
            self.s.sendall(struct.pack(">QIII", REPM, v["opt"], rtype, len(body)) + body)

        def chunk(ctype, body=b""):
            head = struct.pack(">IHHQ", XCHUNK if data == XREQ else CHUNK, 1, ctype, v["cookie"])
            head += (struct.pack(">QQ", v["offset"], len(body)) if data == XREQ
                     else struct.pack(">I", len(body)))
            self.s.sendall(head + body)

        if kind == "option" and n == 1:
            self.s.sendall(size + fl + bytes(0 if case.get("no_zeroes", True) else 124))
        elif kind == "option":
            if n == 3:
                reply(2, struct.pack(">I", 0))
            elif n in (6, 7):
                reply(3, b"\0\0" + size + fl)
                reply(3, struct.pack(">HIII", 3, 1, 4096, 1 << 25))
            elif n in (9, 10) and sr and (b"base:" in data or n == 9 and b"qemu:" not in data):
                reply(4, struct.pack(">I", n - 9) + b"base:allocation")
            good = n in (2, 3, 6, 7) or n in (8, 9, 10) and sr or n == 11 and case.get("ext")
            reply(1 if good else 0x80000001)
            if n == 2:
                raise Gone("client sent ABORT")
        elif n == 2:
            raise Gone("client sent DISC")
        elif data == XREQ or sr and n in (0, 7):
            if n == 0:
                chunk(1, struct.pack(">Q", v["offset"]) + bytes(v["length"]))
            elif n == 7 and data == XREQ:
                chunk(6, struct.pack(">IIQQ", 1, 1, v["length"], 0))
            elif n == 7:
                chunk(5, struct.pack(">III", 1, v["length"], 0))
            else:
                chunk(0)
        else:
            self.s.sendall(struct.pack(">IIQ", SIMPLE, 0, v["cookie"]) + bytes(v["length"] * (n == 0)))

    def until(self, kind, want):
        want = want if isinstance(want, list) else [want]
        while True:
            got, n, data = self.message()
            if got == kind and n in want:
                return
            self.auto(got, n, data)

    def run(self):
        try:
            for step in self.case["server_script"]:
                if "send" in step:
                    data, left = self.expand(step["send"]), step.get("repeat", 1)
                    while left > 0:
                        take = max(1, min(left, 65536 // max(1, len(data))))
                        self.s.sendall(data * take)
                        left -= take
                elif "recv" in step:
                    self.log["raw"].append(self.get(step["recv"]).hex())
                elif "stall" in step:
                    time.sleep(step["stall"])
                elif "close" in step:
                    raise Gone("script closed")
                else:
                    (key, want), = step.items()
                    self.until(key.rsplit("_", 1)[1], want)
                self.log["reached"] += 1
            self.until("never", -1)
        except (Gone, OSError) as e:
            self.log["ended"] = str(e)
            try:
                while isinstance(e, OSError):   # it hung up on us: read what it said before that
                    self.message()
            except (Gone, OSError):
                pass
        self.s.close()
        print(json.dumps(self.log), file=sys.stderr, flush=True)


def main():
    p = argparse.ArgumentParser()
    for name, kw in (("cases", {}), ("id", dict(nargs="?")), ("--unix", {}), ("--tcp", {}),
                     ("--conns", dict(type=int, default=0, help="exit after this many"))):
        p.add_argument(name, **kw)
    a = p.parse_args()
    cases = {c["id"]: c for c in json.load(open(a.cases))}
    if not a.id:
        return print("\n".join("\t".join((c["id"], c["phase"], c["description"])) for c in cases.values()))
    ls = socket.socket(socket.AF_UNIX if a.unix else socket.AF_INET)
    ls.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ls.bind(a.unix or (a.tcp.rsplit(":", 1)[0], int(a.tcp.rsplit(":", 1)[1])))
    ls.listen(8)
    print("ready", flush=True)
    threads = []
    while not a.conns or len(threads) < a.conns:
        threads.append(threading.Thread(target=Player(ls.accept()[0], cases[a.id]).run))
        threads[-1].start()


if __name__ == "__main__":
    main()
