#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Answers questions about the status of devices, one line each, for as long as they come.

A question is NAME PATH, as in "disk .relay.outages", and the answer the value as JSON has it, without quotes; "null"
where there is none, or nbdd does not answer. One process for many questions: on a kernel with one processor, starting
one for each would slow down what is being watched.
"""
import json
import os
import socket
import sys


def runtime(name):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(os.environ["NBDD_SOCKET"])
    call = {"method": "org.nbdd.Status", "parameters": {"name": name}}
    connection.sendall(json.dumps(call).encode() + b"\0")
    reply = b""
    while not reply.endswith(b"\0"):
        data = connection.recv(65536)
        if not data:
            raise OSError("closed")
        reply += data
    return json.loads(reply[:-1])["parameters"]["devices"][0]["runtime"]


for line in sys.stdin:
    name, path = line.split()
    try:
        value = runtime(name)
        for key in path.split(".")[1:]:
            value = value.get(key) if value is not None else None
    except (OSError, LookupError, ValueError):
        value = None
    print(value if isinstance(value, str) else json.dumps(value), flush=True)
