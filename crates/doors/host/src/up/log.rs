//! What `tow up` says of its own work, on standard error.

/// Begins to log: as `TOW_LOG` asks, else warnings and errors.
pub(super) fn begin() {
    use tracing_subscriber::{EnvFilter, fmt};
    #[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
    let wanted = std::env::var("TOW_LOG").unwrap_or_else(|_| "warn,sqlx=error".into());
    // By the same rule as everything else that is printed: a terminal, and no NO_COLOR.
    let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let _ = fmt()
        .with_ansi(colour)
        .with_env_filter(EnvFilter::new(wanted))
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
}
