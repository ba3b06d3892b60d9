//! The hidden roles of the one binary: dispatched before the command line is parsed, so that they stay small.

use std::ffi::OsString;

/// Runs the role named by the first argument; `None` where it names none. `args` without the program's own name.
pub fn role(args: &[OsString]) -> Option<i32> {
    let rest = || args[1..].to_vec();
    match args.first()?.to_str()? {
        "shim" => Some(tow_runtime_process::shim_main(rest())),
        "shim-exec" => Some(tow_runtime_process::shim_exec_main(rest())),
        "container" => Some(tow_runtime_container::container_main(rest())),
        "gateway" => Some(tow_gateway::gateway_main(rest())),
        "static" => Some(tow_gateway::static_main(rest())),
        "builder" => Some(tow_build::builder_main(rest())),
        _ => None,
    }
}
