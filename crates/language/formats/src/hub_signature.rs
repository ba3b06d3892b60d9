//! The signature of git forges' push hooks: `sha256=` and HMAC-SHA256 of the body in hexadecimal digits.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

fn mac(secret: &[u8], body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key");
    mac.update(body);
    mac
}

/// The header's value for a body.
pub fn sign(secret: &[u8], body: &[u8]) -> String {
    let digest = mac(secret, body).finalize().into_bytes();
    digest.iter().fold("sha256=".to_string(), |text, byte| format!("{text}{byte:02x}"))
}

/// Does the header's value fit the body? Takes the same time whatever is wrong with it.
pub fn verify(secret: &[u8], body: &[u8], header: &str) -> bool {
    let Some(hex) = header.strip_prefix("sha256=").filter(|hex| hex.len() == 64 && hex.is_ascii())
    else {
        return false;
    };
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..64).step_by(2).map(byte).collect();
    bytes.is_some_and(|bytes| mac(secret, body).verify_slice(&bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_and_body_fit() {
        // The example of GitHub's documentation.
        let (secret, body) = (b"It's a Secret to Everybody", b"Hello, World!");
        let known = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(sign(secret, body), known);
        assert!(verify(secret, body, known));
        for bad in [
            "",
            "sha256=",
            "sha1=757107ea0eb2509fc211221cce984b8a37570b6d",
            &known.replace('7', "8"),
            &known[..70],
            "sha256=+57107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ] {
            assert!(!verify(secret, body, bad), "{bad}");
        }
        assert!(!verify(b"another", body, known));
        assert!(!verify(secret, b"Hello, World?", known));
    }
}
