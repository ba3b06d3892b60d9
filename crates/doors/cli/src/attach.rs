//! The files that a document asks for by `$text`, `$json` and `$yaml`, read on the user's machine and sent along. Reads
//! nothing above the repository or folder that the document is in, not by `..` and not through a link.

use crate::failure::{Failure, Verdict};
use base64::Engine as _;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use tow_api::object::apply::Document;
use tow_formats::{Files, MAX_BYTES, references};
use tow_record::{Problem, Violation};

/// A document can't be sent with all that it asks for.
const UNREAD: &str = "substitution/unread";

/// The document with the files it asks for; refused, with their lines, where one can't be read.
pub(crate) fn whole(mut document: Document, path: &Path, within: &Path) -> Verdict<Document> {
    let files = files(&document.name, &document.text, path, within);
    if files.values().any(Result::is_err) {
        let read = tow_formats::read_with(&document.name, &document.text, &files);
        let violations = read.err().unwrap_or_default();
        let detail = format!("{} asks for files that can't be sent along", document.name);
        let mut problem = Problem::refusal(UNREAD, detail);
        problem.violations = violations;
        return Err(Failure::Problem(Box::new(problem)));
    }
    let read = |(path, text): (String, Result<String, String>)| Some((path, text.ok()?));
    document.attachments = files.into_iter().filter_map(read).collect();
    Ok(document)
}

/// Sends along the files that a Score file takes from beside it. One that can't be read is left out: the platform says
/// which, with its line.
pub(crate) fn beside(document: &mut Document, sources: &[String], path: &Path, within: &Path) {
    let Ok(root) = root(within) else { return };
    for target in sources {
        match bytes(&root, path, target).map(String::from_utf8) {
            Ok(Ok(text)) => drop(document.attachments.insert(target.clone(), text)),
            Ok(Err(binary)) => {
                let text = base64::engine::general_purpose::STANDARD.encode(binary.as_bytes());
                document.binaries.insert(target.clone(), text);
            }
            Err(_) => {}
        }
    }
}

/// A document; what is wrong with it is set aside where that is known by its lines, so that others are looked at too.
pub(crate) fn set_aside(
    read: Verdict<Document>,
    wrong: &mut Vec<Violation>,
) -> Verdict<Option<Document>> {
    match read {
        Err(Failure::Problem(problem))
            if problem.code == UNREAD && !problem.violations.is_empty() =>
        {
            wrong.extend(problem.violations);
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// What a text asks for, and what is in it or why it can't be read. `within` is the folder that the user named, or that
/// of the file; where it is part of a git repository, all of the repository may be read.
pub(crate) fn files(name: &str, text: &str, path: &Path, within: &Path) -> Files {
    let wanted = references(name, text);
    if wanted.is_empty() {
        return Files::new();
    }
    let root = root(within);
    let mut files = Files::new();
    // A URL is left out: what it names is not fetched, and reading says so.
    for wanted in wanted.into_iter().filter(|wanted| !wanted.is_url()) {
        let content = match &root {
            Ok(root) => content(root, path, &wanted.target),
            Err(why) => Err(why.clone()),
        };
        files.insert(wanted.target, content);
    }
    files
}

/// The repository that a folder is in, or else the folder.
fn root(within: &Path) -> Result<PathBuf, String> {
    let within = if within.as_os_str().is_empty() { Path::new(".") } else { within };
    let within = within.canonicalize().map_err(|error| why(&error))?;
    let repository = within.ancestors().find(|folder| folder.join(".git").exists());
    Ok(repository.map_or_else(|| within.clone(), Path::to_path_buf))
}

fn content(root: &Path, asking: &Path, target: &str) -> Result<String, String> {
    String::from_utf8(bytes(root, asking, target)?).map_err(|error| {
        format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to())
    })
}

fn bytes(root: &Path, asking: &Path, target: &str) -> Result<Vec<u8>, String> {
    let folder = asking.parent().unwrap_or(Path::new(""));
    let path = folder.join(target).canonicalize().map_err(|error| why(&error))?;
    if !path.starts_with(root) {
        return Err(format!("it is outside {}", root.display()));
    }
    let meta = path.metadata().map_err(|error| why(&error))?;
    if !meta.is_file() {
        return Err("it is not a file".into());
    }
    let mut bytes = Vec::new();
    // One byte more than allowed, so that too much is noticed and no more is read.
    let file = std::fs::File::open(&path).map_err(|error| why(&error))?;
    let most = MAX_BYTES as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(|error| why(&error))?;
    if bytes.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes (1 MiB)"));
    }
    Ok(bytes)
}

fn why(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "it is not there".into(),
        ErrorKind::PermissionDenied => "it may not be read by this user".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: a}\nspec: {type: openapi, lifecycle: p, owner: o, definition: {$text: TARGET}}\n";

    fn read(target: &str, repository: bool) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let shop = dir.path().join("shop");
        std::fs::create_dir_all(shop.join("apis")).unwrap();
        std::fs::write(dir.path().join("secret"), "secret").unwrap();
        std::fs::write(shop.join("a.json"), "{}").unwrap();
        std::fs::write(shop.join("apis/b.json"), "[]").unwrap();
        std::fs::write(shop.join("large"), vec![b'x'; MAX_BYTES + 1]).unwrap();
        std::fs::write(shop.join("binary"), [0xff]).unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), shop.join("apis/link")).unwrap();
        if repository {
            std::fs::create_dir(shop.join(".git")).unwrap();
        }
        let path = shop.join("apis/api.yaml");
        let text = TEXT.replace("TARGET", target);
        files("api.yaml", &text, &path, &shop.join("apis")).remove(target).unwrap()
    }

    #[test]
    fn only_what_is_below_the_repository_or_the_folder_is_read() {
        assert_eq!(read("./b.json", false).as_deref(), Ok("[]"));
        assert!(read("../a.json", false).unwrap_err().contains("outside"));
        assert_eq!(read("../a.json", true).as_deref(), Ok("{}"));
        for (target, words) in [
            ("../../secret", "outside"),
            ("link", "outside"),
            ("nothing", "not there"),
            ("../apis", "not a file"),
            ("../large", "more than"),
            ("../binary", "UTF-8"),
        ] {
            let why = read(target, true).unwrap_err();
            assert!(why.contains(words), "{target}: {why}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.yaml");
        let document = Document::new("api.yaml", TEXT.replace("TARGET", "./gone"));
        let Err(Failure::Problem(problem)) = whole(document, &path, dir.path()) else {
            panic!("it was not refused")
        };
        let source = problem.violations[0].source.as_ref().unwrap();
        assert_eq!((source.line, problem.violations.len()), (4, 1));
        assert_eq!(Failure::Problem(problem).exit(), crate::Exit::Invalid);
    }
}
