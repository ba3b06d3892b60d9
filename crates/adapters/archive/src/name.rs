//! The names of entries. Nothing else may be in a backup, so that a name from a file never becomes a path by itself.

use tow_names::Digest;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// What the file is.
    Manifest,
    /// Tells a wrong passphrase.
    Check,
    /// The platform's keys, sealed.
    Keys,
    /// Rows of a table, a line of JSON each. `part` counts from 1 over all tables.
    Rows {
        /// The table: lower-case letters and `_`.
        table: String,
        /// From 1.
        part: u32,
    },
    /// A blob, by the digest of its bytes.
    Blob(Digest),
    /// Counts.
    Summary,
    /// The digest of each entry before it.
    Contents,
    /// The HMAC over the contents.
    Seal,
}

impl Name {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "manifest.json" => Self::Manifest,
            "check" => Self::Check,
            "keys" => Self::Keys,
            "summary.json" => Self::Summary,
            "contents.sha256" => Self::Contents,
            "seal" => Self::Seal,
            _ => match text.split('/').collect::<Vec<_>>()[..] {
                ["blobs", hex] => Self::Blob(format!("sha256:{hex}").parse().ok()?),
                ["store", table, part] if table_name(table) => {
                    let digits = part.strip_suffix(".jsonl")?;
                    let part = digits.parse().ok()?;
                    let name = Self::Rows { table: table.to_string(), part };
                    // One spelling each: no leading plus, no missing zero.
                    return (name.to_string() == text).then_some(name);
                }
                _ => return None,
            },
        })
    }
}

pub(crate) fn table_name(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Manifest => f.write_str("manifest.json"),
            Self::Check => f.write_str("check"),
            Self::Keys => f.write_str("keys"),
            Self::Rows { table, part } => write!(f, "store/{table}/{part:06}.jsonl"),
            Self::Blob(digest) => write!(f, "blobs/{}", digest.hex()),
            Self::Summary => f.write_str("summary.json"),
            Self::Contents => f.write_str("contents.sha256"),
            Self::Seal => f.write_str("seal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_names() {
        for text in ["manifest.json", "keys", "store/object/000001.jsonl", "seal"] {
            assert_eq!(Name::parse(text).map(|n| n.to_string()), Some(text.to_string()));
        }
        let blob = format!("blobs/{}", Digest::of(b"x").hex());
        assert_eq!(Name::parse(&blob).map(|n| n.to_string()), Some(blob));
        for text in [
            "",
            "../keys",
            "blobs/../x",
            "blobs/ab",
            "store/object/1.jsonl",
            "store/Object/000001.jsonl",
            "store/../000001.jsonl",
            "store/object/+00001.jsonl",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
