//! `role builder DIR`: what the `tow` binary does for its role `builder`, for this crate's own tests. Does nothing else.

fn main() -> std::process::ExitCode {
    let args = std::env::args_os().skip(2).collect();
    std::process::ExitCode::from(u8::try_from(tow_build::builder_main(args)).unwrap_or(1))
}
