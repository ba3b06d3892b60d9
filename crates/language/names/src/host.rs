//! Hosts: what can be told of one by its name alone.

/// Is it a name that means this machine wherever it is asked for: `localhost` and all below, what is reserved for
/// testing (RFC 6761), an address of the loopback device?
pub fn is_local_host(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    let last = host.rsplit('.').next().unwrap_or(host).to_ascii_lowercase();
    matches!(last.as_str(), "localhost" | "test")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Is it a host that somebody outside may be able to find: a name of several labels, none of them a wildcard?
pub fn is_public_host(host: &str) -> bool {
    !is_local_host(host)
        && host.contains('.')
        && host.parse::<std::net::IpAddr>().is_err()
        && host.len() <= 253
        && host.split('.').all(is_label)
}

/// Does a name of a certificate cover a host? A star stands for one whole label, the first.
pub fn covers(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    match name.strip_prefix("*.") {
        Some(rest) => name == host || host.split_once('.').is_some_and(|(_, after)| after == rest),
        None => name == host,
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart() {
        for host in ["localhost", "web.localhost", "A.B.Test", "127.0.0.1", "[::1]", "x.localhost."]
        {
            assert!(is_local_host(host) && !is_public_host(host), "{host}");
        }
        for host in ["example.org", "localhost.example.org", "a-b.example.org"] {
            assert!(is_public_host(host), "{host}");
        }
        for host in ["10.0.0.1", "intranet", "*.example.org", "-a.example.org", "a..org", ""] {
            assert!(!is_public_host(host) && !is_local_host(host), "{host}");
        }
    }

    #[test]
    fn a_star_is_one_label() {
        assert!(covers("*.example.org", "a.example.org"));
        assert!(covers("*.example.org", "*.example.org"));
        assert!(covers("A.example.org", "a.Example.org"));
        assert!(!covers("*.example.org", "a.b.example.org"));
        assert!(!covers("*.example.org", "example.org"));
    }
}
