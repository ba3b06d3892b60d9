//! `build.network: off`: a tool in a network of its own, where it reaches nothing. By bubblewrap where it is there, else by
//! `unshare`; where the machine allows neither, such a build is refused.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What is put before a tool's program and arguments.
pub(crate) type Wrapper = Vec<String>;

/// A wrapper that works on this machine: tried before it is relied on.
pub(crate) fn wrapper(env: &BTreeMap<String, String>) -> Result<Wrapper, String> {
    let words = |program: PathBuf, rest: &[&str]| -> Wrapper {
        std::iter::once(program.display().to_string())
            .chain(rest.iter().map(|word| (*word).to_string()))
            .collect()
    };
    let find = |name: &str| crate::toolchain::find(name, env);
    let mut tried = Vec::new();
    if let Some(bwrap) = find("bwrap") {
        tried.push(words(
            bwrap,
            &["--dev-bind", "/", "/", "--unshare-net", "--die-with-parent", "--"],
        ));
    }
    if let Some(unshare) = find("unshare") {
        tried.push(words(unshare.clone(), &["--net", "--"]));
        tried.push(words(unshare, &["--net", "--map-current-user", "--"]));
    }
    tried.into_iter().find(|wrapper| works(wrapper, env)).ok_or_else(|| {
        "build.network is off, and this machine can't keep a build from the network: install bubblewrap and allow user \
         namespaces, or take the line out of tow.yaml"
            .into()
    })
}

fn works(wrapper: &Wrapper, env: &BTreeMap<String, String>) -> bool {
    Command::new(&wrapper[0])
        .args(&wrapper[1..])
        .args(["/bin/sh", "-c", "exit 0"])
        .env_clear()
        .envs(env)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
