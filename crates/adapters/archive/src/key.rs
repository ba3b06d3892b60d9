//! From a passphrase to the two keys of a file: one authenticates it, one seals the platform's keys inside it.

use crate::ArchiveError;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::aead::{Aead as _, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const KEY: usize = 32;
const NONCE: usize = 24;
const SALT: usize = 16;
const LEAST: usize = 8;

/// What a person or a file said. Wiped when it goes; never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

impl Passphrase {
    /// Without the line end that editors put there.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_string()))
    }

    /// Long enough to make a backup with? One that is there already may be opened with any.
    pub fn strong(&self) -> Result<(), ArchiveError> {
        let found = self.0.chars().count();
        if found < LEAST { Err(ArchiveError::Short { found, least: LEAST }) } else { Ok(()) }
    }
}

/// How dear each guess is: Argon2id's parameters and the salt. In the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// KiB of memory.
    pub memory_kib: u32,
    /// Rounds over the memory.
    pub rounds: u32,
    /// 16 bytes in base64.
    pub salt: String,
}

impl Cost {
    /// For a new backup: 64 MiB, three rounds.
    pub fn fresh() -> Result<Self, ArchiveError> {
        Self::with(64 * 1024, 3)
    }

    /// For tests that make many.
    pub fn cheap() -> Result<Self, ArchiveError> {
        Self::with(8, 1)
    }

    fn with(memory_kib: u32, rounds: u32) -> Result<Self, ArchiveError> {
        let salt = STANDARD.encode(random::<SALT>()?.as_slice());
        Ok(Self { memory_kib, rounds, salt })
    }

    /// Nothing that would hold the machine for minutes: who wrote the manifest is not known yet.
    fn bounded(&self) -> Option<(Params, Vec<u8>)> {
        if self.memory_kib > 1024 * 1024 || self.rounds > 16 {
            return None;
        }
        let salt = STANDARD.decode(&self.salt).ok().filter(|salt| salt.len() == SALT)?;
        Some((Params::new(self.memory_kib, self.rounds, 1, Some(KEY)).ok()?, salt))
    }
}

/// The keys of one file.
pub(crate) struct Keys {
    mac: Zeroizing<[u8; KEY]>,
    seal: Zeroizing<[u8; KEY]>,
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, ArchiveError> {
    <[u8; N]>::try_generate().map(Zeroizing::new).map_err(|error| ArchiveError::File {
        path: "/dev/urandom".into(),
        why: format!("the system has no random bytes: {error}"),
    })
}

fn mac(key: &[u8; KEY], what: &[u8]) -> [u8; KEY] {
    let mut block = Zeroizing::new([0; 64]);
    block[..KEY].copy_from_slice(key);
    // A whole block: it can't fail for its length.
    let mut mac = <Hmac<sha2::Sha256> as hmac::KeyInit>::new((&*block).into());
    mac.update(what);
    let mut out = [0; KEY];
    out.copy_from_slice(&mac.finalize().into_bytes());
    out
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Keys {
    /// Slow on purpose. None where the cost is not one we would pay, or the memory for it is not there.
    pub(crate) fn derive(passphrase: &Passphrase, cost: &Cost) -> Option<Self> {
        let (params, salt) = cost.bounded()?;
        let mut root = Zeroizing::new([0; KEY]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), &salt, root.as_mut_slice())
            .ok()?;
        Some(Self {
            mac: Zeroizing::new(mac(&root, b"towpath backup authentication 1")),
            seal: Zeroizing::new(mac(&root, b"towpath backup keys 1")),
        })
    }

    /// Over `what`, for the purpose `about`; as hexadecimal text.
    pub(crate) fn tag(&self, about: &str, what: &[u8]) -> String {
        hex(&mac(&self.mac, &[about.as_bytes(), &[0], what].concat()))
    }

    /// Is `tag` the one of `what`? Takes the same time for each wrong one.
    pub(crate) fn fits(&self, about: &str, what: &[u8], tag: &[u8]) -> bool {
        let own = self.tag(about, what);
        own.len() == tag.len() && own.bytes().zip(tag).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }

    /// Seals the platform's keys, bound to the manifest beside them.
    pub(crate) fn seal(&self, manifest: &[u8], plain: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let nonce = random::<NONCE>()?;
        let sealed = XChaCha20Poly1305::new((&*self.seal).into())
            .encrypt(&XNonce::from(*nonce), Payload { msg: plain, aad: manifest })
            .map_err(|_| ArchiveError::File {
                path: "keys".into(),
                why: "they are too long to be sealed".into(),
            })?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Self::seal`] made; none where anything differs.
    pub(crate) fn open(&self, manifest: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, msg) = sealed.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        XChaCha20Poly1305::new((&*self.seal).into())
            .decrypt(&XNonce::from(nonce), Payload { msg, aad: manifest })
            .ok()
            .map(Zeroizing::new)
    }
}
