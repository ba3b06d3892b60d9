//! What a build sees of the environment around it: where programs and their settings are and how to reach the network,
//! never the platform's own variables or somebody's tokens.

use std::collections::BTreeMap;

/// Passed on by name.
const NAMES: [&str; 33] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "SSH_AUTH_SOCK",
    "CARGO_HOME",
    "GOPATH",
    "GOPROXY",
    "GOSUMDB",
    "GOMODCACHE",
    "GOCACHE",
    "GOROOT",
    "PIP_INDEX_URL",
    "PIP_CERT",
    "JAVA_HOME",
    "XDG_CACHE_HOME",
];

/// Passed on where the name begins so. Cargo's registry tokens end in `_TOKEN` and stay behind.
const BEGINNINGS: [&str; 6] =
    ["LC_", "RUSTUP_", "CARGO_HTTP_", "CARGO_NET_", "CARGO_SOURCE_", "CARGO_REGISTRIES_"];

/// What of `variables` a build may see. The platform hands the result over in [`crate::Config::env`], because a
/// runtime passes on less by itself.
pub fn inherited(
    variables: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    variables.into_iter().filter(|(name, _)| passes(name)).collect()
}

fn passes(name: &str) -> bool {
    NAMES.contains(&name)
        || (BEGINNINGS.iter().any(|start| name.starts_with(start)) && !name.ends_with("_TOKEN"))
}

/// The environment of the child that builds: what passes of this process's own, without what is not Unicode.
pub(crate) fn own() -> BTreeMap<String, String> {
    #[allow(
        clippy::disallowed_methods,
        reason = "the builder process hands its own environment on"
    )]
    let variables = std::env::vars_os();
    inherited(
        variables.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_the_platforms_own_stay_behind() {
        let all = [
            "PATH",
            "LC_ALL",
            "https_proxy",
            "RUSTUP_TOOLCHAIN",
            "TOW_TOKEN",
            "TOW_DATA",
            "CARGO_REGISTRIES_OURS_INDEX",
            "CARGO_REGISTRIES_OURS_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
        ];
        let seen = inherited(all.map(|name| (name.to_string(), "x".to_string())));
        let seen: Vec<&str> = seen.keys().map(String::as_str).collect();
        assert_eq!(
            seen,
            ["CARGO_REGISTRIES_OURS_INDEX", "LC_ALL", "PATH", "RUSTUP_TOOLCHAIN", "https_proxy"]
        );
    }
}
