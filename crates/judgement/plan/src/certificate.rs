//! Which hosts need a certificate of an authority outside, and what an order's next step is. Pure: what is asked, and
//! what is kept, is somebody else's.

use std::collections::BTreeSet;
use tow_names::{Duration, Timestamp, covers, is_public_host};
use tow_record::{
    AcmeOrder, AcmeStage, Certificate, CertificateFacts, CertificateSource, RouteSet,
};

/// The next try where the authority was not reached: at first, and at most.
const UNREACHED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));
/// The same where it said no: it counts those, and shuts out who asks too often.
const REFUSED: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(24 * 3600));
/// Between two looks at an order that is under way.
pub const LOOK: Duration = Duration::from_secs(2);
/// An order under way that comes to nothing for so long is given up.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The hosts of a route table for which nobody gave a certificate, and that an authority outside may find.
pub fn hosts(set: &RouteSet, certificates: &[Certificate]) -> BTreeSet<String> {
    let given = |host: &str| {
        let given = certificates.iter().filter(|one| one.source == CertificateSource::Given);
        given.into_iter().any(|one| covers(&one.host, host))
    };
    let hosts = set.routes.iter().flat_map(|route| &route.hosts);
    hosts
        .map(|host| host.to_ascii_lowercase())
        .filter(|host| is_public_host(host) && !given(host))
        .collect()
}

/// What is to be done about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Begin an order.
    Begin,
    /// Tell the authority that the answers are there.
    Tell,
    /// See how far it is.
    Look,
    /// Nothing before then.
    Wait(Timestamp),
}

/// Decides. The gateway shows what an order's answers are before anything is decided.
pub fn next(
    certificate: Option<&Certificate>,
    order: Option<&AcmeOrder>,
    directory: &str,
    now: Timestamp,
) -> Next {
    let order = order.filter(|order| order.directory == directory);
    if let Some(order) = order
        && order.next_at > now
    {
        return Next::Wait(order.next_at);
    }
    match order.map(|order| &order.stage) {
        Some(AcmeStage::Proving { told: false, .. }) => Next::Tell,
        Some(AcmeStage::Proving { told: true, .. }) => Next::Look,
        Some(AcmeStage::Due) | None => match certificate.map(Certificate::due) {
            Some(due) if due > now => Next::Wait(due),
            _ => Next::Begin,
        },
    }
}

/// Why a certificate that an authority made is of no use: it would not be kept, or made anew at once, for ever.
pub fn useless(facts: &CertificateFacts, host: &str, now: Timestamp) -> Option<String> {
    let names = || facts.names.join(", ");
    match facts.names.iter().any(|name| covers(name, host)) {
        false => Some(format!("the authority made a certificate of {} instead", names())),
        true if facts.until <= now => {
            Some(format!("the authority made a certificate that was good until {}", facts.until))
        }
        true => None,
    }
}

/// The order after a try that came to nothing. What was under way stays so where nobody was reached.
pub fn failed(
    order: &AcmeOrder,
    why: &str,
    refused: bool,
    again: Option<Duration>,
    now: Timestamp,
) -> AcmeOrder {
    let failures = order.failures.saturating_add(1);
    let (first, most) = if refused { REFUSED } else { UNREACHED };
    let factor = if refused { 4i64 } else { 2 };
    let grown = first.micros().saturating_mul(factor.saturating_pow(order.failures.min(20)));
    let wait = Duration::from_micros(grown.min(most.micros())).max(again.unwrap_or_default());
    AcmeOrder {
        stage: if refused { AcmeStage::Due } else { order.stage.clone() },
        failures,
        next_at: now.plus(wait),
        reason: why.into(),
        ..order.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_record::Sealed;

    const NOW: Timestamp = Timestamp(1_000_000_000_000);

    fn order(stage: AcmeStage) -> AcmeOrder {
        let (host, directory) = ("a.example.org".into(), "d".into());
        AcmeOrder {
            host,
            directory,
            stage,
            failures: 0,
            next_at: NOW,
            began: NOW,
            reason: String::new(),
        }
    }

    fn proving(told: bool) -> AcmeStage {
        let key = Sealed { key: String::new(), sealed: String::new(), digest: String::new() };
        AcmeStage::Proving { order: "o".into(), answers: Default::default(), told, key }
    }

    #[test]
    fn an_order_goes_on_step_by_step() {
        assert_eq!(next(None, None, "d", NOW), Next::Begin);
        let mut one = order(proving(false));
        assert_eq!(next(None, Some(&one), "d", NOW), Next::Tell);
        one.stage = proving(true);
        assert_eq!(next(None, Some(&one), "d", NOW), Next::Look);
        assert_eq!(next(None, Some(&one), "another", NOW), Next::Begin);
        one.next_at = NOW.plus(Duration::from_secs(9));
        assert_eq!(next(None, Some(&one), "d", NOW), Next::Wait(one.next_at));
    }

    #[test]
    fn nobody_is_asked_twice_in_a_hurry() {
        let mut refused = order(proving(true));
        let mut waits = Vec::new();
        for _ in 0..6 {
            refused = failed(&refused, "no", true, None, NOW);
            waits.push(refused.next_at.since(NOW).micros() / 1_000_000);
        }
        assert_eq!(waits, [120, 480, 1_920, 7_680, 30_720, 86_400]);
        assert_eq!((refused.stage, refused.failures), (AcmeStage::Due, 6));
        let unreached = failed(&order(proving(true)), "down", false, None, NOW);
        assert_eq!(unreached.stage, proving(true), "what is under way goes on");
        assert_eq!(unreached.next_at, NOW.plus(Duration::from_secs(5)));
        let hour = Some(Duration::from_secs(3_600));
        let limited = failed(&order(AcmeStage::Due), "slow down", true, hour, NOW);
        assert_eq!(limited.next_at, NOW.plus(Duration::from_secs(3_600)));
    }
}
