#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# An independent client drives the control socket: the varlink package of PyPI.
#   NBD_VARLINK_PYTHON   a Python that can import it (.build/varlink/bin/python3, which Tests/prerequisites makes)
. "$(dirname "$0")/common.sh"

client=${NBD_VARLINK_PYTHON:-$tree/.build/varlink/bin/python3}
"$client" -c 'import varlink' 2>/dev/null ||
  skip "no Python with the package varlink at $client: make prerequisites"
serve tcp --port 10809 memory 64M
device disk '{ "uri": "nbd://127.0.0.1/", "autoAttach": false }'
start_nbdd
timeout 90 "$client" $machine/varlink-client.py $NBDD_SOCKET disk 2>&1 | tee $work/client.log
check "status of the client" 0 "${PIPESTATUS[0]}"
finish
