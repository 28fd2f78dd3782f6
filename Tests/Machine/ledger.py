#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""A service that keeps a database: commits one transaction after the other, and says so to somebody else.

ledger.py DATABASE ACKNOWLEDGED    until SIGTERM; then it takes three seconds for its last transaction
ledger.py --check DATABASE ACKNOWLEDGED    whether nothing is lost: ends with 0, or says what is

ACKNOWLEDGED is a file elsewhere, with the number of the last transaction that was committed.
"""
import signal
import sqlite3
import sys
import time

is_check = sys.argv[1] == "--check"
path, acknowledged = sys.argv[-2:]
try:
    with open(acknowledged, encoding="ascii") as file:
        promised = int(file.read() or 0)
except FileNotFoundError:
    promised = 0
database = sqlite3.connect(path, isolation_level=None)
database.execute("PRAGMA synchronous = EXTRA")
database.execute("CREATE TABLE IF NOT EXISTS ledger (number INTEGER PRIMARY KEY, text TEXT)")
state = database.execute("PRAGMA integrity_check").fetchone()[0]
count, last = database.execute("SELECT count(*), coalesce(max(number), 0) FROM ledger").fetchone()
if state != "ok" or count != last or last < promised:
    sys.exit(f"integrity: {state}; {promised} transactions were acknowledged, {count} are there, the last is {last}")
if is_check:
    print(f"{last} transactions")
    sys.exit(0)

stopping = False


def stop(_number, _frame):
    global stopping
    stopping = True


def commit(number, text):
    database.execute("INSERT INTO ledger VALUES (?, ?)", (number, text))
    file.seek(0)
    file.write(f"{number:010d}\n")
    file.flush()


signal.signal(signal.SIGTERM, stop)
with open(acknowledged, "w", encoding="ascii") as file:
    while not stopping:
        last += 1
        commit(last, "x" * 500)
    time.sleep(3)
    commit(last + 1, "the last one")
