//! The crate's own test driver: the two hidden roles of `tow` that live here, and nothing else.

fn main() {
    let mut args = std::env::args_os().skip(1);
    let role = args.next().unwrap_or_default();
    let status = match role.to_str() {
        Some("shim") => tow_runtime_process::shim_main(args.collect()),
        Some("shim-exec") => tow_runtime_process::shim_exec_main(args.collect()),
        _ => 2,
    };
    std::process::exit(status);
}
