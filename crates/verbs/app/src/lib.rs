//! What is done, and by whom it may be: use-cases, one file per noun. Each authorises, admits, and commits once, as its
//! last act, so a dropped request is harmless. Knows neither StatusCode nor HTML nor SQL.

mod error;
mod handle;

pub use error::AppError;
pub use handle::{App, Call, Handle, OpCtx, Session};
