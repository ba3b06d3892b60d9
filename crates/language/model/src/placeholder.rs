//! Score's placeholders, `${metadata.…}` and `${resources.NAME.KEY}`: finds and fills them in. Knows nothing of what
//! they mean.
//!
//! | written | means |
//! | --- | --- |
//! | `${a.b}` | the reference `a`, `b` |
//! | `${a.b\.c}` | the reference `a`, `b.c`: a backslash keeps a dot |
//! | `$$` | `$` |
//! | `$${a}` | the text `${a}` |
//! | `$`, `$abc`, `${unclosed` | themselves |
//! | `${}` | an error, as is any reference with an empty part |

use std::ops::Range;

/// A piece of a text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Stands for itself; `$$` is already `$`.
    Text(String),
    /// The parts of a reference, at least one, none empty.
    Reference(Vec<String>),
}

/// A placeholder that can't be read, or can't be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlaceholderError {
    /// Where the placeholder begins: bytes from the start of the text.
    pub offset: usize,
    /// What is wrong with it.
    pub message: String,
}

/// A placeholder in a text: where it is (in bytes, with `${` and `}`) and what it refers to.
pub type Found = (Range<usize>, Result<Vec<String>, PlaceholderError>);

enum Piece<'a> {
    Text(&'a str),
    Placeholder(Range<usize>, &'a str),
}

/// Cuts the text at its dollars. Each byte is looked at a bounded number of times, whatever the text: a closing brace
/// is only searched for where one is known to follow.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let last_close = text.rfind('}').unwrap_or(0);
    let mut pieces = Vec::new();
    let mut done = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        let rest = &text[dollar..];
        let close = |from: usize| {
            (from <= last_close).then(|| text[from..].find('}')).flatten().map(|i| from + i)
        };
        let literal = if rest.starts_with("$${") && close(dollar + 3).is_some() {
            // `$${x}`: the first dollar goes, the rest stays as it is.
            close(dollar + 3).map(|end| (dollar + 1, end + 1))
        } else if rest.starts_with("$$") {
            Some((dollar + 1, dollar + 2))
        } else {
            None
        };
        if let Some((from, to)) = literal {
            pieces.push(Piece::Text(&text[done..dollar]));
            pieces.push(Piece::Text(&text[from..to]));
            (done, at) = (to, to);
        } else if let Some(end) = rest.starts_with("${").then(|| close(dollar + 2)).flatten() {
            pieces.push(Piece::Text(&text[done..dollar]));
            pieces.push(Piece::Placeholder(dollar..end + 1, &text[dollar + 2..end]));
            (done, at) = (end + 1, end + 1);
        } else {
            at = dollar + 1;
        }
    }
    pieces.push(Piece::Text(&text[done..]));
    pieces
}

fn split(offset: usize, inner: &str) -> Result<Vec<String>, PlaceholderError> {
    let error = |message: String| Err(PlaceholderError { offset, message });
    if inner.is_empty() {
        return error("the placeholder ${} is empty".into());
    }
    let mut parts = vec![String::new()];
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '.' => parts.push(String::new()),
            '\\' if chars.peek() == Some(&'.') => {
                chars.next();
                push(&mut parts, '.');
            }
            c => push(&mut parts, c),
        }
    }
    if parts.iter().any(String::is_empty) {
        return error(format!("the placeholder ${{{inner}}} has an empty part"));
    }
    Ok(parts)
}

fn push(parts: &mut [String], c: char) {
    if let Some(last) = parts.last_mut() {
        last.push(c);
    }
}

/// Cuts a text into what stands for itself and what refers to something. Neighbouring texts are one part; an empty
/// text has no part. Fails at the first placeholder that can't be read.
pub fn parse(text: &str) -> Result<Vec<Part>, PlaceholderError> {
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text("") => {}
            Piece::Text(piece) => match parts.last_mut() {
                Some(Part::Text(text)) => text.push_str(piece),
                _ => parts.push(Part::Text(piece.to_string())),
            },
            Piece::Placeholder(range, inner) => {
                parts.push(Part::Reference(split(range.start, inner)?));
            }
        }
    }
    Ok(parts)
}

/// Every placeholder of a text, in order, those that can't be read too.
pub fn find(text: &str) -> Vec<Found> {
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Placeholder(range, inner) => Some((range.clone(), split(range.start, inner))),
            Piece::Text(_) => None,
        })
        .collect()
}

/// Fills in every placeholder with what `resolve` says. What comes in is not looked at again: a value that looks like
/// a placeholder stays as it is. Fails at the first placeholder that can't be read or that `resolve` refuses.
pub fn expand(
    text: &str,
    resolve: &mut dyn FnMut(&[String]) -> Result<String, String>,
) -> Result<String, PlaceholderError> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(piece) => out.push_str(piece),
            Piece::Placeholder(range, inner) => {
                let parts = split(range.start, inner)?;
                let value = resolve(&parts)
                    .map_err(|message| PlaceholderError { offset: range.start, message })?;
                out.push_str(&value);
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, PlaceholderError> {
        expand(text, &mut |parts| match parts {
            [a, rest @ ..] if a == "metadata" || a == "resources" => {
                Ok(format!("<{}>", rest.join("|")))
            }
            [a, ..] => Err(format!("unknown root {a}")),
            [] => Err("nothing".into()),
        })
    }

    #[test]
    fn dollars_mean_what_score_says() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("$", "$"),
            ("$abc", "$abc"),
            ("abc $$ abc", "abc $ abc"),
            ("$$", "$"),
            ("$$$", "$$"),
            ("$$$$", "$$"),
            ("$${abc}", "${abc}"),
            ("$$$${abc}", "$${abc}"),
            ("$$${metadata.a}", "$<a>"),
            ("$$$$${metadata.a}", "$$<a>"),
            ("${metadata.a}", "<a>"),
            ("a${metadata.a}b${resources.db.host}c", "a<a>b<db|host>c"),
            ("${resources.vol}", "<vol>"),
            ("${unclosed", "${unclosed"),
            ("$${unclosed", "${unclosed"),
            ("${metadata.a} ${unclosed", "<a> ${unclosed"),
            (r"${metadata.annotations.key\.com/x}", "<annotations|key.com/x>"),
            (r"${metadata.a\b}", r"<a\b>"),
            ("é${metadata.ü}é", "é<ü>é"),
            ("$$}", "$}"),
            ("}${metadata.a}{", "}<a>{"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refused_placeholders_say_where() {
        for (text, offset) in [
            ("${}", 0),
            ("ab ${} cd", 3),
            ("$${a} ${}", 6),
            ("${metadata.}", 0),
            ("é${.a}", 2),
            ("${resources..x}", 0),
            ("x${other.x}", 1),
            ("${metadata.a}${ }", 13),
        ] {
            assert_eq!(filled(text).map_err(|e| e.offset), Err(offset), "{text}");
        }
    }

    #[test]
    fn what_is_filled_in_is_not_looked_at_again() {
        let out = expand("${metadata.a}", &mut |_| Ok("${metadata.b} $$".into()));
        assert_eq!(out.as_deref(), Ok("${metadata.b} $$"));
    }

    #[test]
    fn parts_are_joined_and_references_split() {
        assert_eq!(
            parse("a$$b${resources.db.host}"),
            Ok(vec![
                Part::Text("a$b".into()),
                Part::Reference(vec!["resources".into(), "db".into(), "host".into()]),
            ])
        );
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn many_open_braces_take_linear_time() {
        // Quadratic work would take minutes here.
        for unit in ["${", "$${", "$", "$$", "${}"] {
            let text = unit.repeat(300_000);
            let _ = find(&text);
            let _ = find(&format!("}}{text}"));
        }
    }
}
