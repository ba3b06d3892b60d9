//! This crate's verbs alone, for trying them without the rest of the binary.

fn main() -> std::process::ExitCode {
    let command = tow_cli::command();
    let args = tow_cli::spell_out(&command, std::env::args_os());
    let code = match command.try_get_matches_from(args) {
        Ok(matches) => tow_cli::run(&matches),
        Err(error) => {
            let _ = error.print();
            error.exit_code()
        }
    };
    std::process::ExitCode::from(u8::try_from(code).unwrap_or(1))
}
