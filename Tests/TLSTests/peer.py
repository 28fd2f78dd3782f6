# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# peer.py SOCKET MODE [NAME=VALUE...]: a server for one connection, for the tests of TLS.
#
#   silent   says nothing at all                     garbage  says something that is not TLS
#   hangup   reads a little and closes               drip     says a byte now and then, for ever
#   echo     TLS; sends back what it receives, then prints how the client ended
#   hello    TLS; says hello and ends in good order  cut      TLS; says hello and just closes
#   sink     TLS; receives, then prints how much that was and how the client ended
#
# TLS, with records that leave as they shall. Session tickets, and then hello and world in a record each:
#   together all at once                             apart    tickets, after a while the rest at once
#   bytes    one byte after the other                halfway  all but the last bytes, and closes
#
# cert=, key= its certificate; ca= demands one of the client; low=, high= TLS versions.
# Ends with its standard input.
import os, socket, ssl, sys, threading, time

path, mode = sys.argv[1:3]
options = dict(word.split("=", 1) for word in sys.argv[3:])
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()

listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
plain, _ = listener.accept()

if mode == "silent":
    time.sleep(600)
elif mode == "garbage":
    plain.sendall(b"NBDMAGICIHAVEOPT" * 64)
    plain.recv(1)
    time.sleep(600)
elif mode == "hangup":
    plain.recv(64)
    sys.exit()
elif mode == "drip":
    # A handshake record of 16 KiB that never gets complete.
    for byte in b"\x16\x03\x03\x40\x00" + bytes(16384):
        plain.send(bytes([byte]))
        time.sleep(0.02)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(options["cert"], options["key"])
if "low" in options:
    context.minimum_version = ssl.TLSVersion[options["low"]]
if "high" in options:
    context.maximum_version = ssl.TLSVersion[options["high"]]
if "ca" in options:
    context.load_verify_locations(options["ca"])
    context.verify_mode = ssl.CERT_REQUIRED
if mode in ("together", "apart", "bytes", "halfway"):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            secure.do_handshake()
            break
        except ssl.SSLWantReadError:
            plain.sendall(outgoing.read())
            incoming.write(plain.recv(65536))
    if mode == "apart":
        plain.sendall(outgoing.read())
        time.sleep(0.2)
    secure.write(b"hello")
    secure.write(b"world")
    records = outgoing.read()
    if mode == "bytes":
        for byte in records:
            plain.sendall(bytes([byte]))
            time.sleep(0.001)
    else:
        plain.sendall(records[:-3] if mode == "halfway" else records)
    if mode != "halfway":
        time.sleep(600)
    sys.exit()
names = []
context.sni_callback = lambda _, name, __: names.append(name)
try:
    secure = context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
except (ssl.SSLError, OSError) as error:
    print("refused:", getattr(error, "reason", error), flush=True)
    sys.exit()

if mode == "hello":
    secure.sendall(b"hello")
    try:
        secure.unwrap()
    except (ssl.SSLError, OSError):
        pass
elif mode == "cut":
    secure.sendall(b"hello")
    secure.recv(1)
    plain = socket.socket(fileno=secure.detach())
    plain.close()
else:
    print("name:", names[0] if names else None, flush=True)
    count = 0
    try:
        while data := secure.recv(65536):
            count += len(data)
            if mode == "echo":
                secure.sendall(data)
        if mode == "sink":
            print("received:", count, flush=True)
        print("end: close_notify", flush=True)
    except (ssl.SSLError, OSError):
        print("end: cut", flush=True)
