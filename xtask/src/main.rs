//! Development tasks: `cargo xtask test | lint | tidy | bench | battery | fuzz | published`. Not part of the product.

#![expect(
    clippy::print_stdout,
    reason = "a command-line tool speaks to its user"
)]

mod battery;
mod bench;
mod fuzz;
mod lint;
mod peers;
mod published;
mod run;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  test [ARGUMENTS]  every test, or as `cargo test ARGUMENTS`; installs what is missing
  lint              formatting, clippy, documentation and house rules
  tidy              the house rules alone
  bench [--quick]   speed and size, into docs/performance.md
  bench verify [--quick]
                    token validation beside other libraries, into docs/performance.md
  bench web [--quick]
                    the serving layer beside other servers, into docs/performance.md
  bench instructions [--write]
                    what token validation costs beside the signature, against what is written down
  battery NAME      one of the long tests: kill, ott, rotation, verify-rotation,
                    soak [MINUTES], web [MINUTES]
  fuzz [SECONDS]    every fuzz target for so long
  published [REVISION]
                    what others see of the libraries: the actix-web example, types of others in the
                    public API, what breaks since the last release";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["lint"] => lint::run(),
        ["tidy"] => tidy::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["battery", name] => battery::run(name, None),
        ["battery", name, minutes] => battery::run(name, Some(minutes)),
        ["published"] => published::run(None),
        ["published", revision] => published::run(Some(revision)),
        ["fuzz"] => fuzz::run(None),
        ["fuzz", seconds] => fuzz::run(Some(seconds)),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
