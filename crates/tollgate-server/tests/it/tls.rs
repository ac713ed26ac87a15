//! TLS: from the first byte, and with new files after SIGHUP.

use std::{fs, path::Path, process::Command};

use rcgen::{CertificateParams, DnType, IsCa, KeyPair};
use tollgate_testkit::{Builder, skip};

use crate::BINARY;

/// Makes a certificate for 127.0.0.1 and its key.
fn certificate(directory: &Path, name: &str) {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
}

/// What `curl` says on the way: the certificate's subject, and the body.
fn curl(directory: &Path, url: &str) -> String {
    let ca = directory.join("cert.pem");
    let output = Command::new("curl")
        .args(["-sv", "--cacert"])
        .arg(ca)
        .arg(url)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stderr) + &text(&output.stdout)
}

#[test]
fn tls_is_on_with_both_files_and_new_ones_are_taken() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path();
    if Command::new("curl").arg("-V").output().is_err() {
        skip("curl");
        return;
    }
    certificate(path, "first");
    let config = format!(
        "[server]\ntls_cert = \"{0}/cert.pem\"\ntls_key = \"{0}/key.pem\"\n",
        path.display()
    );
    let server = Builder::new(BINARY).config(&config).start();
    assert!(server.url().starts_with("https://"), "{}", server.url());
    let health = format!("{}/health", server.url());
    let said = curl(path, &health);
    assert!(
        said.contains("CN=first") && said.contains("{\"status\":\"ok\"}"),
        "{said}"
    );
    assert!(
        said.contains("ALPN: server accepted h2"),
        "HTTP/2 by ALPN: {said}"
    );

    fs::write(path.join("cert.pem"), "damaged").unwrap();
    server.signal("HUP");
    server.await_log("kept the old TLS files");
    certificate(path, "second");
    server.signal("HUP");
    server.await_log("took the TLS files");
    let said = curl(path, &health);
    assert!(
        said.contains("CN=second") && said.contains("{\"status\":\"ok\"}"),
        "{said}"
    );
}

/// The management listener itself speaks no TLS; what stands before it may.
#[test]
fn commands_speak_tls_to_whom_they_trust() {
    let (directory, other) = [(); 2].map(|()| tempfile::TempDir::new().unwrap()).into();
    certificate(directory.path(), "server");
    certificate(other.path(), "other");
    let file = |directory: &tempfile::TempDir, name: &str| {
        directory.path().join(name).to_str().unwrap().to_owned()
    };
    let config = format!(
        "[server]\ntls_cert = \"{}\"\ntls_key = \"{}\"\n",
        file(&directory, "cert.pem"),
        file(&directory, "key.pem")
    );
    let server = Builder::new(BINARY).config(&config).start();
    let (own, foreign) = (file(&directory, "cert.pem"), file(&other, "cert.pem"));
    let token = file(&directory, "token");
    fs::write(&token, server.admin_token()).unwrap();
    let health = ["health", "--url", server.url()];
    let list = [
        "client",
        "list",
        "--admin-url",
        server.url(),
        "--admin-token-file",
        &token,
    ];
    for (command, ca_file, code, reason) in [
        (&health[..], Some(&own), 0, ""),
        (&health, Some(&foreign), 1, "does not answer"),
        (&health, None, 1, "does not answer"),
        (&health, Some(&token), 1, "no certificate in PEM"),
        (&health, Some(&"/nowhere".to_owned()), 1, "/nowhere"),
        // It gets through to the public listener, which has no such page.
        (&list, Some(&own), 1, "HTTP 404"),
        (&list, Some(&foreign), 3, "does not answer"),
        (&list, None, 3, "does not answer"),
    ] {
        let ca_file = ca_file.map(|path| ["--ca-file", path]);
        let arguments = [command, ca_file.as_ref().map_or(&[], |flag| &flag[..])].concat();
        let output = crate::tollgate(&arguments).expect_code(code);
        assert!(
            output.stderr.contains(reason),
            "{arguments:?}: {}",
            output.stderr
        );
    }
}

#[test]
fn files_that_are_of_no_use_stop_the_start() {
    let config = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        config.path(),
        "[server]\ntls_cert = \"/nowhere.pem\"\ntls_key = \"/nowhere.pem\"",
    )
    .unwrap();
    let directory = tempfile::TempDir::new().unwrap();
    let output = crate::tollgate(&[
        "serve",
        "--dev",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--config",
        config.path().to_str().unwrap(),
        "--data-dir",
        directory.path().join("data").to_str().unwrap(),
    ]);
    assert!(output.expect_code(1).stderr.contains("/nowhere.pem"));
}
