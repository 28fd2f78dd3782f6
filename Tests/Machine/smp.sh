#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The nbdd authors
#
# Like crash.sh, but on the distribution's own kernel with two processors, where relay, keeper, driver and load really run
# at the same time. The machine is emulated, and many times slower. NBD_SOAK=1: 20 kills.
# on-kernel: --smp --memory 2048
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/loads.sh"
. "$(dirname "$0")/pair.sh"
. "$(dirname "$0")/crashes.sh"

kills=$(for_soak 6 20)
check "processors" 2 "$(nproc)"
start_nbdd
cached=cache=writeback
variant "4 connections, volatile cache" nbd '"connections": 4' --filter=cache
figure "attachments that the driver had too few threads for: $(grep -c 'could not start a thread' $work/nbdd.log)"
finish
