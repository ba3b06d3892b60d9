//! The port `keys` without a key: values are hidden from a careless look and from nobody else. Never for real values.

use std::sync::atomic::{AtomicU64, Ordering};
use tow_names::Digest;
use tow_ports::{Keys, PortError};
use tow_record::{Sealed, Signature};

const KEY: &str = FakeKeys::ID;

/// Seals nothing, but opens only under the same context.
#[derive(Debug, Default)]
pub struct FakeKeys {
    next: AtomicU64,
}

/// `plain` and what it is mixed with, in turns of one digest each.
fn mix(nonce: &str, context: &str, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len());
    for (turn, piece) in plain.chunks(32).enumerate() {
        let pad = Digest::of(format!("{nonce}\0{context}\0{turn}").as_bytes());
        out.extend(piece.iter().zip(pad.hex().as_bytes()).map(|(byte, pad)| byte ^ pad));
    }
    out
}

fn tag(nonce: &str, context: &str, plain: &[u8]) -> String {
    let whole = [nonce.as_bytes(), b"\0", context.as_bytes(), b"\0", plain].concat();
    Digest::of(&whole).short().to_string()
}

impl FakeKeys {
    /// What its one key is called: whatever names it was never really sealed or signed.
    pub const ID: &'static str = "fake-1";
}

impl Keys for FakeKeys {
    fn seal(&self, context: &str, plain: &[u8]) -> Result<Sealed, PortError> {
        let nonce = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let hidden: String =
            mix(&nonce, context, plain).iter().map(|byte| format!("{byte:02x}")).collect();
        let sealed = format!("{nonce}.{}.{hidden}", tag(&nonce, context, plain));
        Ok(Sealed { key: KEY.into(), sealed, digest: self.digest(plain) })
    }

    fn open(&self, context: &str, sealed: &Sealed) -> Result<Vec<u8>, PortError> {
        let refused = || PortError::Refused(format!("{context} does not open"));
        let parts: Vec<&str> = sealed.sealed.split('.').collect();
        let (KEY, [nonce, expected, hidden]) = (sealed.key.as_str(), parts.as_slice()) else {
            return Err(refused());
        };
        let bytes: Option<Vec<u8>> = (0..hidden.len() / 2)
            .map(|at| u8::from_str_radix(hidden.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        let plain = mix(nonce, context, &bytes.ok_or_else(refused)?);
        if tag(nonce, context, &plain) == *expected { Ok(plain) } else { Err(refused()) }
    }

    fn digest(&self, plain: &[u8]) -> String {
        Digest::of(&[b"fake\0", plain].concat()).hex().to_string()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, PortError> {
        let signature = Digest::of(&[b"fake signature\0", message].concat()).hex().to_string();
        Ok(Signature { key: KEY.into(), signature })
    }

    fn verify(&self, message: &[u8], signature: &Signature) -> Result<bool, PortError> {
        if signature.key != KEY {
            return Err(PortError::NotThere(format!("the signing key {}", signature.key)));
        }
        Ok(self.sign(message)? == *signature)
    }

    fn public(&self, key: &str) -> Option<String> {
        (key == KEY).then(|| "ZmFrZQ==".to_string())
    }
}
