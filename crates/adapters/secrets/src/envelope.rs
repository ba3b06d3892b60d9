//! One sealed value as bytes: `format, nonce, data key sealed by the key from the file, nonce, value sealed by the data
//! key`. Pure but for the random bytes.

use chacha20poly1305::aead::{Aead as _, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use tow_ports::PortError;
use zeroize::Zeroizing;

/// A symmetric key, wiped when it goes.
pub(crate) type Key = Zeroizing<[u8; KEY]>;

pub(crate) const KEY: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;
const FORMAT: u8 = 1;
const HEAD: usize = 1 + NONCE + KEY + TAG + NONCE;

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, PortError> {
    <[u8; N]>::try_generate()
        .map(Zeroizing::new)
        .map_err(|error| PortError::Unavailable(format!("the system has no random bytes: {error}")))
}

/// What a data key is bound to, and what a value: the same context never stands for both.
fn bound(what: &str, key: &str, context: &str) -> String {
    format!("towpath {what} 1\0{key}\0{context}")
}

fn lock(key: &Key, nonce: &[u8; NONCE], aad: &str, msg: &[u8]) -> Result<Vec<u8>, PortError> {
    XChaCha20Poly1305::new((&**key).into())
        .encrypt(&XNonce::from(*nonce), Payload { msg, aad: aad.as_bytes() })
        .map_err(|_| PortError::Refused("the value is too long to be sealed".into()))
}

fn unlock(key: &Key, nonce: &[u8], aad: &str, msg: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
    XChaCha20Poly1305::new((&**key).into())
        .decrypt(&XNonce::from(nonce), Payload { msg, aad: aad.as_bytes() })
        .ok()
        .map(Zeroizing::new)
}

/// Seals under the key with this id.
pub(crate) fn seal(id: &str, key: &Key, context: &str, plain: &[u8]) -> Result<Vec<u8>, PortError> {
    let (data_key, outer, inner) = (random::<KEY>()?, random::<NONCE>()?, random::<NONCE>()?);
    let wrapped = lock(key, &outer, &bound("key", id, context), &*data_key)?;
    let value = lock(&data_key, &inner, &bound("value", id, context), plain)?;
    Ok([&[FORMAT][..], &*outer, &wrapped, &*inner, &value].concat())
}

/// Opens what [`seal`] made; none where key, context or a single bit differs.
pub(crate) fn open(id: &str, key: &Key, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    if sealed.len() < HEAD + TAG || sealed[0] != FORMAT {
        return None;
    }
    let (outer, rest) = sealed[1..].split_at(NONCE);
    let (wrapped, rest) = rest.split_at(KEY + TAG);
    let (inner, value) = rest.split_at(NONCE);
    let data_key = unlock(key, outer, &bound("key", id, context), wrapped)?;
    let data_key = Zeroizing::new(<[u8; KEY]>::try_from(data_key.as_slice()).ok()?);
    unlock(&data_key, inner, &bound("value", id, context), value).map(|plain| plain.to_vec())
}
