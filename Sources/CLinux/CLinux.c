// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

// A C target needs a source file; everything is in the header.
#include "CLinux.h"
