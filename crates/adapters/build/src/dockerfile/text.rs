//! The text of a Dockerfile, as far as it is looked at here: its instructions and their lines. What they mean is the
//! engine's; what is no instruction at all is refused before anything is built, by its line.

/// Every instruction there is.
const KNOWN: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Instruction {
    /// Where it begins, counted from 1.
    line: usize,
    /// In capitals.
    word: String,
    /// All of it, its lines joined.
    text: String,
}

/// Refuses what no engine would build, by its line.
pub(crate) fn check(file: &str, text: &str) -> Result<(), String> {
    let all = instructions(text);
    if let Some(strange) = all.iter().find(|one| !KNOWN.contains(&one.word.as_str())) {
        let near = KNOWN.iter().find(|known| is_near(known, &strange.word));
        let meant = near.map(|known| format!("; is {known} meant?")).unwrap_or_default();
        return Err(format!(
            "{file}:{}: {} is no instruction of a Dockerfile{meant}",
            strange.line, strange.word
        ));
    }
    match all.iter().find(|one| one.word != "ARG") {
        Some(first) if first.word == "FROM" => Ok(()),
        Some(first) => Err(format!(
            "{file}:{}: {} comes before FROM: a Dockerfile begins with the image it stands on",
            first.line, first.word
        )),
        None => Err(format!("{file}: there is no instruction in it: it begins with FROM")),
    }
}

/// The line of the instruction that an engine names, in whatever way it puts its words together.
pub(crate) fn line_of(text: &str, step: &str) -> Option<usize> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect()
    };
    let step = plain(step);
    if step.is_empty() {
        return None;
    }
    let all = instructions(text);
    let same = |one: &&Instruction| plain(&one.text).eq_ignore_ascii_case(&step);
    let begins = |one: &&Instruction| {
        let own = plain(&one.text);
        own.starts_with(&step) || step.starts_with(&own)
    };
    all.iter().find(same).or_else(|| all.iter().find(begins)).map(|one| one.line)
}

fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape(text);
    let mut all: Vec<Instruction> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut whole = line.to_string();
        while let Some(head) = whole.strip_suffix(escape) {
            let mut head = head.trim_end().to_string();
            // Comments between the lines of one instruction are none of it.
            let next =
                lines.by_ref().map(|(_, next)| next.trim()).find(|next| !next.starts_with('#'));
            let Some(next) = next else {
                whole = head;
                break;
            };
            head.push(' ');
            head.push_str(next);
            whole = head;
        }
        let word = whole.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        if matches!(word.as_str(), "RUN" | "COPY" | "ADD") {
            for end in ends(&whole) {
                // What is written in place is nobody's instruction.
                for (_, line) in lines.by_ref() {
                    if line.trim_start_matches('\t') == end {
                        break;
                    }
                }
            }
        }
        all.push(Instruction { line: number + 1, word, text: whole });
    }
    all
}

/// The words that end texts written in place (`RUN <<EOF`), in order.
fn ends(instruction: &str) -> Vec<String> {
    let words = instruction.split_whitespace().filter_map(|word| {
        let (_, rest) = word.split_once("<<")?;
        let end = rest.trim_start_matches('-').trim_matches(['"', '\'']);
        let plain = !end.is_empty() && end.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (plain && !rest.starts_with('<')).then(|| end.to_string())
    });
    words.collect()
}

/// What joins lines: a backslash, unless the first comments say otherwise.
fn escape(text: &str) -> char {
    let comments = text.lines().map_while(|line| line.trim().strip_prefix('#'));
    for comment in comments {
        if let Some((name, value)) = comment.split_once('=')
            && name.trim().eq_ignore_ascii_case("escape")
            && value.trim() == "`"
        {
            return '`';
        }
    }
    '\\'
}

/// One letter more, less or other.
fn is_near(known: &str, said: &str) -> bool {
    let (a, b) = (known.as_bytes(), said.as_bytes());
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let tail = |a: usize, b: usize| known.get(a..).is_some() && known.get(a..) == said.get(b..);
    tail(same + 1, same) || tail(same, same + 1) || tail(same + 1, same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\nARG V=1\nFROM base:$V AS one\n\nRUN echo a && \\\n    # between\n    echo b\n\
                        COPY <<END /x\nNOT one\nEND\ncopy --from=one /a /b\n";

    #[test]
    fn lines_are_found_by_what_an_engine_says() {
        assert_eq!(check("Dockerfile", TEXT), Ok(()));
        for (step, line) in [
            ("FROM base:$V AS one", 3),
            ("RUN echo a &&     echo b", 5),
            ("COPY --from=one /a /b", 11),
        ] {
            assert_eq!(line_of(TEXT, step), Some(line), "{step}");
        }
        assert_eq!(line_of(TEXT, "USER nobody"), None);
    }

    #[test]
    fn what_is_no_instruction_is_refused_by_its_line() {
        let of = |text: &str| check("Dockerfile", text).unwrap_err();
        let said = of("FROM a\n\nCOPYY a b\n");
        assert!(said.starts_with("Dockerfile:3: COPYY") && said.contains("COPY meant"), "{said}");
        assert!(of("RUN x\nFROM a\n").starts_with("Dockerfile:1: RUN comes before FROM"));
        assert!(of("# nothing\n").contains("no instruction"));
        assert!(of("{\"a\": 1}\n").contains("Dockerfile:1"));
    }
}
