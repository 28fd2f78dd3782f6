// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Linux

/// Why a session cannot be started with our own credentials.
package enum CredentialsError: Error, Sendable, Equatable {
  /// A file that cannot be opened or read.
  case unreadable(file: String, SystemError)
  /// A file with invalid content, with GnuTLS's reason.
  case unusable(Part, file: String, reason: String)
  /// A secret that others can read.
  case tooOpen(file: String, mode: UInt32)
  /// A secret that another user can change.
  case foreignOwner(file: String, owner: UInt32)
  /// A private key with a passphrase, which cannot be entered.
  case encrypted(file: String)
  /// A private key that belongs to another certificate.
  case mismatch(certificateFile: String, keyFile: String)
  /// Our certificate is no longer valid.
  case expired(file: String, on: Time)
  /// Our certificate is not valid yet.
  case notYetValid(file: String, before: Time)
  /// A certificate without a key, or a key without a certificate.
  case missing(Part)
  /// The file of pre-shared keys has no line for the user.
  case unknownUser(String, file: String)
  /// The file of pre-shared keys has several users and none was chosen.
  case ambiguousUser(file: String)
  /// A line that is not `user:hexadecimal key`, or with a key that is too short.
  case malformedLine(Int, file: String)
  /// There is no name to verify the server's certificate against.
  case noHostName
  /// GnuTLS does not understand the priority string from that point on.
  case priority(String, from: String)
  /// The system has no certificates to trust, or they cannot be read.
  case noSystemTrust(reason: String)

  /// The purpose of a file.
  package enum Part: String, Sendable {
    case authorities = "CA certificates"
    case revocations = "certificate revocation lists"
    case certificate = "client certificate"
    case key = "private key"
    case preSharedKeys = "pre-shared keys"
  }
}

extension CredentialsError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unreadable(_, let error):
      error.description
    case .unusable(let part, let file, let reason):
      "\(file): no usable \(part.rawValue): \(reason)"
    case .tooOpen(let file, let mode):
      "\(file): mode \(octal(mode)) lets other users read a secret; make it 0600: chmod 600 \(file)"
    case .foreignOwner(let file, let owner):
      "\(file): a secret that belongs to user \(owner); make root its owner: chown root \(file)"
    case .encrypted(let file):
      "\(file): the private key is encrypted, and nbdd cannot ask for a passphrase; "
        + "decrypt it: openssl pkey -in \(file) -out FILE"
    case .mismatch(let certificateFile, let keyFile):
      "the private key in \(keyFile) does not belong to the certificate in \(certificateFile)"
    case .expired(let file, let time):
      "\(file): our own certificate expired on \(time)"
    case .notYetValid(let file, let time):
      "\(file): our own certificate is not valid before \(time)"
    case .missing(.certificate):
      "a private key was given, but no client certificate"
    case .missing(let part):
      "no file with the \(part.rawValue) was given"
    case .unknownUser(let user, let file):
      "\(file): no pre-shared key for user '\(shown(user))'"
    case .ambiguousUser(let file):
      "\(file): pre-shared keys of several users; put the user in the URI (nbds://USER@HOST/)"
    case .malformedLine(let number, let file):
      "\(file): line \(number) is not USER:KEY with a hexadecimal key of 4 bytes or more"
    case .noHostName:
      "no name to compare the server's certificate with; name it, or do not verify the server"
    case .priority(let text, let rest):
      "the priority string '\(shown(text))' is not understood from '\(shown(rest))' on"
    case .noSystemTrust(let reason):
      "the system's CA certificates cannot be used: \(reason)"
    }
  }

  private func octal(_ mode: UInt32) -> String {
    let digits = String(mode, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}
