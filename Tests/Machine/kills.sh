#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Servers are killed at random moments under verified I/O on a raw device and work on the files of an ext4: no I/O
# error, no wrong byte. With one connection, with four, and with TLS. NBD_SOAK=1: 100 kills each, instead of 10.
# on-kernel: --timeout 400
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"

kills=$(for_soak 10 100)
certificates $work/pki localhost
start_nbdd

# variant LABEL SCHEME SETTINGS [ARGUMENT-OF-NBDKIT...]
variant() {
  local label=$1 scheme=$2 settings=$3 awaited=0 count; shift 3
  say "$label"
  local server=("$@")
  up_raw() { serve raw --port 10809 ${server[@]+"${server[@]}"} file $work/raw.img; }
  up_tree() { serve tree --port 10810 ${server[@]+"${server[@]}"} file $work/tree.img; }
  rm -f $work/{raw,tree}.img
  image raw 32M
  image tree 96M
  mkfs.ext4 -q $work/tree.img
  up_raw; up_tree
  device raw "{ \"uri\": \"$scheme://localhost:10809/\", $settings }"
  device tree "{ \"uri\": \"$scheme://localhost:10810/\", $settings, \"mount\": { \"path\": \"$work/tree\" } }"
  ends "reload" 0 nbdctl reload
  within 20 "raw is attached" in_state raw attached
  within 20 "tree is mounted" mounted $work/tree
  within 20 "all connections of raw are up" all_up raw
  figure "$label: $(runtime raw '.relay.connections | "\(length) connections, \(.[0].encryption // "unencrypted")"')"
  fio_begin raw "$(runtime raw .device)" "${writing[@]}"
  files_begin tree $work/tree
  under_way raw; under_way tree

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
  within 30 "all connections of raw are up again" all_up raw
  under_way raw; under_way tree
  fio_end raw
  files_end tree
  figure "$label: $kills kills of each; $ios verified I/Os; files: $files"
  for name in raw tree; do
    local outages; outages=$(runtime $name .relay.outages)
    [ "$outages" -ge $awaited ] && [ "$outages" -le $kills ] ||
      failed "outages of $name" "from $awaited to $kills" "$outages"
    figure "$label: $name: $outages outages, the longest $(runtime $name .relay.longestOutageMSec) ms"
  done
  ends "detach tree" 0 nbdctl detach tree
  ends "e2fsck on the server's image" 0 e2fsck -fn $work/tree.img
  ends "attach tree" 0 nbdctl attach tree
  files_right tree $work/tree
  rm $config/devices.d/{raw,tree}.json
  ends "detach tree" 0 nbdctl detach tree
  ends "detach raw" 0 nbdctl detach raw
  ends "reload" 0 nbdctl reload
  end_server raw; end_server tree
  quiet_kernel
}
variant "1 connection" nbd '"connections": 1'
variant "4 connections" nbd '"connections": 4'
variant "TLS" nbds "\"connections\": 2, \"tlsCertificates\": \"$work/pki\"" --tls=require --tls-certificates=$work/pki
finish
