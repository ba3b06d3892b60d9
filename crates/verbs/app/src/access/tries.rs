//! The memory of sign-ins that failed: of a name and of an address, in the store, so that neither a restart nor another
//! address makes guessing cheaper. Whoever failed too often waits, longer each time; nobody is locked out for good, links
//! and tokens go on working, and what was forgotten for a day is forgotten.

use crate::{App, AppError, OpCtx, handle::body};
use serde_json::{Value, json};
use tow_names::{Duration, Timestamp};
use tow_record::SignInFailures;
use tow_store::{Batch, Find, Row};

/// So many failures cost nothing: people mistype. Behind one address there may be many people.
const FREE_OF_NAME: u32 = 5;
const FREE_OF_ADDRESS: u32 = 20;
/// The longest wait.
const LONGEST: u32 = 15 * 60;
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// So many forgotten ones are taken away with each failure, so that there are never many.
const SWEPT: u32 = 8;

/// What is remembered of those who try now.
pub(super) struct Tries {
    rows: Vec<(SignInFailures, Option<Row<SignInFailures>>)>,
}

/// After so many failures, so long from the last one on, in seconds.
fn pause(of: &str, count: u32) -> u32 {
    let free = if of == "user" { FREE_OF_NAME } else { FREE_OF_ADDRESS };
    match count.checked_sub(free) {
        None => 0,
        Some(more) => 1_u32.checked_shl(more).unwrap_or(LONGEST).clamp(1, LONGEST),
    }
}

pub(super) fn too_many(wait: u32) -> AppError {
    AppError::new("access/too-many-tries", format!("try again in {wait} s"))
        .hint("links and tokens work meanwhile: tow sign-in")
        .retry_after(wait)
}

impl Tries {
    /// How many seconds to wait, where it is too early.
    pub(super) fn wait(&self, now: Timestamp) -> Option<u32> {
        let left = self.rows.iter().filter_map(|(try_, _)| {
            let pause = Duration::from_secs(i64::from(pause(&try_.of, try_.count)));
            // A clock that went back must not make anybody wait for longer than the pause itself.
            let until = try_.last_at.min(now).plus(pause);
            let left = until.0 - now.0;
            (left > 0).then(|| u32::try_from(left / 1_000_000 + 1).unwrap_or(LONGEST))
        });
        left.max()
    }

    /// It succeeded.
    pub(super) fn forget(&self, batch: &mut Batch) {
        for (_, row) in &self.rows {
            if let Some(row) = row {
                let id = SignInFailures::id_of(&row.value.of, &row.value.which);
                batch.remove::<SignInFailures>(id, None);
            }
        }
    }
}

impl App {
    pub(super) async fn tries(&self, name: &str, address: Option<&str>) -> Result<Tries, AppError> {
        let mut rows = Vec::new();
        let name: String = name.chars().take(256).collect();
        for (of, which) in [("user", Some(name.as_str())), ("address", address)] {
            let Some(which) = which else { continue };
            let row = self.store().get::<SignInFailures>(&SignInFailures::id_of(of, which)).await?;
            let now = self.now();
            let fresh =
                SignInFailures { of: of.into(), which: which.into(), count: 0, last_at: now };
            let found = row.as_ref().map(|row| row.value.clone());
            let value = found.filter(|found| found.last_at.plus(FORGOTTEN) > now).unwrap_or(fresh);
            rows.push((value, row));
        }
        Ok(Tries { rows })
    }

    /// One more. An event tells of the first and of every tenth; it names the user only where there is one: what was
    /// typed for a name may be a password.
    pub(super) async fn count_failure(
        &self,
        tries: Tries,
        known: Option<&str>,
        request: &str,
    ) -> Result<(), AppError> {
        let mut batch = Batch::new();
        let mut told = false;
        let mut counts = json!({});
        let mut kept = Vec::new();
        for (mut failures, _) in tries.rows {
            failures.count = failures.count.saturating_add(1);
            failures.last_at = self.now();
            told |= failures.count == 1 || failures.count % 10 == 0;
            counts[failures.of.as_str()] = failures.count.into();
            if failures.of == "address" {
                counts["from"] = failures.which.clone().into();
            }
            kept.push(SignInFailures::id_of(&failures.of, &failures.which));
            batch.upsert(&failures);
        }
        let now = self.now();
        for of in ["user", "address"] {
            let oldest = Find { subject: Some(of.into()), limit: Some(SWEPT), ..Find::default() };
            for row in self.store().list::<SignInFailures>(oldest).await? {
                let id = SignInFailures::id_of(&row.value.of, &row.value.which);
                if row.value.last_at.plus(FORGOTTEN) <= now && !kept.contains(&id) {
                    batch.remove::<SignInFailures>(id, None);
                }
            }
        }
        if told {
            let mut ctx = OpCtx::system("sign-in");
            ctx.request = request.into();
            let whom = known.unwrap_or("somebody unknown");
            let what = body(format!("a sign-in of {whom} failed"), Value::Null, counts);
            batch.event(self.event(&ctx, "sign-in.refused", known.unwrap_or("sign-in"), what));
        }
        self.store().commit(batch).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let pauses: Vec<u32> = (4..9).map(|count| pause("user", count)).collect();
        assert_eq!(pauses, [0, 1, 2, 4, 8]);
        assert_eq!((pause("user", 15), pause("user", 1000)), (900, 900));
        assert_eq!((pause("address", 19), pause("address", 20)), (0, 1));
    }
}
