// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

#pragma once

/// How often this process has asked for memory since it began.
unsigned long allocations(void);
