// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors
//
// What nbdd uses of libsystemd: readiness and watchdog, socket activation, the journal.

#pragma once

#include <stddef.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
