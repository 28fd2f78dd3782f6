// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors
//
// What nbdd uses of GnuTLS, and a handle that threads may share.

#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/socket.h>
#include <gnutls/x509.h>

// Swift takes every pointer for something that must stay in one thread. GnuTLS says more
// (manual, "Thread safety"), and only a type of its own can carry that.

/// Credentials of any kind: threads may share what they only read.
typedef struct {
  gnutls_credentials_type_t kind;
  void *_Nonnull pointer;
} cgnutls_credentials __attribute__((swift_attr("@Sendable"), swift_name("CredentialsHandle")));
