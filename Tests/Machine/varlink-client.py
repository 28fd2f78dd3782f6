#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""Drives nbdd with the varlink package of PyPI, which knows nothing of nbdd.

varlink-client.py SOCKET NAME: NAME is a configured device that is not attached. Ends with 0 if every check held.
"""
import sys
import threading

import varlink

address, name = "unix:" + sys.argv[1], sys.argv[2]
failures = 0


def check(what, held, seen=""):
    global failures
    failures += not held
    print(("ok      " if held else "FAILED  ") + what, "" if held else seen)


def error_of(call):
    try:
        call()
    except varlink.VarlinkError as error:
        return error.error()
    return "no error"


events = []
synced, done = threading.Event(), threading.Event()


def watch():
    """Follows the device on a connection of its own until it has been attached and detached."""
    with varlink.Client(address) as client, client.open("org.nbdd") as nbdd:
        attached = False
        for reply in nbdd.Watch(name=name, _more=True):
            events.append(reply)
            if reply["event"] == "synced":
                synced.set()
            state = reply["device"]["runtime"]["state"] if reply.get("device") else None
            attached = attached or state == "attached"
            if attached and state == "detached":
                done.set()
                return


with varlink.Client(address) as client:
    interfaces = [getattr(interface, "name", interface) for interface in client.get_interfaces()]
    check("it lists the interfaces", {"org.varlink.service", "org.nbdd"} <= set(interfaces), interfaces)
    text = client.get_interface("org.nbdd").description
    methods = [line.split("(")[0][7:] for line in text.splitlines() if line.startswith("method ")]
    check("it has the interface text", methods == ["Attach", "Detach", "Reconnect", "Fail", "Status", "Reload", "PrepareShutdown", "Watch"], methods)
    check("the text has its comments", "# nbdd keeps NBD devices attached." in text)
    with client.open("org.nbdd") as nbdd:
        threading.Thread(target=watch, daemon=True).start()
        check("Watch sends what is present", synced.wait(10))
        devices = nbdd.Status()["devices"]
        check("Status of all", name in [device["context"]["name"] for device in devices], devices)
        device = nbdd.Status(name=name)["devices"][0]
        check("Status of one", device["runtime"]["state"] == "detached", device)
        reply = nbdd.Attach(name=name)
        runtime = reply["device"]["runtime"]
        check("Attach", reply["changed"] and runtime["state"] == "attached", reply)
        check("Attach gives the device", runtime["device"].startswith("/dev/nbd"), runtime)
        check("Attach again", nbdd.Attach(name=name)["changed"] is False)
        check("an unknown name", error_of(lambda: nbdd.Status(name="nobody")) == "org.nbdd.NoSuchDevice")
        faulty = {"name": "faulty", "uri": "http://127.0.0.1/"}
        check("a bad context", error_of(lambda: nbdd.Attach(context=faulty)) == "org.nbdd.ConfigurationInvalid",
              error_of(lambda: nbdd.Attach(context=faulty)))
        check("Watch without more", error_of(lambda: nbdd.Watch()).startswith("org.varlink.service."),
              error_of(lambda: nbdd.Watch()))
        check("Detach", nbdd.Detach(name=name)["changed"] is True)
        check("Detach again", nbdd.Detach(name=name)["changed"] is False)
        reply = nbdd.Reload()
        check("Reload", all(isinstance(reply[key], list) for key in ("added", "changed", "removed", "deferred")), reply)
        context = nbdd.Status(name=name)["devices"][0]["context"]
        context["name"] = "again"
        check("a context of Status can be given to Attach", nbdd.Attach(context=context)["changed"] is True)
        check("and be detached by path",
              nbdd.Detach(device=nbdd.Status(name="again")["devices"][0]["runtime"]["device"])["changed"] is True)

check("Watch saw it come and go", done.wait(10), events)
kinds = [event["event"] for event in events]
check("Watch: first the present", kinds[:2] == ["present", "synced"], kinds)
numbers = [event["sequence"] for event in events]
check("Watch: the sequence grows by one", numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers)
print("figure: the watcher saw", " ".join(
    event["device"]["runtime"]["state"] if event.get("device") else event["event"] for event in events))
sys.exit(1 if failures else 0)
