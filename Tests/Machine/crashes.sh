# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Kills of nbdd and of servers, under load. Needs pair.sh; `kills` is how many kills a variant has.
# shellcheck shell=bash disable=SC2034

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
  local label=$1 count; shift
  say "$label"
  longest=0
  pair_begin "$@"
  local path thread
  path=$(runtime raw .device) thread=$(runtime raw .thread)
  for ((count = 0; count < kills; count++)); do
    between 50 900
    # Every third time, with the servers.
    if [ $((count % 3)) = 2 ]; then killed servers; else killed; fi
    check "device of raw" "$path" "$(runtime raw .device)"
    check "thread of raw" "$thread" "$(runtime raw .thread)"
    under_way raw 5
  done
  pair_rest
  check "restarts of raw" $kills "$(runtime raw .restarts)"
  figure "$label: $kills kills of nbdd, $((kills / 3)) with the servers; $ios verified I/Os; files: $files; back after $longest ms at most"
  pair_end
}
