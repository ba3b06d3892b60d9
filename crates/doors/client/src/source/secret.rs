//! What looks like a secret by its name or its first bytes. A wrong guess costs one line in `.towignore`; a missed one
//! puts a key on every machine that builds.

use super::PackError;
use super::pick::{Kind, Pick};
use std::io::Read as _;

/// Files that only show which variables there are.
const SAMPLES: [&str; 4] = [".env.example", ".env.sample", ".env.template", ".env.dist"];
/// Names that ssh-keygen gives to private keys.
const SSH_KEYS: [&str; 6] =
    ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"];
/// How far into a `.pem` or `.key` file is read: certificates often stand before the key.
const DEEP: u64 = 1024 * 1024;

/// Refuses all that look like secrets, in one answer.
pub(super) fn refuse(picks: &[Pick]) -> Result<(), PackError> {
    let mut files = Vec::new();
    for pick in picks {
        if let Some(why) = why(pick)? {
            files.push((pick.path.clone().into(), why));
        }
    }
    if files.is_empty() { Ok(()) } else { Err(PackError::Secret { files }) }
}

fn why(pick: &Pick) -> Result<Option<&'static str>, PackError> {
    let name = pick.path.rsplit('/').next().unwrap_or(&pick.path);
    if name == ".env" || (name.starts_with(".env.") && !SAMPLES.contains(&name)) {
        return Ok(Some("an environment file"));
    }
    if SSH_KEYS.contains(&name) {
        return Ok(Some("an SSH private key"));
    }
    if matches!(pick.kind, Kind::Link(_)) {
        return Ok(None);
    }
    let lower = name.to_ascii_lowercase();
    let key_file = lower.ends_with(".pem") || lower.ends_with(".key");
    let mut head = Vec::new();
    std::fs::File::open(&pick.full)
        .and_then(|file| file.take(if key_file { DEEP } else { 256 }).read_to_end(&mut head))
        .map_err(|source| PackError::Unreadable { path: pick.path.clone().into(), source })?;
    let text = String::from_utf8_lossy(&head);
    let found = if key_file {
        text.lines().any(private_key)
    } else {
        text.trim_start().lines().next().is_some_and(private_key)
            || text.starts_with("PuTTY-User-Key-File-")
    };
    Ok(found.then_some("a private key"))
}

/// `-----BEGIN … PRIVATE KEY-----`, of any kind (RFC 7468, and OpenSSH's and PGP's own).
fn private_key(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("-----BEGIN ")
        && (line.ends_with("PRIVATE KEY-----") || line.ends_with("PRIVATE KEY BLOCK-----"))
}
