//! The keys as text: one a line, the last one seals, all of them open; and the key of the digests, which never changes,
//! because equal values must have equal digests for good.

use crate::envelope::{KEY, Key, random};
use crate::signing::SigningKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tow_ports::PortError;
use zeroize::Zeroizing;

const FIRST_LINE: &str = "# Towpath's keys. Without this file no configuration value can be read again: keep a copy, \
                          apart from the store's backups.";

pub(crate) struct Keyring {
    /// Id and key, the oldest first; never empty.
    pub(crate) keys: Vec<(String, Key)>,
    pub(crate) digest: Key,
    /// The oldest first; empty only in a file from before there was signing.
    pub(crate) signing: Vec<SigningKey>,
}

impl Keyring {
    /// Fresh keys.
    pub(crate) fn fresh() -> Result<Self, PortError> {
        let signing = vec![SigningKey::fresh()?];
        let mut ring = Self { keys: Vec::new(), digest: random::<KEY>()?, signing };
        ring.add()?;
        Ok(ring)
    }

    /// Another key, which seals from here on.
    pub(crate) fn add(&mut self) -> Result<(), PortError> {
        let id = random::<6>()?;
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.keys.push((format!("key-{id}"), random::<KEY>()?));
        Ok(())
    }

    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        // With room for all of it from the start: a string that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(
            512 + 128 * (self.keys.len() + self.signing.len()),
        ));
        text.push_str(FIRST_LINE);
        text.push_str("\ndigest ");
        STANDARD.encode_string(self.digest.as_slice(), &mut text);
        for (id, key) in &self.keys {
            text.push_str("\nkey ");
            text.push_str(id);
            text.push(' ');
            STANDARD.encode_string(key.as_slice(), &mut text);
        }
        for key in &self.signing {
            text.push_str("\nsign ");
            text.push_str(key.id());
            text.push(' ');
            STANDARD.encode_string(key.seed(), &mut text);
        }
        text.push('\n');
        text
    }

    /// Reads what [`Self::to_text`] wrote; the error is the number of the line that is not understood, 0 for none.
    pub(crate) fn parse(text: &str) -> Result<Self, usize> {
        let (mut keys, mut digest) = (Vec::<(String, Key)>::new(), None);
        let mut signing = Vec::<SigningKey>::new();
        for (number, line) in (1..).zip(text.lines()) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["digest", key] if digest.is_none() => digest = Some(read(key).ok_or(number)?),
                ["key", id, key] if keys.iter().all(|(known, _)| known != id) => {
                    keys.push(((*id).to_string(), read(key).ok_or(number)?));
                }
                ["sign", id, seed] if signing.iter().all(|known| known.id() != *id) => {
                    let key = read(seed).and_then(SigningKey::of).ok_or(number)?;
                    // The id is made from the key: a line with another one was changed.
                    if key.id() != *id {
                        return Err(number);
                    }
                    signing.push(key);
                }
                _ => return Err(number),
            }
        }
        match digest {
            Some(digest) if !keys.is_empty() => Ok(Self { keys, digest, signing }),
            _ => Err(0),
        }
    }
}

fn read(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    <[u8; KEY]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}
