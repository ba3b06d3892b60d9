//! Signatures of what is posted, by the Standard Webhooks scheme: headers `webhook-id`, `webhook-timestamp` and
//! `webhook-signature`, the last of them `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How the text of a secret begins.
const PREFIX: &str = "whsec_";
/// Bytes of a key; the scheme asks for 24 to 64.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The header with the message's id.
pub const ID: &str = "webhook-id";
/// The header with the time of sending, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, parted by spaces.
pub const SIGNATURE: &str = "webhook-signature";

/// A key that signs. Its text is `whsec_` and base64.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

impl WebhookSecret {
    /// Of random bytes, 24 to 64 of them; none otherwise.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        LENGTHS.contains(&bytes.len()).then(|| Self(bytes.to_vec()))
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        Self::of(&bytes)
    }

    /// Its text: to be shown once, and sealed otherwise.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// To be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn mac(&self, id: &str, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        mac
    }

    /// The value of the header [`SIGNATURE`].
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(self.mac(id, seconds, body).finalize().into_bytes()))
    }

    /// What goes with a message whose body is a [`crate::cloud_event`].
    pub fn headers(&self, id: &str, seconds: i64, body: &[u8]) -> Vec<(String, String)> {
        vec![
            ("content-type".into(), crate::CLOUD_EVENT.into()),
            (ID.into(), id.into()),
            (TIMESTAMP.into(), seconds.to_string()),
            (SIGNATURE.into(), self.sign(id, seconds, body)),
        ]
    }

    /// Does one of the header's signatures hold? In time that does not depend on how much of it is right. Whether the
    /// time is near enough is for the receiver to say.
    pub fn verify(&self, id: &str, seconds: i64, body: &[u8], header: &str) -> bool {
        header.split(' ').filter_map(|one| one.strip_prefix("v1,")).any(|one| {
            let given = STANDARD.decode(one);
            given.is_ok_and(|given| self.mac(id, seconds, body).verify_slice(&given).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the scheme's own libraries are tested with.
    #[test]
    fn the_schemes_example_holds() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = br#"{"test": 2432232314}"#;
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(secret.sign(id, 1_614_265_330, body), signature);
        assert!(secret.verify(id, 1_614_265_330, body, &format!("v1,AAAA v2,x {signature}")));
        assert!(!secret.verify(id, 1_614_265_331, body, signature));
        assert!(!secret.verify("msg", 1_614_265_330, body, signature));
        assert!(!secret.verify(id, 1_614_265_330, b"{}", signature));
        assert!(!secret.verify(id, 1_614_265_330, body, ""));
    }

    #[test]
    fn a_secret_is_its_text() {
        let secret = WebhookSecret::of(&[7; 32]).unwrap();
        assert_eq!(WebhookSecret::parse(&secret.text()), Some(secret.clone()));
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
        assert_eq!(WebhookSecret::of(&[7; 23]), None);
        for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%%"] {
            assert_eq!(WebhookSecret::parse(bad), None, "{bad}");
        }
    }
}
