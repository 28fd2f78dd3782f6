// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import Testing

/// Directories with certificates and keys, right ones and wrong ones.
///
/// For servers: good, early and late are made by the authority "trust" for good.example; own vouches for
/// itself. For clients: trust has only that authority's certificate, other that of another; client has
/// one of its own as well, and foreign one that the authority "other" made. wary has a list that revokes the
/// server of good.
enum Certificates {
  static let good = "good"

  /// Makes all of them.
  static func make(in workspace: Workspace) throws {
    let commands = """
      set -e; umask 077; cd \(workspace.path)
      mkdir good early late own trust other client foreign wary
      : >index; echo 01 >serial
      cat >openssl.cnf <<END
      [ca]
      default_ca = any
      [any]
      database = index
      serial = serial
      new_certs_dir = .
      default_md = sha256
      policy = policy
      unique_subject = no
      [policy]
      commonName = supplied
      [server]
      basicConstraints = critical,CA:FALSE
      subjectAltName = DNS:good.example
      extendedKeyUsage = serverAuth
      [client]
      basicConstraints = critical,CA:FALSE
      extendedKeyUsage = clientAuth
      END
      key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
      for ca in trust other; do
        openssl req -x509 -days 2 -subj /CN=$ca $key -keyout $ca.key -out $ca/ca-cert.pem \\
          -addext keyUsage=critical,keyCertSign,cRLSign
      done
      # DIRECTORY KIND AUTHORITY FROM UNTIL
      sign() {
        openssl req -new -subj /CN=$2 $key -keyout $1/$2-key.pem -out request
        openssl ca -batch -notext -config openssl.cnf -extensions $2 -cert $3/ca-cert.pem \\
          -keyfile $3.key -startdate $4 -enddate $5 -in request -out $1/$2-cert.pem
        cp trust/ca-cert.pem $1
      }
      from=$(date -u -d yesterday +%Y%m%d%H%M%SZ) until=$(date -u -d tomorrow +%Y%m%d%H%M%SZ)
      sign good server trust $from $until
      sign early server trust 20990101000000Z 20990131000000Z
      sign late server trust 20200101000000Z 20200131000000Z
      sign client client trust $from $until
      sign foreign client other $from $until
      openssl req -x509 -days 2 -subj /CN=alone $key -keyout own/server-key.pem \\
        -addext subjectAltName=DNS:good.example -addext basicConstraints=critical,CA:FALSE \\
        -out own/server-cert.pem
      cp trust/ca-cert.pem own
      revoke="openssl ca -config openssl.cnf -cert trust/ca-cert.pem -keyfile trust.key"
      $revoke -revoke good/server-cert.pem
      $revoke -gencrl -crldays 2 -out wary/ca-crl.pem
      cp trust/ca-cert.pem wary
      """
    let result = try ChildProcess.run(["bash", "-c", commands], within: .seconds(60))
    try #require(result.status == 0, "\(result.output)")
  }
}

extension Server {
  /// An nbdkit that insists on TLS, and shows the certificate of a directory.
  static func nbdkit(
    showing certificate: String, _ options: String..., in workspace: Workspace
  ) throws -> Server {
    try nbdkit(
      ["--tls=require", "--tls-certificates=\(workspace.file(certificate))"] + options
        + ["null", "size=1M"], in: workspace)
  }

  /// A qemu-nbd that insists on TLS, and shows the good certificate.
  static func qemu(securedBy options: String, in workspace: Workspace) throws -> Server {
    let directory = workspace.file(Certificates.good)
    return try qemu(
      "--object", "tls-creds-x509,id=tls,endpoint=server,dir=\(directory),\(options)",
      "--tls-creds", "tls", in: workspace)
  }

  /// An nbd-server that insists on TLS and on a certificate of the client, with the export "one".
  static func nbdServerDemandingCertificate(in workspace: Workspace) throws -> Server {
    let (own, trust) = (workspace.file(Certificates.good), workspace.file("trust"))
    return try nbdServer(
      exports: ["one"],
      general: """
        certfile = \(own)/server-cert.pem
        keyfile = \(own)/server-key.pem
        cacertfile = \(trust)/ca-cert.pem
        force_tls = true
        """, in: workspace)
  }

  /// The URI of an export that has to be secured.
  func securedURI(_ parameters: String = "", export: String = "") -> String {
    uri.replacing("nbd+unix:///", with: "nbds+unix:///\(export)") + parameters
  }
}
