#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""A road to a server on which something can go wrong.

proxy.py PORT ADDRESS:TARGET FIFO    listens on PORT of every address, goes on to TARGET, takes orders from FIFO:

reset           resets all connections
stall, resume   forwards nothing until told to; connections are accepted meanwhile
cut up|down N   closes each present connection when N more bytes have gone to the server, or come from it
next up|down N  the same for a connection that is still to come; each takes one such order, the oldest
count FILE      writes how many bytes have gone up and come down since the start
"""
import collections
import os
import selectors
import socket
import struct
import sys

selector = selectors.DefaultSelector()


class Road:
    """A connection and its continuation; an end that cannot take what it gets holds the other."""

    def __init__(self, near, target):
        self.near, self.far = near, socket.create_connection(target)
        self.waiting = {self.near: b"", self.far: b""}  # what each end has still to be sent
        self.limits = {}
        for end in (self.near, self.far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(end, selectors.EVENT_READ, self)

    def other(self, end):
        return self.far if end is self.near else self.near

    def interest(self):
        for end in (self.near, self.far):
            wanted = selectors.EVENT_WRITE if self.waiting[end] else 0
            if not self.waiting[self.other(end)]:
                wanted |= selectors.EVENT_READ
            if not is_stalled and wanted:
                try:
                    selector.modify(end, wanted, self)
                except KeyError:
                    selector.register(end, wanted, self)
            elif end in selector.get_map():
                selector.unregister(end)

    def ready(self, end, mask):
        try:
            if mask & selectors.EVENT_READ:
                data = end.recv(1 << 18)
                if not data:
                    return self.close()
                way = "up" if end is self.near else "down"
                left = self.limits.get(way)
                if left is not None:
                    self.limits[way] = left - len(data)
                    data = data[:left]
                    if len(data) == left:
                        self.send(self.other(end), data)
                        print(f"cut {way}", flush=True)
                        return self.close()
                counts[way] += len(data)
                self.send(self.other(end), data)
            if mask & selectors.EVENT_WRITE:
                self.send(end, b"")
        except BlockingIOError:
            return
        except OSError:
            return self.close()
        self.interest()

    def send(self, end, data):
        data = self.waiting[end] + data
        try:
            sent = end.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        self.waiting[end] = data[sent:]

    def close(self, reset=False):
        roads.discard(self)
        for end in (self.near, self.far):
            if end in selector.get_map():
                selector.unregister(end)
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()


def accept():
    near, _ = listener.accept()
    try:
        road = Road(near, target)
    except OSError:
        return near.close()
    roads.add(road)
    if orders:
        way, limit = orders.popleft()
        road.limits[way] = limit
        if limit == 0:
            print(f"cut {way}", flush=True)
            return road.close()
    road.interest()


def order(words):
    global is_stalled
    if words[0] == "reset":
        for road in list(roads):
            road.close(reset=True)
    elif words[0] in ("stall", "resume"):
        is_stalled = words[0] == "stall"
        for road in roads:
            road.interest()
    elif words[0] == "cut":
        for road in roads:
            road.limits[words[1]] = int(words[2])
    elif words[0] == "next":
        orders.append((words[1], int(words[2])))
    elif words[0] == "count":
        with open(words[1] + ".new", "w", encoding="ascii") as file:
            file.write(f"{counts['up']} {counts['down']}\n")
        os.rename(words[1] + ".new", words[1])


address, port = sys.argv[2].rsplit(":", 1)
target = (address, int(port))
is_stalled, roads, orders, counts = False, set(), collections.deque(), {"up": 0, "down": 0}
os.mkfifo(sys.argv[3])
begun = b""  # of an order, whose end is still to come
fifo = os.open(sys.argv[3], os.O_RDWR | os.O_NONBLOCK)
listener = socket.create_server(("", int(sys.argv[1])), backlog=64)
selector.register(listener, selectors.EVENT_READ)
selector.register(fifo, selectors.EVENT_READ)
print("listening", flush=True)
while True:
    for key, events in selector.select():
        if key.fileobj is listener:
            accept()
        elif key.fileobj is fifo:
            *lines, begun = (begun + os.read(fifo, 4096)).split(b"\n")
            for line in lines:
                order(line.decode().split())
        elif key.data in roads and key.fileobj in selector.get_map():
            key.data.ready(key.fileobj, events)
