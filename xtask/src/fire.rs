//! The fire test in its full length. The test itself is one of the product's: its short form runs with all others.

use crate::process::{output, succeeds};
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;

/// The test, as cargo finds it.
const TEST: &str = "fire::no_request_fails_whatever_is_done_underneath";

/// Runs it; did everything hold?
pub(crate) fn fire(root: &Path, seed: Option<&str>) -> Result<bool> {
    let test = |more: &[&str]| {
        let mut test = Command::new("cargo");
        test.args(["test", "--workspace", "--test", "it", TEST, "--", "--exact"]).args(more);
        test.env("TOW_FIRE", "full").current_dir(root);
        if let Some(seed) = seed {
            test.env("TOW_FIRE_SEED", seed);
        }
        test
    };
    // Where it is called otherwise by now, cargo runs nothing and finds that well.
    ensure!(is_listed(&output(&mut test(&["--list"]))?), "there is no test {TEST}");
    succeeds(&mut test(&["--nocapture"]))
}

fn is_listed(tests: &str) -> bool {
    tests.lines().any(|line| line.strip_suffix(": test") == Some(TEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_the_test_is_noticed() {
        assert!(is_listed(&format!("0 tests, 0 benchmarks\n\n{TEST}: test\n\n1 test")));
        assert!(!is_listed("0 tests, 0 benchmarks\n\n0 tests, 0 benchmarks\n"));
    }
}
