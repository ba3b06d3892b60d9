//! The fire test in its full length. The test itself is one of the product's: its short form runs with all others.

use crate::process::succeeds;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// The test, as cargo finds it.
const TEST: &str = "fire::no_request_fails_whatever_is_done_underneath";

/// Runs it; did everything hold?
pub(crate) fn fire(root: &Path, seed: Option<&str>) -> Result<bool> {
    let mut test = Command::new("cargo");
    test.args(["test", "--workspace", "--test", "it", TEST, "--", "--exact", "--nocapture"]);
    test.env("TOW_FIRE", "full").current_dir(root);
    if let Some(seed) = seed {
        test.env("TOW_FIRE_SEED", seed);
    }
    succeeds(&mut test)
}
