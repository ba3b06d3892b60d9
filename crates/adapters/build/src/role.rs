//! `tow builder DIR`: the process that builds. Reads `DIR/build.json`, writes `DIR/out.tar` and then
//! `DIR/result.json`; what it says goes to its standard error, which is the build's log. Reaches neither store nor
//! blobs, so it works on whether or not a control plane is there.

use crate::detect::{self, Detected};
use crate::order::{self, BUILD, Made, OUTPUT, Order, Outcome, RESULT, SECRETS, TEMPORARY, WORK};
use crate::secret::Secrets;
use crate::sight::{self, Sight};
use crate::slot::Slot;
use crate::yard::{Yard, within};
use crate::{alone, archive, dockerfile, environment, toolchain, tools, tree};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tow_record::BuildTool;

/// As low as there is: on a machine that has nothing else to do a build is as quick as any.
const NICENESS: i32 = 19;
/// The same for the whole session, where the kernel shares processors between sessions first.
const SESSION_NICENESS: i32 = 19;

/// Ended by SIGTERM.
const ENDED: i32 = 143;

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
    let secrets = match secrets(&dir) {
        Ok(secrets) => secrets,
        Err(message) => {
            say(&message);
            return 2;
        }
    };
    let say = |text: &str| say(&secrets.strike(text));
    hold_back(&order);
    let outcome = match build(&dir, &order, &secrets, &say) {
        // The shim says why it was ended.
        Ok(None) => {
            for name in [WORK, TEMPORARY, SECRETS] {
                let _ = tree::clear(&dir.join(name));
            }
            return ENDED;
        }
        Ok(Some(made)) => {
            say(&format!("made {} ({} KiB)", made.digest.short(), made.size.div_ceil(1024)));
            Outcome::Made(made)
        }
        Err(message) => {
            say(&format!("failed: {message}"));
            Outcome::Failed { message: secrets.strike(&message) }
        }
    };
    // Before the result, so that whoever reads it finds nothing left to clean up.
    for name in [WORK, TEMPORARY, SECRETS] {
        let _ = tree::clear(&dir.join(name));
    }
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

/// What the instance was given, written into files beside the source.
fn secrets(dir: &Path) -> Result<Secrets, String> {
    let secrets = Secrets::parse(environment::own().get(environment::SECRETS).map(String::as_str))?;
    if !secrets.is_empty() {
        tree::clear(&dir.join(SECRETS))
            .and_then(|()| secrets.write(&dir.join(SECRETS)))
            .map_err(|error| format!("cannot write the build's secrets: {error}"))?;
    }
    Ok(secrets)
}

/// Gives way to others. What the machine does not allow is left as it is: these are courtesies, not walls.
fn hold_back(order: &Order) {
    use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
    let _ = nice(NICENESS);
    let _ = std::fs::write("/proc/self/autogroup", SESSION_NICENESS.to_string());
    for (resource, most) in [(Resource::Fsize, order.limits.work), (Resource::Core, 0)] {
        let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
}

/// None: it was told to end.
fn build(
    dir: &Path,
    order: &Order,
    secrets: &Secrets,
    say: &dyn Fn(&str),
) -> Result<Option<Made>, String> {
    let spec = &order.spec;
    let work = fresh(&dir.join(WORK))?;
    let temporary = fresh(&dir.join(TEMPORARY))?;
    let archive = File::open(&order.source)
        .map_err(|error| format!("cannot read the source {}: {error}", spec.source))?;
    say(&format!("unpacking source {}", spec.source.short()));
    archive::unpack(archive, &work, order.limits.work, &|path| sight::counts(spec, path))?;
    let folder = within(&work, &spec.dir, "build.dir")?;
    let sight = Sight::of_folder(&folder)?;
    let Detected { tool, keep, because, notes, .. } = detect::detect(&sight, spec)?;
    say(&because);
    for note in notes {
        say(&note);
    }
    let machine = environment::own();
    let toolchain = toolchain::version(tool, &sight, &machine)?;
    if !toolchain.is_empty() {
        say(&format!("with {toolchain}"));
    }

    let slot = Slot::take(order, say)?;
    let mut env = environment::for_tools(&machine, &slot.home(), &temporary)?;
    if !secrets.is_empty() {
        env.insert("TOW_SECRETS".into(), dir.join(SECRETS).display().to_string());
        env.extend(secrets.values().clone());
    }
    let wrapper = if spec.offline && tool != BuildTool::Dockerfile {
        alone::wrapper(&machine)?
    } else {
        Vec::new()
    };
    // What compiles is built where it was built before, so that only what changed is built.
    let root = match tool {
        BuildTool::Command | BuildTool::Static | BuildTool::None => work.clone(),
        _ => {
            let source = slot.source();
            tree::mirror(&work, &source, tools::keeps(tool))
                .map_err(|error| format!("cannot use {}: {error}", source.display()))?;
            source.canonicalize().map_err(|error| format!("lost {}: {error}", source.display()))?
        }
    };
    if tool == BuildTool::Dockerfile {
        let folder = within(&root, &spec.dir, "build.dir")?;
        return dockerfile::build(&dockerfile::Site {
            dir,
            order,
            slot: &slot,
            folder: &folder,
            temporary: &temporary,
            sight: &sight,
            secrets,
            say,
        });
    }
    let yard = Yard {
        order,
        slot: &slot,
        folder: within(&root, &spec.dir, "build.dir")?,
        root,
        sight,
        machine: &machine,
        env,
        temporary,
        wrapper,
        secrets,
        say,
    };
    let made = tools::build(tool, &keep, &yard)?;
    secrets.absent_from(&made.items)?;
    let (digest, size) = archive::pack(&made.items, &dir.join(OUTPUT), order.limits.output)?;
    Ok(Some(Made {
        digest,
        size,
        tool,
        entry: made.entry,
        is_static: made.is_static,
        image: None,
        toolchain,
    }))
}

fn fresh(folder: &Path) -> Result<PathBuf, String> {
    tree::clear(folder)
        .and_then(|()| std::fs::create_dir_all(folder))
        .and_then(|()| folder.canonicalize())
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))
}
