#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# nbdd is killed at random moments under verified I/O on a raw device and work on the files of an ext4, and so are the
# servers, with and without it: no I/O error, no wrong byte, the same devices. With one connection, with four, with TLS,
# and with servers that lose what was not flushed. NBD_SOAK=1: 50 kills each, instead of 5.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"
. "$(dirname "$0")/pair.sh"
. "$(dirname "$0")/crashes.sh"

kills=$(for_soak 5 50)
certificates $work/pki localhost
start_nbdd

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
