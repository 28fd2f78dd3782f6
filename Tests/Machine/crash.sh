#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# nbdd is killed at random moments under verified I/O on a raw device and work on the files of an ext4, and so are the
# servers, with and without it: no I/O error, no wrong byte, the same devices. With one connection, with four, with TLS,
# and with servers that lose what was not flushed. NBD_SOAK=1: 50 kills each, instead of 10.
# on-kernel: --timeout 400
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"

kills=$(for_soak 10 50)
certificates $work/pki localhost
start_nbdd

# killed: nbdd dies and is started again, as systemd would do it; `back` is how long it took until raw was served.
killed() {
  local process=$daemon; daemon=
  kill -KILL "$process"
  wait "$process" 2>/dev/null
  [ "${1:-}" = servers ] && { end_server raw KILL; end_server tree KILL; up_raw; up_tree; }
  local started; started=$(now)
  nbdd --config $config >>$work/nbdd.log 2>&1 </dev/null &
  daemon=$!
  within 20 "nbdd answers" nbdctl status
  within 30 "raw is back" in_state raw attached
  back=$(($(now) - started))
  [ $back -le "$longest" ] || longest=$back
  within 30 "tree is back" in_state tree attached
}

# variant LABEL SCHEME SETTINGS [ARGUMENT-OF-NBDKIT...]
variant() {
  local label=$1 scheme=$2 settings=$3 count; shift 3
  say "$label"
  local server=("$@")
  longest=0
  up_raw() { serve raw --port 10809 ${server[@]+"${server[@]}"} file $work/raw.img $cached; }
  up_tree() { serve tree --port 10810 ${server[@]+"${server[@]}"} file $work/tree.img $cached; }
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
  local path thread
  path=$(runtime raw .device) thread=$(runtime raw .thread)
  fio_begin raw "$path" "${writing[@]}"
  files_begin tree $work/tree
  under_way raw; under_way tree

  for ((count = 0; count < kills; count++)); do
    between 50 900
    # Every third time, with the servers.
    if [ $((count % 3)) = 2 ]; then killed servers; else killed; fi
    check "device of raw" "$path" "$(runtime raw .device)"
    check "thread of raw" "$thread" "$(runtime raw .thread)"
    under_way raw 5
  done
  within 30 "all connections of raw are up again" all_up raw
  under_way raw; under_way tree
  fio_end raw
  files_end tree
  check "restarts of raw" $kills "$(runtime raw .restarts)"
  figure "$label: $kills kills of nbdd, $((kills / 3)) with the servers; $ios verified I/Os; files: $files; back after $longest ms at most"
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
cached=  # an argument of nbdkit's file plugin, or of its cache
variant "1 connection" nbd '"connections": 1'
variant "4 connections" nbd '"connections": 4'
variant "TLS" nbds "\"connections\": 2, \"tlsCertificates\": \"$work/pki\"" --tls=require --tls-certificates=$work/pki
cached=cache=writeback
variant "volatile cache" nbd '"connections": 1' --filter=cache

say "volatile cache, and a relay that keeps no writes: the counterpart"
if [ -x "$tree/.build/debug/nbdd" ]; then
  stop_nbdd
  mkdir $work/forgetful
  ln -s "$tree/.build/debug/nbdd" $work/forgetful/nbdd
  PATH=$work/forgetful:$PATH
  hash -r
  export NBDD_TEST_WITHOUT=keep
  up_raw() { serve raw --port 10809 --filter=cache file $work/raw.img cache=writeback; }
  rm -f $work/raw.img
  image raw 32M
  up_raw
  device raw '{ "uri": "nbd://localhost:10809/" }'
  start_nbdd
  within 20 "raw is attached" in_state raw attached
  fio_begin raw "$(runtime raw .device)" "${writing[@]}"
  for ((count = 0; count < 40; count++)); do
    between 50 900
    [ ! -e $work/raw.wrong ] || break
    kill -KILL "$daemon"; wait "$daemon" 2>/dev/null
    end_server raw KILL
    up_raw
    start_nbdd
  done
  fio_stop raw
  matches "fio finds the loss" 'verify|bad|fio ended' "$wrong"
  figure "without keeping: fio finds the loss after $count kills"
  stop_nbdd
  end_server raw
else
  figure "without keeping: not shown, there is no build for tests (swift build)"
fi
finish
