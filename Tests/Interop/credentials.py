# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Certificates and pre-shared keys, made for one run."""
import os, secrets, subprocess

USER = "nbdd"
# In the server's certificate besides the loopback addresses.
NAME = "server.example"
EXTENSIONS = {
    "ca": "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n",
    "server": f"subjectAltName=DNS:{NAME},IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\n",
    "client": "extendedKeyUsage=clientAuth\n",
}


def make(directory):
    """Makes server/ and psk/ for servers, and for clients trust/ (verifies, shows nothing),
    client/ (shows a certificate; has a key, too) and other.psk (a key that no server knows)."""
    for name in ("server", "psk", "trust", "client"):
        os.mkdir(f"{directory}/{name}")
    for name, extensions in EXTENSIONS.items():
        write(f"{directory}/{name}.extensions", extensions)
        request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
        signer = ["-signkey", "ca.key"] if name == "ca" else [
            "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        signing = ["x509", "-req", "-days", "2", "-in", f"{name}.csr", "-out", f"{name}.pem",
                   "-extfile", f"{name}.extensions"]
        for command in (request, signing + signer):
            subprocess.run(["openssl"] + command, cwd=directory, check=True, capture_output=True)
    for name in ("server", "trust", "client"):
        os.link(f"{directory}/ca.pem", f"{directory}/{name}/ca-cert.pem")
    for name in ("server", "client"):
        os.link(f"{directory}/{name}.pem", f"{directory}/{name}/{name}-cert.pem")
        os.link(f"{directory}/{name}.key", f"{directory}/{name}/{name}-key.pem")
    write(f"{directory}/psk/keys.psk", f"{USER}:{secrets.token_hex(32)}\n")
    os.link(f"{directory}/psk/keys.psk", f"{directory}/client/psk.txt")
    write(f"{directory}/other.psk", f"{USER}:{secrets.token_hex(32)}\n")


def write(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(text)
