#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Peers that do not keep to the protocol.

peer.py serve http|silent PORT     a server that is not an NBD server; runs until it is killed
peer.py call SOCKET garbage|binary|large|endless|half|many
                                   a control client; prints the reply, and `closed` when nbdd hung up
"""
import json
import socket
import sys
import threading


def serve(kind, port):
    listener = socket.create_server(("127.0.0.1", port))
    print("listening", flush=True)
    kept = []
    while True:
        connection, _ = listener.accept()
        if kind == "http":
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: test\r\nConnection: close\r\n\r\n")
            connection.close()
        else:
            kept.append(connection)


def many(path):
    clients = [socket.socket(socket.AF_UNIX) for _ in range(200)]
    for client in clients:
        client.settimeout(1)
        try:
            client.connect(path)
        except OSError:
            break  # refused or not taken up: that is nbdd's right
    threading.Event().wait(1)


def call(path, kind):
    if kind == "many":
        return many(path)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    connection.settimeout(20)
    if kind == "half":
        # Sends half a call and waits, and is still connected when others call.
        connection.sendall(b'{"method": "org.nbdd.Sta')
        print("waiting", flush=True)
        threading.Event().wait()

    def talk():
        try:
            if kind == "garbage":
                connection.sendall(b"this is not JSON\0")
            elif kind == "binary":
                connection.sendall(bytes(range(255, -1, -1)))
            elif kind == "large":
                start = b'{"method": "org.nbdd.Status", "parameters": {"name": "'
                connection.sendall(start)
                for _ in range(100):
                    connection.sendall(b"x" * (1 << 20))
                connection.sendall(b'"}}\0')
            else:
                while True:
                    connection.sendall(b" " * (1 << 20))
        except OSError:
            pass

    threading.Thread(target=talk, daemon=True).start()
    received = b""
    try:
        while True:
            piece = connection.recv(65536)
            if not piece:
                print(show(received), "closed")
                return
            received += piece
    except ConnectionResetError:
        print(show(received), "closed")
    except socket.timeout:
        print(show(received), "open after 20 s")
        sys.exit(1)


def show(received):
    if not received:
        return "(nothing)"
    try:
        return json.loads(received.split(b"\0")[0]).get("error", "(no error)")
    except ValueError:
        return "(not JSON)"


if sys.argv[1] == "serve":
    serve(sys.argv[2], int(sys.argv[3]))
else:
    call(sys.argv[2], sys.argv[3])
