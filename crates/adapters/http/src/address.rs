//! Which addresses are not gone to, and what an operator allows all the same. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is allowed although it leads into the machine or its network: from the platform's configuration alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow {
    networks: Vec<(IpAddr, u8)>,
    names: Vec<String>,
}

/// What was given is neither an address, nor a network, nor a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address (10.1.2.3), nor a network (10.0.0.0/8), nor a host's name")]
pub struct AllowError(pub String);

impl Allow {
    /// Reads addresses, networks in CIDR form, and names of hosts.
    pub fn parse<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Result<Self, AllowError> {
        let mut allow = Self::default();
        for item in items {
            let text = item.as_ref().trim();
            let bad = || AllowError(text.to_string());
            let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
            if let Ok(address) = bare.parse::<IpAddr>() {
                let address = plain(address);
                allow.networks.push((address, if address.is_ipv4() { 32 } else { 128 }));
            } else if let Some((address, bits)) = text.split_once('/') {
                let address: IpAddr = address.parse().map_err(|_| bad())?;
                let bits: u8 = bits.parse().map_err(|_| bad())?;
                if bits > if address.is_ipv4() { 32 } else { 128 } {
                    return Err(bad());
                }
                allow.networks.push((address, bits));
            } else {
                let name = canonical(text);
                let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_';
                // Digits and dots alone would be a mistyped address, which no host is called.
                let number = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                if name.is_empty() || number || !name.bytes().all(fine) {
                    return Err(bad());
                }
                allow.names.push(name);
            }
        }
        Ok(allow)
    }

    /// Why a name is not even looked up.
    pub(crate) fn refuses_name(&self, host: &str) -> Option<&'static str> {
        let name = canonical(host);
        let metadata = METADATA_NAMES.contains(&name.as_str());
        (metadata && !self.names.contains(&name)).then_some("a cloud's metadata service")
    }

    /// Why this address, for which this host stands, is not gone to.
    pub(crate) fn refuses(&self, host: &str, address: IpAddr) -> Option<&'static str> {
        let address = plain(address);
        let what = forbidden(address)?;
        let covered = |exact: bool| {
            self.networks.iter().any(|(network, bits)| {
                let whole = *bits == if network.is_ipv4() { 32 } else { 128 };
                (!exact || whole) && within(address, *network, *bits)
            })
        };
        // A wide network, or a name that may come to mean something else, never opens the metadata service.
        let allowed = if what == METADATA {
            covered(true)
        } else {
            covered(false) || self.names.contains(&canonical(host))
        };
        (!allowed).then_some(what)
    }
}

const METADATA: &str = "a cloud's metadata service";

const METADATA_NAMES: [&str; 5] = [
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "instance-data",
    "instance-data.ec2.internal",
];

/// Lower case, without brackets and the dot of the root.
fn canonical(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// An IPv4 address however it is wrapped in IPv6; where it only leads to one (NAT64, 6to4), that one.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let at = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match at {
        // ::ffff:a.b.c.d, and the same in the form of SIIT
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        // ::a.b.c.d, but neither :: nor ::1
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// What an address is that nobody outside has, or that reaches many.
fn forbidden(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => forbidden_v4(v4),
        IpAddr::V6(v6) => forbidden_v6(v6),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [169, 254, 169, 254]
        | [169, 254, 170, 2 | 23]
        | [100, 100, 100, 200]
        | [168, 63, 129, 16]
        | [192, 0, 0, 192] => METADATA,
        [127, ..] => "this machine's own address",
        [0, ..] => "an unspecified address",
        [169, 254, ..] => "a link-local address",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "a private address",
        [100, 64..=127, ..] => "an address shared behind a provider's router",
        [224..=239, ..] => "a multicast address",
        [192, 0, 0, _]
        | [192, 0, 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [198, 18 | 19, ..]
        | [192, 88, 99, _]
        | [240..=255, ..] => "a reserved address",
        _ => return None,
    })
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    let at = address.segments();
    Some(match at {
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => {
            METADATA
        }
        [0, 0, 0, 0, 0, 0, 0, 0] => "an unspecified address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "this machine's own address",
        [first, ..] if first & 0xffc0 == 0xfe80 => "a link-local address",
        [first, ..] if first & 0xffc0 == 0xfec0 || first & 0xfe00 == 0xfc00 => "a private address",
        [first, ..] if first & 0xff00 == 0xff00 => "a multicast address",
        // Of the rest only 2000::/3 is given out; of that, tunnels and documentation lead nowhere good.
        [first, ..] if first & 0xe000 != 0x2000 => "a reserved address",
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => {
            "a reserved address"
        }
        _ => return None,
    })
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let rest = width.saturating_sub(u32::from(bits));
        rest >= width || (a >> rest) == (b >> rest)
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            same(u128::from(a.to_bits()), u128::from(b.to_bits()), 32)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(allow: &[&str], host: &str, address: &str) -> Option<&'static str> {
        Allow::parse(allow).unwrap().refuses(host, address.parse().unwrap())
    }

    #[test]
    fn nothing_inside_is_gone_to() {
        for (address, what) in [
            ("127.0.0.1", "own"),
            ("127.255.255.254", "own"),
            ("::1", "own"),
            ("::ffff:127.0.0.1", "own"),
            ("::127.0.0.1", "own"),
            ("0.0.0.0", "unspecified"),
            ("::", "unspecified"),
            ("10.0.0.1", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("fd12::1", "private"),
            ("fec0::1", "private"),
            ("::ffff:10.0.0.1", "private"),
            ("64:ff9b::10.0.0.1", "private"),
            ("2002:0a00:0001::1", "private"),
            ("100.64.0.1", "shared"),
            ("169.254.1.1", "link-local"),
            ("fe80::1", "link-local"),
            ("169.254.169.254", "metadata"),
            ("::ffff:169.254.169.254", "metadata"),
            ("64:ff9b::a9fe:a9fe", "metadata"),
            ("fd00:ec2::254", "metadata"),
            ("100.100.100.200", "metadata"),
            ("168.63.129.16", "metadata"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "reserved"),
            ("192.0.2.1", "reserved"),
            ("2001:db8::1", "reserved"),
            ("2001::1", "reserved"),
            ("100::1", "reserved"),
            ("64:ff9b:1::1", "reserved"),
        ] {
            let said = refused(&[], "example.org", address);
            assert!(said.is_some_and(|said| said.contains(what)), "{address}: {said:?}");
        }
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "93.184.216.34",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert_eq!(refused(&[], "example.org", address), None, "{address}");
        }
    }

    #[test]
    fn an_operator_allows_addresses_networks_and_names() {
        assert_eq!(refused(&["127.0.0.1"], "x", "127.0.0.1"), None);
        assert_eq!(refused(&["127.0.0.1"], "x", "::ffff:127.0.0.1"), None);
        assert!(refused(&["127.0.0.1"], "x", "127.0.0.2").is_some());
        assert_eq!(refused(&["10.0.0.0/8"], "x", "10.200.3.4"), None);
        assert!(refused(&["10.0.0.0/9"], "x", "10.200.3.4").is_some());
        assert_eq!(refused(&["fd00::/8"], "x", "fd12::1"), None);
        assert_eq!(refused(&["hook.quay.example"], "Hook.Quay.example.", "10.0.0.1"), None);
        assert!(refused(&["hook.quay.example"], "other.example", "10.0.0.1").is_some());
        assert_eq!(refused(&["0.0.0.0/0"], "x", "10.0.0.1"), None);
    }

    #[test]
    fn nothing_wide_opens_the_metadata_service() {
        for allow in ["0.0.0.0/0", "169.254.0.0/16", "evil.example"] {
            assert!(refused(&[allow], "evil.example", "169.254.169.254").is_some(), "{allow}");
        }
        assert_eq!(refused(&["169.254.169.254"], "x", "169.254.169.254"), None);
        let none = Allow::default();
        assert!(none.refuses_name("metadata.google.internal").is_some());
        assert!(none.refuses_name("METADATA.google.internal.").is_some());
        assert_eq!(none.refuses_name("example.org"), None);
    }

    #[test]
    fn what_is_no_address_is_said() {
        for bad in ["", "10.0.0.0/33", "fd00::/129", "10.0.0", "a b", "http://x", "10.0.0.0/x"] {
            assert_eq!(Allow::parse([bad]), Err(AllowError(bad.into())), "{bad}");
        }
    }
}
