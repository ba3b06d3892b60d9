//! What a build sees of the machine around it: where programs are, how to reach the network and the registries that the
//! machine is set up for; never the platform's own variables, somebody's keys, or the platform's home.
//!
//! A build's home is a folder of its component's, in which the machine's settings of the tools appear as links. The two
//! lists below are the whole of what passes; `docs/guides/builds.md` shows them.

use std::collections::BTreeMap;
use std::path::Path;

/// Passed on by name.
const NAMES: [&str; 53] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    // Ways to the network.
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
    "PIP_CERT",
    // Where tools are.
    "CARGO_HOME",
    "GOROOT",
    "JAVA_HOME",
    "M2_HOME",
    "MAVEN_HOME",
    "GRADLE_HOME",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "NVM_DIR",
    "COREPACK_HOME",
    // Registries.
    "GOPROXY",
    "GOSUMDB",
    "GOPRIVATE",
    "GONOPROXY",
    "GONOSUMDB",
    "GOINSECURE",
    "GOVCS",
    "GOFLAGS",
    "GOTOOLCHAIN",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_TRUSTED_HOST",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "MAVEN_OPTS",
    "MAVEN_ARGS",
    "JAVA_TOOL_OPTIONS",
    "GRADLE_OPTS",
    "TOW_BUILD_SECRETS",
];

/// Passed on where the name begins so, unless it names something secret.
const BEGINNINGS: [&str; 11] = [
    "LC_",
    "RUSTUP_",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_SOURCE_",
    "CARGO_REGISTRIES_",
    "NPM_CONFIG_",
    "npm_config_",
    "UV_",
    "POETRY_",
    "YARN_",
];

/// What a name that begins so must not hold.
const SECRET: [&str; 5] = ["TOKEN", "AUTH", "PASSWORD", "SECRET", "CREDENTIAL"];

/// Of the above, what the builder needs to know and the tools don't see: their homes are their own.
const OURS: [&str; 3] = ["HOME", "CARGO_HOME", SECRETS];

/// The values of `build.secrets`, as JSON, from the builder's instance to its role.
pub(crate) const SECRETS: &str = "TOW_BUILD_SECRETS";

/// Settings of the machine that the tools see, by their path below a home.
const SETTINGS: [&str; 18] = [
    ".cargo/config.toml",
    ".cargo/config",
    ".config/go/env",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".config/pnpm/rc",
    ".config/pip/pip.conf",
    ".pip/pip.conf",
    ".config/uv/uv.toml",
    ".config/pypoetry/config.toml",
    ".m2/settings.xml",
    ".m2/settings-security.xml",
    ".m2/toolchains.xml",
    ".gradle/gradle.properties",
    ".gradle/init.gradle",
    ".gradle/init.gradle.kts",
    ".gradle/init.d",
];

/// What of `variables` a build may see. The platform hands the result over in [`crate::Config::env`], because a
/// runtime passes on less by itself.
pub fn inherited(
    variables: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    variables.into_iter().filter(|(name, _)| passes(name)).collect()
}

fn passes(name: &str) -> bool {
    let secret = || SECRET.iter().any(|word| name.to_ascii_uppercase().contains(word));
    NAMES.contains(&name) || (BEGINNINGS.iter().any(|start| name.starts_with(start)) && !secret())
}

/// What of this process's own environment passes, without what is not Unicode.
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

/// The environment of the tools: `machine` without what is ours, with `home` as their home, in which the machine's
/// settings appear. Done before every build, as settings come and go.
pub(crate) fn for_tools(
    machine: &BTreeMap<String, String>,
    home: &Path,
    temporary: &Path,
) -> Result<BTreeMap<String, String>, String> {
    let failed = |error: std::io::Error| format!("cannot use {}: {error}", home.display());
    std::fs::create_dir_all(home).map_err(failed)?;
    if let Some(theirs) = machine.get("HOME").map(Path::new) {
        for name in SETTINGS {
            let cargo = machine.get("CARGO_HOME").map(Path::new);
            let there = match (name.strip_prefix(".cargo/"), cargo) {
                (Some(below), Some(cargo)) => cargo.join(below),
                _ => theirs.join(name),
            };
            show(&there, &home.join(name)).map_err(failed)?;
        }
    }
    let mut env = machine.clone();
    env.retain(|name, _| !OURS.contains(&name.as_str()));
    // Where rustup keeps its toolchains follows from the home that it is not given.
    if let Some(theirs) = machine.get("HOME") {
        env.entry("RUSTUP_HOME".into()).or_insert_with(|| format!("{theirs}/.rustup"));
    }
    env.insert("HOME".into(), home.display().to_string());
    env.insert("TMPDIR".into(), temporary.display().to_string());
    // Nobody is there to be asked.
    env.insert("CI".into(), "true".into());
    // Java asks the system who its user is, and not the environment.
    let java = format!("-Duser.home={}", home.display());
    for name in ["MAVEN_OPTS", "GRADLE_OPTS"] {
        let said = env.get(name).map(|said| format!("{said} ")).unwrap_or_default();
        env.insert(name.into(), format!("{said}{java}"));
    }
    Ok(env)
}

/// Makes `here` a link to `there`, and takes away a link to what is not there any more. What the build wrote itself stays.
fn show(there: &Path, here: &Path) -> std::io::Result<()> {
    let known = std::fs::read_link(here).ok();
    if !there.exists() {
        return if known.is_some() { std::fs::remove_file(here) } else { Ok(()) };
    }
    if known.as_deref() == Some(there) {
        return Ok(());
    }
    if known.is_some() || here.is_file() {
        std::fs::remove_file(here)?;
    } else if here.exists() {
        return Ok(());
    }
    if let Some(parent) = here.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::os::unix::fs::symlink(there, here)
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
            "npm_config_registry",
            "NPM_CONFIG__AUTH",
            "UV_PUBLISH_PASSWORD",
            "AWS_SECRET_ACCESS_KEY",
            "SSH_AUTH_SOCK",
        ];
        let seen = inherited(all.map(|name| (name.to_string(), "x".to_string())));
        let seen: Vec<&str> = seen.keys().map(String::as_str).collect();
        let expected = [
            "CARGO_REGISTRIES_OURS_INDEX",
            "LC_ALL",
            "PATH",
            "RUSTUP_TOOLCHAIN",
            "https_proxy",
            "npm_config_registry",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_home_of_its_own_shows_the_machines_settings() {
        let (theirs, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(theirs.path().join(".ssh")).unwrap();
        std::fs::write(theirs.path().join(".npmrc"), "registry=x").unwrap();
        let machine = BTreeMap::from([
            ("HOME".to_string(), theirs.path().display().to_string()),
            ("PATH".to_string(), "/bin".to_string()),
            (SECRETS.to_string(), "{}".to_string()),
        ]);
        let home = own.path().join("home");
        let env = for_tools(&machine, &home, own.path()).unwrap();
        assert_eq!(env["HOME"], home.display().to_string());
        assert!(!env.contains_key(SECRETS));
        assert_eq!(std::fs::read_to_string(home.join(".npmrc")).unwrap(), "registry=x");
        assert!(!home.join(".ssh").exists());
        std::fs::remove_file(theirs.path().join(".npmrc")).unwrap();
        for_tools(&machine, &home, own.path()).unwrap();
        assert!(!home.join(".npmrc").is_symlink(), "settings go as they come");
    }
}
