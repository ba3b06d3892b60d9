//! What a git target says: `URL`, `URL#ref`, `URL#ref:path`. Only what can't be taken for an option or a helper of git's
//! gets through.

use std::path::PathBuf;
use tow_ports::SourceError;
use url::Url;

/// A target, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// As git is given it.
    pub(crate) url: String,
    pub(crate) transport: Transport,
    /// A branch, a tag or a commit; the repository's own default where none is said.
    pub(crate) reference: Option<String>,
    /// In the repository.
    pub(crate) path: String,
}

/// How the repository is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    /// A folder of this machine.
    File(PathBuf),
    Http {
        host: String,
        port: u16,
        secure: bool,
    },
    Ssh {
        host: String,
        port: u16,
    },
}

/// Names of git that are plain: no option, no range, nothing that a shell would care about.
fn is_plain(text: &str, more: &str) -> bool {
    !text.starts_with('-')
        && !text.contains("..")
        && text.chars().all(|c| c.is_alphanumeric() || "._/-+".contains(c) || more.contains(c))
}

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Self, SourceError> {
        let refused =
            |why: &str| SourceError::Refused { target: shown(text), why: why.to_string() };
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (reference, path) = fragment.split_once(':').unwrap_or((fragment, ""));
        if !is_plain(reference, "") || reference.starts_with('/') {
            return Err(refused("what stands behind # is no branch, tag or commit"));
        }
        let path = path.trim_matches('/');
        if !is_plain(path, " *?{},@()[]") || path.chars().any(char::is_control) {
            return Err(refused("what stands behind the colon is no path in the repository"));
        }
        let reference = (!reference.is_empty()).then(|| reference.to_string());
        let path = path.to_string();
        if address.chars().any(|c| c.is_control() || c.is_whitespace()) || address.starts_with('-')
        {
            return Err(refused("the address has a blank or a control character in it"));
        }
        let address = address.strip_prefix("git+").unwrap_or(address);
        if !address.contains("://") {
            // host:path, as git itself and the forges write it.
            let (login, rest) = address
                .split_once(':')
                .filter(|(login, rest)| {
                    !login.contains('/') && login.contains('@') && !rest.is_empty()
                })
                .ok_or_else(|| refused("it is no URL and not of the form git@host:path"))?;
            let host = login.rsplit('@').next().unwrap_or(login);
            let user = login.strip_suffix(host).unwrap_or("");
            if !is_plain(host, "")
                || host.is_empty()
                || rest.starts_with('-')
                || rest.contains("::")
                || rest.starts_with(':')
                || !is_plain(user.trim_end_matches('@'), "_")
            {
                return Err(refused("it is no URL and not of the form git@host:path"));
            }
            let transport = Transport::Ssh { host: host.to_string(), port: 22 };
            return Ok(Self { url: address.into(), transport, reference, path });
        }
        let url = Url::parse(address).map_err(|_| refused("it is no URL"))?;
        if url.password().is_some() {
            return Err(refused("a URL with a password in it would be shown to everybody"));
        }
        if url.query().is_some() {
            return Err(refused("an address of a repository has no query"));
        }
        let host = || {
            let host = url.host_str().filter(|host| !host.is_empty() && !host.starts_with('-'));
            host.map(str::to_string).ok_or_else(|| refused("it names no host"))
        };
        let transport = match url.scheme() {
            "file" => {
                let path = url.to_file_path().map_err(|()| refused("it is no absolute path"))?;
                Transport::File(path)
            }
            scheme @ ("http" | "https") => {
                if !url.username().is_empty() {
                    return Err(refused("a URL with a user in it would be shown to everybody"));
                }
                let secure = scheme == "https";
                let port = url.port().unwrap_or(if secure { 443 } else { 80 });
                Transport::Http { host: host()?, port, secure }
            }
            "ssh" => {
                if !is_plain(url.username(), "_") {
                    return Err(refused("its user is none"));
                }
                Transport::Ssh { host: host()?, port: url.port().unwrap_or(22) }
            }
            _ => return Err(refused("a repository is reached by https, ssh or file")),
        };
        Ok(Self { url: url.to_string(), transport, reference, path })
    }
}

/// A target as it may be shown: without what stands before the host.
pub(crate) fn shown(target: &str) -> String {
    match (target.find("://"), target.find('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}…{}", &target[..scheme + 3], &target[at..])
        }
        _ => target.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_say_repository_reference_and_path() {
        let read = |text: &str| {
            let t = Target::parse(text).unwrap();
            (t.url, t.reference.unwrap_or_default(), t.path)
        };
        let of = |url: &str, reference: &str, path: &str| {
            (url.to_string(), reference.to_string(), path.to_string())
        };
        let url = "https://example.org/shop/catalog.git";
        assert_eq!(read(url), of(url, "", ""));
        assert_eq!(read(&format!("{url}#main")), of(url, "main", ""));
        assert_eq!(read(&format!("{url}#release/1:/a/b/")), of(url, "release/1", "a/b"));
        assert_eq!(read(&format!("{url}#:a/*.yaml")), of(url, "", "a/*.yaml"));
        assert_eq!(read("git@example.org:shop/c.git"), of("git@example.org:shop/c.git", "", ""));
        assert_eq!(read("file:///srv/r"), of("file:///srv/r", "", ""));
        let ssh = Target::parse("ssh://git@example.org:2222/shop").unwrap();
        assert_eq!(ssh.transport, Transport::Ssh { host: "example.org".into(), port: 2222 });
    }

    #[test]
    fn what_could_mislead_git_is_refused() {
        for bad in [
            "",
            "/srv/r",
            "--upload-pack=/bin/sh",
            "ext::sh -c id",
            "ext::sh",
            "fd::7",
            "git://example.org/x",
            "ftp://example.org/x",
            "https://u:p@example.org/x",
            "https://u@example.org/x",
            "https://example.org/x?y",
            "https://example.org/x#--output=/etc",
            "https://example.org/x#a..b",
            "https://example.org/x#a b",
            "https://example.org/x#main:../../etc",
            "https://example.org/x\n",
            "-oProxyCommand=id:x",
            "ssh://-oProxyCommand=id/x",
            "host:-x",
            "a b:c",
            "file:relative",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad:?}");
        }
    }
}
