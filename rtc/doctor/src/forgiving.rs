//! A TOML file read past its mistakes.

use std::ops::Range;

use serde::de::DeserializeOwned;

/// What could be understood, and every mistake.
#[derive(Clone, Debug)]
pub struct Forgiven<T> {
    /// The file without its mistakes; `None` where it is not TOML at all.
    pub value: Option<T>,
    /// In the order in which they were found.
    pub mistakes: Vec<Mistake>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it, on one line. It quotes no value.
    pub message: String,
}

/// A file with more is another file.
const MAX_MISTAKES: usize = 32;

/// Reads `text` as a `T`: what is not understood is noted, taken out, and the
/// rest read again. Text that is not TOML has one mistake, the first: what
/// follows it cannot be told from it.
pub fn parse<T: DeserializeOwned>(text: &str) -> Forgiven<T> {
    let mut rest = text.to_owned();
    let mut mistakes = Vec::new();
    while mistakes.len() < MAX_MISTAKES {
        let error = match toml::from_str(&rest) {
            Ok(value) => {
                return Forgiven {
                    value: Some(value),
                    mistakes,
                };
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        mistakes.push(Mistake {
            line: line_of(text, span.start),
            // The full text of the error would quote the line, and a line may
            // hold a token.
            message: error.message().replace('\n', ", "),
        });
        let is_toml = toml::from_str::<toml::Table>(&rest).is_ok();
        if !is_toml || error.span().is_none() || !blank(&mut rest, span) {
            break;
        }
    }
    Forgiven {
        value: None,
        mistakes,
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

/// Takes the lines of `span` out, and with a table's header its contents:
/// they would be read as the former table's. Lines keep their numbers. False
/// where nothing was there to take, or what is left is not TOML.
fn blank(text: &mut String, span: Range<usize>) -> bool {
    let begin = text
        .get(..span.start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let end_of_line = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.find('\n').map_or(text.len(), |at| from + at)
    };
    let is_header = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.trim_start_matches([' ', '\t']).starts_with('[')
    };
    let mut end = end_of_line(span.end.max(begin));
    if is_header(begin) {
        while end < text.len() && !is_header(end + 1) {
            end = end_of_line(end + 1);
        }
    }
    let Some(lines) = text.get(begin..end) else {
        return false;
    };
    if lines.trim().is_empty() {
        return false;
    }
    let kept = "\n".repeat(lines.matches('\n').count());
    // Spaces keep the places of what follows, so that spans stay those of the file.
    let padded = " ".repeat(lines.len() - kept.len()) + &kept;
    text.replace_range(begin..end, &padded);
    toml::from_str::<toml::Table>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct File {
        port: Option<u16>,
        name: Option<String>,
        video: Video,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Video {
        fps: Option<u32>,
    }

    fn lines(forgiven: &Forgiven<File>) -> Vec<usize> {
        forgiven.mistakes.iter().map(|m| m.line).collect()
    }

    #[test]
    fn every_mistake_is_told_and_the_rest_understood() {
        let forgiven = parse::<File>(
            "prot = 1\nport = 70000\nname = \"x\"\n[vidoe]\nfps = 3\n\n[video]\nfps = \"many\"\nfsp = 2\n",
        );
        let mut told = lines(&forgiven);
        told.sort_unstable();
        assert_eq!(told, [1, 2, 4, 8, 9]);
        let value = forgiven.value.expect("the rest");
        assert_eq!(value.name.as_deref(), Some("x"));
        assert_eq!((value.port, value.video.fps), (None, None));
    }

    #[test]
    fn a_good_file_has_none() {
        let forgiven = parse::<File>("port = 1\n[video]\nfps = 30\n");
        assert!(forgiven.mistakes.is_empty());
        assert_eq!(forgiven.value.and_then(|v| v.video.fps), Some(30));
    }

    #[test]
    fn what_is_not_toml_has_one() {
        let forgiven = parse::<File>("port = 1\nname = \"x\nprot = 2\n");
        assert_eq!(lines(&forgiven), [2]);
        assert!(forgiven.value.is_none());
    }

    #[test]
    fn values_of_many_lines_go_whole() {
        let forgiven = parse::<File>("nmae = [\n  1,\n  2,\n]\nport = 5\n");
        assert_eq!(lines(&forgiven), [1]);
    }

    #[test]
    fn there_is_an_end() {
        let many = (0..200).fold(String::new(), |t, i| t + &format!("k{i} = 1\n"));
        let forgiven = parse::<File>(&many);
        assert_eq!(forgiven.mistakes.len(), MAX_MISTAKES);
    }
}
