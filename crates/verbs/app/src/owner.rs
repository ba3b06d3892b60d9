//! The owner of the machine: who can read the data directory is its administrator, and comes in without being asked.

use crate::{App, AppError, Call, Handle as _, OpCtx};
use tow_api::{Nothing, access::sign_in_link};
use tow_policy::MACHINE_OWNER;

/// What lets the owner in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnersDoor {
    /// A fresh token for the programs of this machine, where the one at hand does not hold.
    pub token: Option<String>,
    /// The path of a link for a browser; it works once.
    pub path: Option<String>,
}

impl App {
    /// Lets the owner in: keeps the token `at_hand` where it still holds and makes another one where not; makes a link
    /// for a browser each time.
    pub async fn let_owner_in(&self, at_hand: &str) -> Result<OwnersDoor, AppError> {
        let token = match self.authenticate(at_hand).await {
            Ok(_) => None,
            Err(_) => Some(self.issue_local_token(MACHINE_OWNER).await?),
        };
        let mut ctx = OpCtx::system("host");
        ctx.actor.name = MACHINE_OWNER.into();
        let call = Call::<sign_in_link::CreateSignInLink> {
            path: Nothing {},
            query: Nothing {},
            body: sign_in_link::Body::default(),
            idempotency_key: None,
        };
        let link = self.handle(&ctx, call).await?;
        Ok(OwnersDoor { token, path: link.path })
    }
}
