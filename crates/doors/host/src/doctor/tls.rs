//! Certificates that the gateway shows, or no longer does: which are over, which are so soon, which could not be ordered.

use super::finding::Finding;
use super::scene::Scene;
use tow_names::{Duration, Timestamp};
use tow_platform::CertificateSeen;

const CHECK: &str = "tls.certificates";
/// Somebody should have brought the next one by then.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// The platform itself should have the next one, so long after it was due: an order takes seconds, and an authority that
/// was down for a moment is asked again.
const LATE: Duration = Duration::from_secs(3600);

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let Some(seen) = scene.examined() else { return Vec::new() };
    judge(&seen.certificates, scene.now)
}

fn judge(seen: &[CertificateSeen], now: Timestamp) -> Vec<Finding> {
    let mut found: Vec<Finding> = seen.iter().filter_map(|one| finding(one, now)).collect();
    if found.is_empty() && !seen.is_empty() {
        found.push(Finding::ok(
            CHECK,
            format!("{}, all good", crate::error::count(seen.len(), "host")),
        ));
    }
    found
}

fn finding(one: &CertificateSeen, now: Timestamp) -> Option<Finding> {
    let host = &one.host;
    let fix = match one.renewed {
        true => {
            format!("the authority is asked again by itself; tow tls list says why not yet: {host}")
        }
        false => format!("bring the next one: tow tls add {host} --cert FILE --key FILE"),
    };
    match one.until {
        None => Some(
            Finding::warn(CHECK, format!("{host} has no certificate yet: {}", one.reason))
                .cause("who comes by HTTPS is refused")
                .fix(fix),
        ),
        Some(until) if until <= now => Some(
            Finding::fail(CHECK, format!("the certificate of {host} was good until {until}"))
                .cause("it is not shown any more: who comes by HTTPS is refused")
                .fix(fix),
        ),
        Some(until) if is_soon(one, until, now) => Some(
            Finding::warn(CHECK, format!("the certificate of {host} is good until {until}"))
                .cause("then who comes by HTTPS is refused")
                .fix(fix),
        ),
        Some(_) => None,
    }
}

/// By the time that somebody needs; of what is renewed by itself, which may live for days alone, by that being late.
fn is_soon(one: &CertificateSeen, until: Timestamp, now: Timestamp) -> bool {
    match one.due {
        Some(due) if one.renewed => due.plus(LATE) < now,
        _ => until < now.plus(SOON),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn what_is_over_fails_and_what_is_soon_warns() {
        let now = Timestamp(1_000_000_000_000_000);
        let one = |days: i64, renewed| CertificateSeen {
            host: "shop.example.org".into(),
            until: Some(Timestamp(now.0 + days * 24 * 3_600_000_000)),
            due: None,
            renewed,
            reason: String::new(),
        };
        let state = |one| judge(&[one], now)[0].state;
        assert_eq!(state(one(60, false)), State::Ok);
        assert_eq!(state(one(3, false)), State::Warn);
        assert_eq!(state(one(-1, true)), State::Fail);
        // One that lives for six days, and is renewed by itself.
        let due = |hours: i64| {
            let due = Some(Timestamp(now.0 + hours * 3_600_000_000));
            state(CertificateSeen { due, ..one(2, true) })
        };
        assert_eq!((due(5), due(0), due(-2)), (State::Ok, State::Ok, State::Warn));
        assert!(judge(&[one(-1, false)], now)[0].fix.contains("tow tls add shop.example.org"));
        let none = CertificateSeen { until: None, reason: "it is down".into(), ..one(0, true) };
        assert!(judge(&[none], now)[0].seen.contains("it is down"));
        assert!(judge(&[], now).is_empty());
    }
}
