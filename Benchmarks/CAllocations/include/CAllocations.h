// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

#pragma once

/// Returns how often this process has allocated memory since it started.
unsigned long allocations(void);
