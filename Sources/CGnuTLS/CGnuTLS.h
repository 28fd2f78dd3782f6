// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors
//
// What nbdd uses of GnuTLS, and two handles that threads may share.

#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/socket.h>
#include <gnutls/x509.h>

// Swift takes every pointer for something that must stay in one thread. GnuTLS says more
// (manual, "Thread safety"), and only a type of its own can carry that.

/// A session: one thread may send while another receives, once the handshake is done.
typedef struct {
  gnutls_session_t _Nonnull session;
} cgnutls_session __attribute__((swift_attr("@Sendable"), swift_name("SessionHandle")));

/// Credentials of any kind: threads may share what they only read.
typedef struct {
  gnutls_credentials_type_t kind;
  void *_Nonnull pointer;
} cgnutls_credentials __attribute__((swift_attr("@Sendable"), swift_name("CredentialsHandle")));
