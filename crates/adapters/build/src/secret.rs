//! `build.secrets`: values that a build sees and nobody after it. As variables and as files for as long as it runs; struck
//! out of every line of its log; an output that holds one is refused.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Shorter values are found everywhere: they are neither struck out nor looked for.
const SHORTEST: usize = 5;
/// What stands in the log instead.
const STRUCK: &str = "•••";

/// The secrets of one build.
#[derive(Default)]
pub(crate) struct Secrets {
    values: BTreeMap<String, String>,
    /// What must not be said, the longest first: values, and the lines of those that have several.
    parts: Vec<String>,
}

impl Secrets {
    /// From what the builder's instance was given.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        let values: BTreeMap<String, String> = match text {
            Some(text) => serde_json::from_str(text)
                .map_err(|_| "the build's secrets arrived broken".to_string())?,
            None => BTreeMap::new(),
        };
        let mut parts: Vec<String> = values
            .values()
            .flat_map(|value| std::iter::once(value.as_str()).chain(value.lines()))
            .map(|part| part.trim().to_string())
            .filter(|part| part.len() >= SHORTEST)
            .collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.dedup();
        Ok(Self { values, parts })
    }

    /// There are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// By name.
    pub(crate) fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Writes each into a file of its name that its user alone can read.
    pub(crate) fn write(&self, dir: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        for (name, value) in &self.values {
            let mut file = std::fs::File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(dir.join(name))?;
            file.write_all(value.as_bytes())?;
        }
        Ok(())
    }

    /// The text without them.
    pub(crate) fn strike(&self, text: &str) -> String {
        let mut text = text.to_string();
        for part in &self.parts {
            if text.contains(part.as_str()) {
                text = text.replace(part.as_str(), STRUCK);
            }
        }
        text
    }

    /// The name of one whose value stands in `bytes`.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        self.values
            .iter()
            .filter(|(_, value)| value.trim().len() >= SHORTEST)
            .find(|(_, value)| contains(bytes, value.trim().as_bytes()))
            .map(|(name, _)| name.as_str())
    }

    /// Refuses an archive with one of them in it, however it is packed up to plain bytes.
    pub(crate) fn absent_from_file(&self, path: &Path, what: &str) -> Result<(), String> {
        use std::io::Read;
        const PIECE: usize = 1 << 20;
        let longest = self.values.values().map(|value| value.trim().len()).max().unwrap_or(0);
        if self.parts.is_empty() {
            return Ok(());
        }
        let failed = |error: std::io::Error| format!("cannot read {what}: {error}");
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            Read::by_ref(&mut file).take(PIECE as u64).read_to_end(&mut bytes).map_err(failed)?;
            if bytes.len() == before {
                return Ok(());
            }
            if let Some(name) = self.found_in(&bytes) {
                return Err(format!(
                    "{what} holds the value of the build secret {name}; secrets are for the build alone: use \
                     RUN --mount=type=secret,id={name}, and let nothing write it down"
                ));
            }
            // One that lies across two pieces is found with the next.
            bytes.drain(..bytes.len().saturating_sub(longest));
        }
    }

    /// Refuses an output with one of them in it.
    pub(crate) fn absent_from(&self, items: &crate::archive::Items) -> Result<(), String> {
        if self.parts.is_empty() {
            return Ok(());
        }
        for (path, full) in items {
            if full.is_symlink() {
                continue;
            }
            let bytes =
                std::fs::read(full).map_err(|error| format!("cannot read {path}: {error}"))?;
            if let Some(name) = self.found_in(&bytes) {
                return Err(format!(
                    "the output holds {path}, in which the value of the build secret {name} stands; secrets are for \
                     the build alone: keep the file out with build.output in tow.yaml, or give the workload its own \
                     configuration"
                ));
            }
        }
        Ok(())
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else { return false };
    let mut left = bytes;
    while let Some(at) = left.iter().position(|byte| byte == first) {
        left = &left[at + 1..];
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_struck_out_whole_and_by_line() {
        let secrets = Secrets::parse(Some(
            r#"{"A":"token-1","B":"token-1-long","C":"first-line\nsecond-line","D":"ab"}"#,
        ))
        .unwrap();
        assert_eq!(secrets.strike("x token-1-long y token-1 z"), "x ••• y ••• z");
        assert_eq!(secrets.strike("second-line, first-line ab"), "•••, ••• ab");
        assert_eq!(secrets.found_in(b"..token-token-1"), Some("A"));
        assert_eq!(secrets.found_in(b"ab token- 1"), None);
        assert!(Secrets::parse(None).unwrap().is_empty());
        assert!(Secrets::parse(Some("nonsense")).is_err());
    }
}
