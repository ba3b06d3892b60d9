//! `tow builder DIR`: the process that builds. Reads `DIR/build.json`, writes `DIR/out.tar` and then
//! `DIR/result.json`; what it says goes to its standard error, which is the build's log. Reaches neither store nor
//! blobs, so it works on whether or not a control plane is there.

use crate::archive;
use crate::detect::{self, Detected};
use crate::order::{self, BUILD, Made, OUTPUT, Order, Outcome, RESULT, TEMPORARY, WORK};
use crate::{cargo, child, tree};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tow_record::BuildTool;

/// Lower than everything that answers requests.
const NICENESS: i32 = 10;

/// Runs the role; `args` is what stands after `tow builder`: the build's folder. Returns the exit status: 0 it made
/// something, 1 it did not, 2 it was called wrongly.
pub fn builder_main(args: Vec<OsString>) -> i32 {
    let [dir] = args.as_slice() else {
        say("usage: tow builder DIR");
        return 2;
    };
    let dir = PathBuf::from(dir);
    let order: Order = match order::read(&dir, BUILD) {
        Ok(Some(order)) => order,
        Ok(None) => {
            say(&format!("there is no {BUILD} in {}", dir.display()));
            return 2;
        }
        Err(error) => {
            say(&error.to_string());
            return 2;
        }
    };
    match order::read::<Outcome>(&dir, RESULT) {
        Ok(Some(Outcome::Made(_))) => return 0,
        Ok(Some(Outcome::Failed { .. })) => return 1,
        Ok(None) | Err(_) => {}
    }
    hold_back(&order);
    let outcome = match build(&dir, &order) {
        Ok(made) => {
            say(&format!("made {} ({} KiB)", made.digest.short(), made.size.div_ceil(1024)));
            Outcome::Made(made)
        }
        Err(message) => {
            say(&format!("failed: {message}"));
            Outcome::Failed { message }
        }
    };
    // Before the result, so that whoever reads it finds nothing left to clean up.
    let _ = tree::clear(&dir.join(WORK));
    let _ = tree::clear(&dir.join(TEMPORARY));
    if let Err(error) = order::write(&dir, RESULT, &outcome) {
        say(&format!("cannot write {RESULT}: {error}"));
        return 1;
    }
    i32::from(matches!(outcome, Outcome::Failed { .. }))
}

/// One line of the log. Nobody may be listening any more; that stops no build.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Gives way to others. What the machine does not allow is left as it is: these are courtesies, not walls.
fn hold_back(order: &Order) {
    use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
    let _ = nice(NICENESS);
    for (resource, most) in [(Resource::Fsize, order.limits.work), (Resource::Core, 0)] {
        let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
}

fn build(dir: &Path, order: &Order) -> Result<Made, String> {
    let spec = &order.spec;
    let work = fresh(&dir.join(WORK))?;
    let temporary = fresh(&dir.join(TEMPORARY))?;
    let archive = File::open(&order.source)
        .map_err(|error| format!("cannot read the source {}: {error}", spec.source))?;
    say(&format!("unpacking source {}", spec.source.short()));
    archive::unpack(archive, &work, order.limits.work)?;

    let folder = within(&work, &spec.dir, "build.dir")?;
    let Detected { tool, keep, because } = detect::detect(&folder, spec);
    say(&because);
    let out = dir.join(OUTPUT);
    let pack = |items| archive::pack(items, &out, order.limits.output);
    let made = |(digest, size), entry, is_static| Made { digest, size, tool, entry, is_static };
    match tool {
        BuildTool::Cargo => {
            if let Some(output) = &spec.output {
                within(&folder, output, "build.output")?;
            }
            let programs = cargo::build(order, &work, &say)?;
            Ok(made(pack(&programs.items)?, programs.entry, false))
        }
        BuildTool::Command => {
            let command = spec.command.clone().unwrap_or_default();
            say(&format!("$ {command}"));
            let job = child::Job {
                name: "build.command",
                program: Path::new("/bin/sh"),
                args: vec!["-c".into(), command],
                folder: &folder,
                env: [("TMPDIR".to_string(), temporary.display().to_string())].into(),
                watched: vec![work.clone(), temporary.clone()],
                limit: order.limits.work,
            };
            child::run(job, None)?;
            let kept = within(&folder, &keep, "build.output")?;
            Ok(made(pack(&archive::items(&kept, "")?)?, Vec::new(), detect::is_site(&folder, spec)))
        }
        BuildTool::Static => {
            let kept = within(&folder, &keep, "build.output")?;
            let mut items = archive::items(&kept, "")?;
            items.retain(|path, _| !detect::is_for_the_platform(path));
            Ok(made(pack(&items)?, Vec::new(), true))
        }
        BuildTool::None => {
            let kept = within(&folder, &keep, "build.output")?;
            Ok(made(pack(&archive::items(&kept, "")?)?, Vec::new(), false))
        }
    }
}

fn fresh(folder: &Path) -> Result<PathBuf, String> {
    tree::clear(folder)
        .and_then(|()| std::fs::create_dir_all(folder))
        .and_then(|()| folder.canonicalize())
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))
}

/// The folder `below` in `root`, links followed, and still in it.
fn within(root: &Path, below: &str, field: &str) -> Result<PathBuf, String> {
    let inside = archive::inside(Path::new(below))
        .ok_or_else(|| format!("{field} says {below:?}: expected a path inside the source"))?;
    let full = root.join(&inside);
    match full.canonicalize() {
        Ok(full) if !full.starts_with(root) => {
            Err(format!("{field} says {below:?}, a link that leaves the source"))
        }
        Ok(full) if full.is_dir() => Ok(full),
        Ok(_) => Err(format!("{field} says {below:?}, which is not a folder")),
        Err(_) => Err(format!(
            "{field} says {below:?}: there is no such folder after unpacking and building; is it named in \
             .gitignore or .towignore?"
        )),
    }
}
