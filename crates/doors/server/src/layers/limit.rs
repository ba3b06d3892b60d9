//! How often: whoever is signed in by who they are, strangers by where they come from. Generous for reading, stricter for
//! writing, strict for strangers, strictest for signing in. In memory and bounded: a start forgets it, and that is well;
//! what must not be forgotten, failed sign-ins, is in the store.

use super::safe;
use crate::answer::Refusal;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::Method;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tow_api::Endpoint;
use tow_app::{Caller, OpCtx};

/// Whoever was quiet for long enough is forgotten after so many requests.
const SWEEP: u32 = 4096;
/// So many are told apart by each limit; beyond that, newcomers share one.
const TOLD_APART: usize = 100_000;

/// So many at once, and then so many a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// One more after so long.
    pub every: Duration,
}

/// What is taken from one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Reading, of one who is signed in.
    pub reads: Rate,
    /// Writing, of one who is signed in.
    pub writes: Rate,
    /// Anything, from one address without a token that holds.
    pub strangers: Rate,
    /// Signing in with a password or link, from one address.
    pub sign_in: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        let rate = |burst, micros| Rate { burst, every: Duration::from_micros(micros) };
        Self {
            reads: rate(50_000, 40),
            writes: rate(2_000, 5_000),
            strangers: rate(500, 20_000),
            sign_in: rate(30, 3_000_000),
        }
    }
}

/// One limit, by a digest of whom it concerns.
struct Bucket {
    limiter: DefaultKeyedRateLimiter<u64>,
    asked: AtomicU32,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(rate.every).unwrap_or(Quota::per_second(burst));
        let limiter = RateLimiter::keyed(quota.allow_burst(burst));
        Self { limiter, asked: AtomicU32::new(0) }
    }

    /// How many seconds to wait, where it is too often.
    fn check(&self, key: u64) -> Result<(), u32> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let key = if self.limiter.len() > TOLD_APART { 0 } else { key };
        self.limiter.check_key(&key).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX)
        })
    }
}

/// All limits.
pub(crate) struct Limiter {
    reads: Bucket,
    writes: Bucket,
    strangers: Bucket,
    sign_in: Bucket,
    hashes: RandomState,
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            reads: Bucket::new(limits.reads),
            writes: Bucket::new(limits.writes),
            strangers: Bucket::new(limits.strangers),
            sign_in: Bucket::new(limits.sign_in),
            hashes: RandomState::new(),
        }
    }

    /// Which limit this request falls under, and as whom.
    fn of(&self, request: &Request) -> (&Bucket, u64) {
        let signs_in = request.uri().path() == "/sign-in" && !safe(request.method());
        let actor = request.extensions().get::<OpCtx>().map(|ctx| &ctx.actor.name);
        match actor {
            Some(name) if !signs_in => {
                let bucket = if writes(request) { &self.writes } else { &self.reads };
                (bucket, self.hashes.hash_one(name))
            }
            _ => {
                let bucket = if signs_in { &self.sign_in } else { &self.strangers };
                let caller = request.extensions().get::<Caller>();
                let address = caller.and_then(|caller| caller.address.as_deref());
                (bucket, self.hashes.hash_one(address.map(site)))
            }
        }
    }
}

/// Whoever has one address of the sixth version has all of its network.
fn site(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(v6)) => {
            let network = v6.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(network).to_string()
        }
        _ => address.to_string(),
    }
}

/// By the contract, where the path is in it: a POST may be a long question.
fn writes(request: &Request) -> bool {
    if safe(request.method()) {
        return false;
    }
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    !path.is_some_and(|path| {
        only_reads(request.method(), path)
            || (request.method() == Method::POST && crate::backstage::only_reads(path))
    })
}

fn only_reads(method: &Method, path: &str) -> bool {
    macro_rules! ask {
        (plain: [$($plain:ty),* $(,)?], special: [$($special:ty),* $(,)?]) => {
            $((!<$plain>::WRITES && <$plain>::PATH == path
                && method.as_str() == <$plain>::METHOD.as_str()) ||)*
            $((!<$special>::WRITES && <$special>::PATH == path
                && method.as_str() == <$special>::METHOD.as_str()) ||)*
            false
        };
    }
    tow_api::endpoints!(ask)
}

pub(super) async fn limit(
    State(limiter): State<Arc<Limiter>>,
    request: Request,
    next: Next,
) -> Response {
    // Whoever watches over the process must always be answered.
    if request.uri().path() == "/healthz" {
        return next.run(request).await;
    }
    let (bucket, key) = limiter.of(&request);
    match bucket.check(key) {
        Ok(()) => next.run(request).await,
        Err(seconds) => {
            let mut refusal = Refusal::new(
                "request/too-many",
                format!("too many requests from one caller; try again in {seconds} s"),
            );
            refusal.0.retry_after = Some(seconds);
            refusal.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn limiter(burst: u32) -> Limiter {
        let rate = Rate { burst, every: Duration::from_secs(3600) };
        Limiter::new(&Limits { reads: rate, writes: rate, strangers: rate, sign_in: rate })
    }

    fn from(address: &str, path: &str, method: &str) -> Request {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let caller = Caller { request: "req-1".into(), address: Some(address.into()) };
        request.extensions_mut().insert(caller);
        request
    }

    fn ask(limiter: &Limiter, request: &Request) -> bool {
        let (bucket, key) = limiter.of(request);
        bucket.check(key).is_ok()
    }

    #[test]
    fn each_caller_has_their_own_and_each_limit_too() {
        let limiter = limiter(2);
        let page = from("203.0.113.1", "/", "GET");
        assert!(ask(&limiter, &page) && ask(&limiter, &page) && !ask(&limiter, &page));
        assert!(ask(&limiter, &from("203.0.113.2", "/", "GET")), "another address");
        assert!(ask(&limiter, &from("203.0.113.1", "/sign-in", "POST")), "another limit");
        // One network of the sixth version is one caller.
        for last in ["1", "2"] {
            assert!(ask(&limiter, &from(&format!("2001:db8::{last}"), "/", "GET")));
        }
        assert!(!ask(&limiter, &from("2001:db8::3", "/", "GET")));
        assert!(ask(&limiter, &from("2001:db8:0:1::3", "/", "GET")));
    }

    #[test]
    fn memory_does_not_grow_with_strangers() {
        let bucket = Bucket::new(Rate { burst: 1, every: Duration::from_secs(3600) });
        for key in 0..(TOLD_APART as u64 + 5000) {
            let _ = bucket.check(key + 1);
        }
        assert!(bucket.limiter.len() <= TOLD_APART + 2, "{}", bucket.limiter.len());
    }

    #[test]
    fn the_wait_is_said() {
        let limiter = limiter(1);
        let page = from("203.0.113.1", "/", "GET");
        assert!(ask(&limiter, &page));
        let (bucket, key) = limiter.of(&page);
        let wait = bucket.check(key).unwrap_err();
        assert!((3000..=3601).contains(&wait), "{wait}");
    }
}
