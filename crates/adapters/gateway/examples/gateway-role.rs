//! Runs the roles of this crate as the binary does, for its own tests: `gateway-role gateway …`, `gateway-role static …`.

fn main() -> std::process::ExitCode {
    let mut args = std::env::args_os().skip(1);
    let role = args.next().unwrap_or_default();
    let rest = args.collect();
    let status = match role.to_str() {
        Some("gateway") => tow_gateway::gateway_main(rest),
        Some("static") => tow_gateway::static_main(rest),
        _ => 2,
    };
    std::process::ExitCode::from(u8::try_from(status).unwrap_or(1))
}
