//! What of the platform's own environment a workload may see: what every program needs to find its way, and nothing
//! that belongs to the platform.

use std::collections::BTreeMap;

const NAMES: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "no_proxy", "all_proxy"];

/// The variables that are passed on.
#[expect(clippy::disallowed_methods, reason = "this crate's one look at the environment")]
pub(crate) fn passed_on() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(key, _)| is_passed(key))
        .collect()
}

/// Where programs of the machine are looked for.
#[expect(clippy::disallowed_methods, reason = "this crate's one look at the environment")]
pub(crate) fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

fn is_passed(key: &str) -> bool {
    NAMES.contains(&key)
        || key.starts_with("LC_")
        || PROXIES.contains(&key.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::is_passed;

    #[test]
    fn only_what_every_program_needs_is_passed_on() {
        for key in ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "HTTPS_PROXY", "no_proxy"] {
            assert!(is_passed(key), "{key}");
        }
        for key in ["TOW_TOKEN", "TOW_DATA", "CARGO_HOME", "SSH_AUTH_SOCK", "LD_PRELOAD"] {
            assert!(!is_passed(key), "{key}");
        }
    }
}
