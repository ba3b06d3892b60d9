//! Which of the lines that failed instances said are kept with an operation: the last ones, but for what every probe makes
//! them say. No IO: lines in, lines out.

use tow_record::Release;

/// A line is kept as far as so many characters.
const LONGEST: usize = 2_000;
/// Of the lines that answer probes so many are kept: they show that it was asked, and when last.
const PROBES: usize = 3;

/// What one of them said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who, such as `web/0 main`.
    pub who: String,
    /// Its last lines, the oldest first.
    pub lines: Vec<String>,
}

/// The paths by which a workload's container is asked how it is. A path that everybody asks for tells nothing apart.
pub fn probed(release: &Release, workload: &str, container: &str) -> Vec<String> {
    let file = release.workloads.get(workload);
    let Some(this) = file.and_then(|file| file.score.containers.get(container)) else {
        return Vec::new();
    };
    let probes = this.readiness_probe.iter().chain(&this.liveness_probe);
    let paths = probes.filter_map(|probe| Some(probe.http_get.as_ref()?.path.clone()));
    paths.filter(|path| path != "/").collect()
}

/// The last of these lines, without most of those that are answers to probes.
pub fn without_probes(lines: Vec<String>, paths: &[String], most: usize) -> Vec<String> {
    let mut probes = 0;
    let mut kept: Vec<String> = Vec::new();
    for line in lines.into_iter().rev() {
        if kept.len() >= most {
            break;
        }
        if answers_probe(&line, paths) {
            probes += 1;
            if probes > PROBES {
                continue;
            }
        }
        kept.push(cut(line));
    }
    kept.reverse();
    kept
}

/// All of them together, at most so many lines: each has its share, and where there are several each line says whose it is.
pub fn together(all: Vec<Said>, most: usize) -> Vec<String> {
    let all: Vec<Said> = all.into_iter().filter(|one| !one.lines.is_empty()).collect();
    let share = most / all.len().max(1);
    let several = all.len() > 1;
    let mut out = Vec::new();
    for one in all {
        let skip = one.lines.len().saturating_sub(share);
        for line in one.lines.into_iter().skip(skip) {
            out.push(if several { format!("{}: {line}", one.who) } else { line });
        }
    }
    out
}

/// Does a line say that this path was asked for? Whatever else mentions it is no answer.
fn answers_probe(line: &str, paths: &[String]) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || "/-_.%".contains(c)));
    line.contains("GET")
        && paths.iter().any(|path| {
            line.match_indices(path.as_str()).any(|(at, _)| {
                ends(line[..at].chars().next_back()) && ends(line[at + path.len()..].chars().next())
            })
        })
}

fn cut(line: String) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(all: &[&str]) -> Vec<String> {
        all.iter().map(|line| (*line).to_string()).collect()
    }

    #[test]
    fn answers_to_probes_push_nothing_out() {
        let paths = lines(&["/healthz"]);
        let probe = r#"127.0.0.1 - - "GET /healthz HTTP/1.1" 200 -"#;
        let mut said = vec!["starting".to_string(), "GET / 500".into()];
        said.extend(vec![probe.to_string(); 400]);
        said.push("GET /healthz-of-others 200".into());
        said.push("cannot reach /healthz of the post office".into());
        let kept = without_probes(said, &paths, 100);
        assert_eq!(
            kept,
            lines(&[
                "starting",
                "GET / 500",
                probe,
                probe,
                probe,
                "GET /healthz-of-others 200",
                "cannot reach /healthz of the post office"
            ])
        );
        let many: Vec<String> = (0..200).map(|n| n.to_string()).collect();
        assert_eq!(without_probes(many.clone(), &[], 100), many[100..]);
        assert_eq!(cut("ü".repeat(3_000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn of_several_each_says_whose_line_it_is_and_has_its_share() {
        let said = |who: &str, all: &[&str]| Said { who: who.into(), lines: lines(all) };
        let one = said("web/0 main", &["a", "b", "c"]);
        let other = said("web/1 main", &["d"]);
        let mute = said("web/2 main", &[]);
        assert_eq!(together(vec![one.clone(), mute.clone()], 2), ["b", "c"]);
        assert_eq!(
            together(vec![one, mute, other], 4),
            ["web/0 main: b", "web/0 main: c", "web/1 main: d"]
        );
    }
}
