//! What the documents quote is what the binary prints.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const BEGIN: &str = "<!-- begin: tollgate config defaults -->\n```toml\n";
const END: &str = "\n```\n<!-- end: tollgate config defaults -->";
/// Set to anything, it has the test write the document instead of comparing it.
const UPDATE: &str = "TOLLGATE_TEST_UPDATE";

#[test]
fn the_configuration_page_has_every_key() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (quoted, after) = rest.split_once(END).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["config", "defaults"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    if env::var_os(UPDATE).is_some() {
        let page = [before, BEGIN, printed.trim(), END, after].concat();
        fs::write(file, page).unwrap();
        return;
    }
    assert_eq!(
        quoted,
        printed.trim(),
        "run this test again with {UPDATE}=1"
    );
}
