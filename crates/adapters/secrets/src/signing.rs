//! The key the platform signs with: Ed25519. What it signs can be checked by whoever has the public half.

use crate::envelope::{KEY, Key, random};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use tow_names::Digest;
use tow_ports::PortError;

pub(crate) struct SigningKey {
    id: String,
    seed: Key,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A fresh one.
    pub(crate) fn fresh() -> Result<Self, PortError> {
        Self::of(random::<KEY>()?)
            .ok_or_else(|| PortError::Refused("the signing key can't be made".into()))
    }

    /// From its seed.
    pub(crate) fn of(seed: Key) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).ok()?;
        let id = format!("sign-{}", Digest::of(pair.public_key().as_ref()).short());
        Some(Self { id, seed, pair })
    }

    /// `sign-` and the beginning of the public half's digest.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn seed(&self) -> &[u8] {
        self.seed.as_slice()
    }

    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public()).verify(message, signature).is_ok()
    }
}
