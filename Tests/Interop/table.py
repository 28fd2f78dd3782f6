# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
"""The table of what works, with its footnotes."""
import collections, string
from places import TRANSPORTS

SECURITIES = ["plain", "x509", "client", "PSK"]
OPERATIONS = ["list", "info", "map", "read", "attach"]
LETTERS = string.ascii_uppercase + string.ascii_lowercase


def show(cells):
    """Prints [server, transport, security, operation, outcome, words] as a table.

    Answers how many failed.
    """
    notes, skipped = {}, {}
    rows = collections.defaultdict(dict)
    for server, transport, security, operation, outcome, words in cells:
        row = rows[server, transport]
        if outcome in ("cannot", "later"):
            mark = notes.setdefault(words, LETTERS[len(notes)])
        else:
            mark = {"passed": "✓", "failed": "✗", "skipped": "-"}[outcome]
        row[security, operation] = mark
        if outcome == "skipped":
            skipped.setdefault(words, set()).add(server)

    wide = max((len(server) for server, _ in rows), default=6) + 2
    letters = " ".join(operation[0] for operation in OPERATIONS)
    heads = "  ".join(security.ljust(len(letters)) for security in SECURITIES)
    print(f"{'':{wide}}{'':7}{heads}".rstrip())
    print(f"{'server':{wide}}{'over':7}{'  '.join([letters] * len(SECURITIES))}")
    for (server, transport), row in order(rows, cells):
        groups = [" ".join(row.get((s, o), " ") for o in OPERATIONS) for s in SECURITIES]
        print(f"{server:{wide}}{transport:7}{'  '.join(groups)}".rstrip())
    print("l list, i info, m map, r read, a attach. x509: we verify the server's certificate; "
          "client: and it ours.")
    for words, mark in notes.items():
        print(f"  {mark}  {words}")
    for words, servers in skipped.items():
        print(f"skipped  interop   {', '.join(sorted(servers))}: {words}")
    for server, transport, security, operation, outcome, words in cells:
        if outcome == "failed":
            print(f"FAILED: {server}, {transport}, {security}, {operation}: {words}")
    count = collections.Counter(cell[4] for cell in cells)
    print(f"{count['passed']} passed, {count['cannot']} the server cannot, "
          f"{count['later']} nbdd cannot yet, {count['failed']} failed")
    return count["failed"]


def order(rows, cells):
    """By server, as they came first; in each by transport."""
    servers = list(dict.fromkeys(cell[0] for cell in cells))
    return sorted(rows.items(), key=lambda r: (servers.index(r[0][0]), TRANSPORTS.index(r[0][1])))
