//! The ready line: where everything is, once everything answers.

use crate::Global;
use tow_client::PlatformFile;

/// Says how the platform is reached. Under `-o json` one line, under `-o yaml` a document `{url, gateway, https, data, sign_in, pid}` on stdout.
pub(crate) fn say(file: &PlatformFile, fresh: bool, global: &Global) {
    if global.for_programs() {
        let line = serde_json::json!({
            "url": file.url, "gateway": file.gateway, "https": file.https, "data": file.data,
            "sign_in": file.sign_in, "pid": file.pid,
        });
        if global.yaml {
            global.print(&line);
        } else {
            anstream::println!("{line}");
        }
        return;
    }
    let word = if fresh { "ready" } else { "already running" };
    anstream::println!("Towpath is {word}");
    anstream::println!("  portal and API  {}", file.url);
    anstream::println!("  gateway         {}", file.gateway);
    if let Some(https) = &file.https {
        anstream::println!("                  {https}");
    }
    anstream::println!("  data            {}", file.data);
    if let Some(link) = &file.sign_in {
        anstream::println!("  sign in once    {link}");
    }
    if fresh {
        anstream::println!(
            "\nCtrl-C stops the platform and its workloads. In another terminal: tow status"
        );
    }
}
