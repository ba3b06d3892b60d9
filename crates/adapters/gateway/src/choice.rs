//! Which side of a split route answers a client: whoever asks for one by the header gets it, whoever was with the tried
//! one stays with it, everybody else by weight. Decided once for a client that keeps cookies: it is told its lot, and
//! changes sides only when the weight passes it.

use crate::headers;
use crate::trace::random;
use http::header::{HeaderMap, HeaderValue};
use tow_record::Split;

/// The side that is to answer.
pub(crate) struct Choice {
    /// The deployment that is tried.
    pub(crate) deployment: i64,
    /// It is to answer; else any other.
    pub(crate) tried: bool,
    /// The client is to keep this.
    pub(crate) keep: Option<HeaderValue>,
}

/// Chooses for a request to a route at this path.
pub(crate) fn choose(split: &Split, path: &str, request: &HeaderMap, secure: bool) -> Choice {
    let decided = |tried| Choice { deployment: split.deployment, tried, keep: None };
    match request.get(split.header.as_str()).map(HeaderValue::as_bytes) {
        Some(b"always") => return decided(true),
        Some(b"never") => return decided(false),
        _ => {}
    }
    // `7`: with deployment 7 already. `7.42`: among the others while fewer than 43 of a hundred are with it.
    let kept = headers::cookie(request, &split.cookie);
    let kept = kept.as_deref().and_then(|text| {
        let (deployment, lot) = match text.split_once('.') {
            Some((deployment, lot)) => (deployment, Some(lot.parse::<u64>().ok()?)),
            None => (text, None),
        };
        (deployment.parse::<i64>().ok()? == split.deployment).then_some(lot)
    });
    let (lot, new) = match kept {
        Some(None) => return decided(true),
        Some(Some(lot)) => (lot, false),
        None => (random() % 100, true),
    };
    let tried = lot < u64::from(split.weight);
    let mut choice = decided(tried);
    if new || tried {
        let value = if tried {
            split.deployment.to_string()
        } else {
            format!("{}.{lot}", split.deployment)
        };
        let secure = if secure { "; Secure" } else { "" };
        let path = if path.is_empty() { "/" } else { path };
        let text = format!("{}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}", split.cookie);
        choice.keep = HeaderValue::from_str(&text).ok();
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::COOKIE;

    fn split(weight: u32) -> Split {
        Split { deployment: 7, weight, header: "x-tow-canary".into(), cookie: "tow_canary".into() }
    }

    fn ask(weight: u32, cookie: &str, header: &str) -> (bool, Option<String>) {
        let mut headers = HeaderMap::new();
        if !cookie.is_empty() {
            headers.insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        if !header.is_empty() {
            headers.insert("x-tow-canary", HeaderValue::from_str(header).unwrap());
        }
        let choice = choose(&split(weight), "/shop", &headers, false);
        (choice.tried, choice.keep.map(|value| value.to_str().unwrap().to_string()))
    }

    #[test]
    fn header_cookie_and_weight_decide_in_this_order() {
        assert_eq!(ask(0, "", "always"), (true, None));
        assert_eq!(ask(100, "tow_canary=7", "never"), (false, None));
        assert_eq!(ask(0, "a=b; tow_canary=7", ""), (true, None));
        let stays = "tow_canary=7; Path=/shop; HttpOnly; SameSite=Lax";
        assert_eq!(ask(100, "", ""), (true, Some(stays.into())));
        // Of another deployment, or of nobody: as if there was none.
        for stale in ["tow_canary=6", "tow_canary=", "tow_canary=x.1", "tow_canary=7.x"] {
            assert_eq!(ask(100, stale, "maybe"), (true, Some(stays.into())), "{stale}");
        }
        let (tried, kept) = ask(0, "", "");
        assert!(!tried && kept.unwrap().starts_with("tow_canary=7."));
    }

    #[test]
    fn a_client_changes_sides_once_the_weight_passes_its_lot() {
        assert_eq!(ask(42, "tow_canary=7.42", ""), (false, None));
        let (tried, kept) = ask(43, "tow_canary=7.42", "");
        assert!(tried && kept.unwrap().starts_with("tow_canary=7;"));
    }

    #[test]
    fn about_as_many_as_the_weight_says() {
        let tried = (0..10_000).filter(|_| ask(30, "", "").0).count();
        assert!((2_500..3_500).contains(&tried), "{tried} of 10000");
    }
}
