//! Passwords: hashed with Argon2id off the async threads, a few at a time, and set.

use super::user_ref;
use crate::{App, AppError, Call, Handle, OpCtx, handle::body, handle::internal};
use argon2::password_hash::PasswordVerifier as _;
use argon2::{Argon2, PasswordHasher as _};
use serde_json::{Value, json};
use std::sync::OnceLock;
use tokio::sync::{Mutex, MutexGuard, Semaphore};
use tow_api::Action;
use tow_api::access::password_set::{self, SetPassword};
use tow_names::Digest;
use tow_policy::Object;
use tow_record::{Credential, Purpose, Role, Token};
use tow_store::{Batch, Find, Row};

const SHORTEST: usize = 12;
const LONGEST: usize = 256;
/// Each takes 19 MiB and a core for a moment.
const AT_ONCE: usize = 2;
const TURNS: usize = 64;

/// What hashing shares.
pub(crate) struct Passwords {
    hashing: Semaphore,
    turns: [Mutex<()>; TURNS],
}

impl Default for Passwords {
    fn default() -> Self {
        Self { hashing: Semaphore::new(AT_ONCE), turns: std::array::from_fn(|_| Mutex::new(())) }
    }
}

impl Passwords {
    /// Waits for one's turn among those who try the same name (or a few others).
    pub(super) async fn turn(&self, name: &str) -> MutexGuard<'_, ()> {
        let digest = Digest::of(name.as_bytes());
        let byte = u8::from_str_radix(&digest.hex()[..2], 16).unwrap_or(0);
        self.turns[usize::from(byte) % TURNS].lock().await
    }

    /// Is it the password of this hash? Takes as long where there is no hash.
    pub(super) async fn verify(&self, phc: Option<String>, password: String) -> bool {
        let _one = self.hashing.acquire().await;
        let checked = tokio::task::spawn_blocking(move || {
            // Made for both, so that the first of all tries takes as long for a known name.
            let nobodys = nobodys();
            let phc = phc.as_deref().unwrap_or(nobodys);
            Argon2::default().verify_password(password.as_bytes(), phc).is_ok()
        });
        checked.await.unwrap_or(false)
    }

    async fn hash(&self, password: String) -> Result<String, AppError> {
        let _one = self.hashing.acquire().await;
        let hashed = tokio::task::spawn_blocking(move || {
            Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
        });
        hashed.await.map_err(internal)?.map_err(internal)
    }
}

/// A hash of the same costs that no password is known of.
fn nobodys() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let secret = tow_names::Id::secret();
        Argon2::default()
            .hash_password(secret.as_bytes())
            .map_or_else(|_| String::new(), |hash| hash.to_string())
    })
}

/// Long enough and not the name itself; nothing else makes a password better.
fn taken(user: &str, password: &str) -> Result<(), AppError> {
    let length = password.chars().count();
    let refuse = |why: String| Err(AppError::new("access/password", why));
    if length < SHORTEST || password.len() > LONGEST * 4 || length > LONGEST {
        return refuse(format!(
            "a password has {SHORTEST} to {LONGEST} characters, this one {length}"
        ));
    }
    let name = user.rsplit('/').next().unwrap_or(user);
    let plain = password.to_lowercase();
    if plain.trim_matches(|c: char| !c.is_alphabetic()) == name || plain == user {
        return refuse("the password is the user's name".into());
    }
    if plain.chars().all(|c| plain.starts_with(c)) {
        return refuse("the password is one character again and again".into());
    }
    Ok(())
}

impl App {
    pub(super) async fn credential(
        &self,
        user: Option<&str>,
    ) -> Result<Option<Row<Credential>>, AppError> {
        match user {
            Some(user) => Ok(self.store().get::<Credential>(user).await?),
            None => Ok(None),
        }
    }

    /// Adds a user's new password to the batch, and the end of their sessions; how many.
    pub(super) async fn put_password(
        &self,
        batch: &mut Batch,
        ctx: &OpCtx,
        user: &str,
        password: &str,
    ) -> Result<u32, AppError> {
        taken(user, password)?;
        let before = self.credential(Some(user)).await?;
        let phc = self.passwords.hash(password.to_string()).await?;
        let credential = Credential { user: user.into(), phc, set_at: self.now() };
        match &before {
            Some(row) => batch.update(&credential, row.version),
            None => batch.create(&credential),
        }
        let find = Find { subject: Some(user.into()), open: Some(true), ..Find::default() };
        let mut ended = 0;
        for row in self.store().list::<Token>(find).await? {
            let expired = row.value.expires_at.is_some_and(|at| at <= self.now());
            if row.value.purpose == Purpose::Session && !expired {
                let mut token = row.value;
                token.revoked = true;
                batch.update(&token, row.version);
                ended += 1;
            }
        }
        let what = body(
            format!("the password of {user} was set"),
            Value::Null,
            json!({"user": user, "sessions_ended": ended}),
        );
        batch.event(self.event(ctx, "password.set", user, what));
        Ok(ended)
    }
}

impl Handle<SetPassword> for App {
    /// Beside [`App::write`] on purpose: the memory of a request keeps a digest of its body, and a fast digest of a
    /// password must not be kept. The same request again does the same again.
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<SetPassword>,
    ) -> Result<password_set::Reply, AppError> {
        let asked = &call.body;
        let who = user_ref(asked.user.as_deref().unwrap_or(&ctx.actor.name))?;
        let user = who.to_string();
        let own = user == ctx.actor.name;
        let action = if own { Action::OwnTokens } else { Action::ManageAccess };
        self.authorize(ctx, action, &Object::personal("password", &user))?;
        if !own {
            self.in_catalog(&who).await?;
        }
        if !ctx.actor.limits.is_none() {
            return Err(AppError::new(
                "access/cut-token",
                "a token that is cut down can't set passwords",
            ));
        }
        if own && ctx.actor.role != Role::Admin {
            self.prove(ctx, &user, asked.current.as_deref()).await?;
        }
        let mut batch = Batch::new();
        let ended = self.put_password(&mut batch, ctx, &user, &asked.password).await?;
        self.store().commit(batch).await?;
        Ok(password_set::Reply { user, ended })
    }
}

impl App {
    /// Whoever holds a session or token of somebody is not yet them: the present password proves it. Administrators set
    /// everybody's anyway.
    async fn prove(&self, ctx: &OpCtx, user: &str, said: Option<&str>) -> Result<(), AppError> {
        let Some(known) = self.credential(Some(user)).await? else { return Ok(()) };
        let _turn = self.passwords.turn(user).await;
        let tries = self.tries(user, None).await?;
        if let Some(wait) = tries.wait(self.now()) {
            return Err(super::tries::too_many(wait));
        }
        let phc = Some(known.value.phc);
        if self.passwords.verify(phc, said.unwrap_or_default().to_string()).await {
            return Ok(());
        }
        self.count_failure(tries, Some(user), &ctx.request).await?;
        Err(AppError::new("access/wrong-password", "the present password is not right"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_not_the_name() {
        let user = "user:default/annalisa-berg";
        for good in ["correct horse battery", "ünïcode-päss", "aaaaaaaaaaab"] {
            assert!(taken(user, good).is_ok(), "{good}");
        }
        let long = "x".repeat(257);
        for bad in ["", "short", "Annalisa-Berg", "annalisa-berg1", "aaaaaaaaaaaa", &long] {
            assert!(taken(user, bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_hash_is_of_its_password_alone() {
        let passwords = Passwords::default();
        let phc = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(phc.starts_with("$argon2id$"), "{phc}");
        let check = async |phc: Option<&str>, word: &str| {
            passwords.verify(phc.map(Into::into), word.into()).await
        };
        assert!(check(Some(&phc), "correct horse battery").await);
        assert!(!check(Some(&phc), "correct horse batterz").await);
        assert!(!check(Some("nonsense"), "correct horse battery").await);
        assert!(!check(None, "").await);
    }
}
