//! What an empty platform has from the start: a runtime `local` and an environment `development`, applied through the
//! same door as anybody's.

use tow_api::object::apply::{Apply, Body, Document};
use tow_api::{Endpoint, Nothing};
use tow_app::{App, AppError, Call, Handle, OpCtx};

const SEED: &str = "\
apiVersion: towpath.dev/v1
kind: Runtime
metadata:
  name: local
  description: Processes of this machine
spec:
  type: process
---
apiVersion: towpath.dev/v1
kind: Environment
metadata:
  name: development
  description: For one's own eyes
spec:
  tier: development
  runtime: local
";

/// Applies it. The key makes a second time, within a day, the same as none; after that, the caller sees that something
/// is there already.
pub(crate) async fn seed(app: &App) -> Result<(), AppError> {
    let ctx = OpCtx::system("seed");
    let call = Call::<Apply> {
        path: Nothing {},
        query: Nothing {},
        body: Body::of(vec![Document::new(Apply::ID, SEED)]),
        idempotency_key: None,
    };
    app.handle(&ctx, call).await.map(|_| ())
}
