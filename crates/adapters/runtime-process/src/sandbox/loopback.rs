//! Which services of the machine's loopback an instance is configured with: what stands in its variables and files as
//! an address of this machine with a port. Reads text, asks nobody.

use std::collections::{BTreeMap, BTreeSet};
use tow_record::InstanceSpec;

/// The names of this very machine.
const HERE: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
/// What a URL means that names no port.
const USUAL: [(&str, u16); 16] = [
    ("amqp", 5672),
    ("amqps", 5671),
    ("http", 80),
    ("https", 443),
    ("ldap", 389),
    ("mariadb", 3306),
    ("mongodb", 27017),
    ("mysql", 3306),
    ("nats", 4222),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("redis", 6379),
    ("rediss", 6379),
    ("smtp", 25),
    ("ws", 80),
    ("wss", 443),
];
/// How variables are called that name a host, the port being in another that is called the same but for this.
const HOSTS: [&str; 5] = ["HOSTNAME", "HOST", "ADDRESS", "ADDR", "SERVER"];
/// No configuration names so many; each costs a listener.
const MOST: usize = 64;

/// The ports, without the instance's own.
pub(crate) fn ports(spec: &InstanceSpec) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    for value in spec.env.values() {
        in_text(value, &mut found);
    }
    in_pairs(&spec.env, &mut found);
    for (bytes, _) in spec.files.values() {
        if let Ok(text) = std::str::from_utf8(bytes) {
            in_text(text, &mut found);
        }
    }
    for (outside, inside) in &spec.setting.inside {
        found.remove(outside);
        found.remove(inside);
    }
    for own in &spec.ports {
        found.remove(own);
    }
    found.into_iter().take(MOST).collect()
}

/// `127.0.0.1:5432`, `http://localhost/`, `api.localhost:8000`, `[::1]:80`.
fn in_text(text: &str, found: &mut BTreeSet<u16>) {
    for host in HERE {
        for (at, _) in text.match_indices(host) {
            let (before, after) = (&text[..at], &text[at + host.len()..]);
            // `mylocalhost` is somebody else; `api.localhost` is this machine.
            let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let joined = before.ends_with(part)
                || (host != "localhost" && before.ends_with('.'))
                || after.starts_with(part)
                || (after.starts_with('.') && after[1..].starts_with(part));
            if joined {
                continue;
            }
            match after.strip_prefix(':').map(number) {
                Some(Some(port)) => found.extend(Some(port)),
                Some(None) => {}
                None => found.extend(usual(before)),
            }
        }
    }
}

/// The number that a text begins with, if it is a port.
fn number(text: &str) -> Option<u16> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    text[..digits].parse().ok().filter(|port| *port > 0)
}

/// What the scheme in front means.
fn usual(before: &str) -> Option<u16> {
    let word = before.rsplit(|c: char| c.is_whitespace() || "\"'`=<>()".contains(c)).next()?;
    let (scheme, between) = word.rsplit_once("://")?;
    // A path or a query that speaks of this machine is no address.
    if between.contains(['/', '?', '#']) {
        return None;
    }
    let scheme = scheme.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '+').next()?;
    let scheme = scheme.split('+').next()?.to_ascii_lowercase();
    USUAL.iter().find(|(name, _)| *name == scheme).map(|(_, port)| *port)
}

/// `DB_HOST=127.0.0.1` beside `DB_PORT=5432`.
fn in_pairs(env: &BTreeMap<String, String>, found: &mut BTreeSet<u16>) {
    let here =
        |value: &str| HERE.contains(&value) || value == "::1" || value.ends_with(".localhost");
    for (key, _) in env.iter().filter(|(_, value)| here(value)) {
        let upper = key.to_ascii_uppercase();
        let Some(suffix) = HOSTS.iter().find(|suffix| upper.ends_with(*suffix)) else { continue };
        let stem = &upper[..upper.len() - suffix.len()];
        let port = env
            .iter()
            .find(|(other, _)| other.to_ascii_uppercase().strip_prefix(stem) == Some("PORT"));
        // Plain PORT is where the program itself listens.
        if let Some((_, value)) = port.filter(|_| !stem.is_empty()) {
            found.extend(value.parse::<u16>().ok().filter(|port| *port > 0));
        } else if upper == "PGHOST" {
            found.insert(5432);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<u16> {
        let mut found = BTreeSet::new();
        in_text(text, &mut found);
        found.into_iter().collect()
    }

    #[test]
    fn addresses_of_this_machine_are_found_in_text() {
        for (text, ports) in [
            ("127.0.0.1:5432", &[5432][..]),
            ("postgres://me:secret@localhost/db?x=1", &[5432]),
            ("postgres+asyncpg://me@localhost/db", &[5432]),
            ("amqp://127.0.0.1:1,[::1]:2", &[1, 2]),
            ("http://api.localhost:8000/x http://localhost", &[80, 8000]),
            ("url: \"redis://127.0.0.1\"\n", &[6379]),
            ("127.0.0.1:99999", &[]),
            ("127.0.0.12:80 mylocalhost:81 localhost.example:82 10.127.0.0.1:83", &[]),
            ("https://example.org/?next=localhost", &[]),
            ("localhost", &[]),
        ] {
            assert_eq!(found(text), ports, "{text}");
        }
    }

    #[test]
    fn a_host_and_its_port_may_be_two_variables() {
        let env = |pairs: &[(&str, &str)]| {
            let env = pairs.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect();
            let mut found = BTreeSet::new();
            in_pairs(&env, &mut found);
            found.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(env(&[("DB_HOST", "127.0.0.1"), ("DB_PORT", "5433")]), [5433]);
        assert_eq!(env(&[("PGHOST", "localhost"), ("PGPORT", "5434")]), [5434]);
        assert_eq!(env(&[("PGHOST", "localhost")]), [5432]);
        assert_eq!(env(&[("HOST", "127.0.0.1"), ("PORT", "8080")]), [0; 0]);
        assert_eq!(env(&[("DB_HOST", "db.example"), ("DB_PORT", "5433")]), [0; 0]);
    }
}
