#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Servers are killed at random moments under verified I/O on a raw device and work on the files of an ext4: no I/O
# error, no wrong byte. With one connection, with four, and with TLS. NBD_SOAK=1: 100 kills each, instead of 10.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"
. "$(dirname "$0")/pair.sh"

kills=$(for_soak 10 100)
certificates $work/pki localhost
start_nbdd

# variant LABEL SCHEME SETTINGS [ARGUMENT-OF-NBDKIT...]
variant() {
  local label=$1 awaited=0 count; shift
  say "$label"
  pair_begin "$@"
  figure "$label: $(runtime raw '.relay.connections | "\(length) connections, \(.[0].encryption // "unencrypted")"')"

  for ((count = 0; count < kills; count++)); do
    between 50 900
    end_server raw KILL
    between 0 300
    end_server tree KILL
    between 0 700
    up_tree; up_raw
    # A quarter of the kills meet connections that are just being made.
    [ $((RANDOM % 4)) = 0 ] && continue
    awaited=$((awaited + 1))
    within 30 "raw is back" in_state raw attached
    within 30 "tree is back" in_state tree attached
  done
  within 30 "raw is back" in_state raw attached
  pair_rest
  figure "$label: $kills kills of each; $ios verified I/Os; files: $files"
  for name in raw tree; do
    local outages; outages=$(runtime $name .relay.outages)
    [ "$outages" -ge $awaited ] && [ "$outages" -le $kills ] ||
      failed "outages of $name" "from $awaited to $kills" "$outages"
    figure "$label: $name: $outages outages, the longest $(runtime $name .relay.longestOutageMSec) ms"
  done
  pair_end
}
variant "1 connection" nbd '"connections": 1'
variant "4 connections" nbd '"connections": 4'
variant "TLS" nbds "\"connections\": 2, \"tlsCertificates\": \"$work/pki\"" --tls=require --tls-certificates=$work/pki
finish
