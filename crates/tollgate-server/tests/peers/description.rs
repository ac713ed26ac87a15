//! schemathesis asks whatever the API description allows, and much that it does not.

use crate::peer::Python;
use crate::server::Server;

/// Requests an operation; each is a case that shrinks when it fails.
const EXAMPLES: &str = "25";

#[test]
fn every_answer_is_one_that_is_described() {
    let Some(python) = Python::find() else { return };
    let server = Server::start("");
    let client = server.create_client("peer-schema", &["--token-format", "opaque"]);
    let mut command = python.installed("schemathesis");
    command.args([
        "run",
        "--seed",
        "1",
        "--max-examples",
        EXAMPLES,
        "--workers",
        "2",
    ]);
    command.args([
        "--phases",
        "examples,coverage,fuzzing",
        "--continue-on-failure",
    ]);
    command.args([
        "--checks",
        CHECKS,
        "--auth",
        &format!("{}:{}", client.id, client.secret),
    ]);
    command.arg(format!("{}/openapi.json", server.issuer));
    // Its database of earlier failures would make runs differ.
    command.current_dir(server.write("schemathesis", "").parent().unwrap());
    let output = command.output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}");
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";
