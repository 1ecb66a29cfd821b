use std::fmt;

use hyper::header::CONTENT_TYPE;
use serde::Deserialize;

use super::exchange::Response;

/// What a server says of an error (RFC 9457). Made by the other side: for
/// humans to read, with control characters taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// A URI that names the kind, or nothing.
    pub kind: String,
    /// The kind in words, or nothing.
    pub title: String,
    /// What was wrong this time, and hopefully how to mend it.
    pub detail: String,
}

/// Longest text kept, characters.
const MAX_TEXT: usize = 300;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Json {
    r#type: Option<String>,
    title: Option<String>,
    detail: Option<String>,
}

impl Problem {
    /// Reads the body of `response`: problem+json, else a short text as the detail.
    pub(super) fn of(response: &Response) -> Self {
        let content_type = response.header(CONTENT_TYPE).unwrap_or_default();
        if is_type(content_type, "application/problem+json")
            || is_type(content_type, "application/json")
        {
            let json: Json = serde_json::from_slice(&response.body).unwrap_or_default();
            return Self {
                kind: clean(&json.r#type.unwrap_or_default()),
                title: clean(&json.title.unwrap_or_default()),
                detail: clean(&json.detail.unwrap_or_default()),
            };
        }
        let detail = if is_type(content_type, "text/plain") {
            clean(&String::from_utf8_lossy(&response.body))
        } else {
            String::new()
        };
        Self {
            detail,
            ..Self::default()
        }
    }

    /// Whether the last part of the kind's URI is `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.kind.rsplit(['/', ':', '#']).next() == Some(name)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.title.as_str(), self.detail.as_str()) {
            ("", "") => f.write_str("no detail given"),
            (title, "") => f.write_str(title),
            (_, detail) => f.write_str(detail),
        }
    }
}

/// Whether a content type is `wanted`, whatever its parameters.
pub(super) fn is_type(content_type: &str, wanted: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(wanted)
}

fn clean(text: &str) -> String {
    let spaced = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    spaced.take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, StatusCode};

    use super::*;

    fn problem(content_type: &'static str, body: &str) -> Problem {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Problem::of(&Response {
            status: StatusCode::CONFLICT,
            headers,
            body: body.as_bytes().to_vec(),
        })
    }

    #[test]
    fn the_detail_is_read() {
        let p = problem(
            "application/problem+json; charset=utf-8",
            r#"{"type":"urn:transom:taken-over","title":"Taken over","status":409,"detail":"another\r\npublisher"}"#,
        );
        assert!(p.is("taken-over") && !p.is("over"));
        assert_eq!(p.to_string(), "another  publisher");
    }

    #[test]
    fn other_bodies_are_survived() {
        let json = "application/problem+json";
        for body in [
            "",
            "[]",
            "nonsense",
            r#"{"detail":7}"#,
            "\u{0}",
            &"[".repeat(60_000),
        ] {
            assert_eq!(problem(json, body), Problem::default());
        }
        assert_eq!(problem(json, r#"{"title":"T"}"#).to_string(), "T");
        assert_eq!(
            problem("text/plain", "bad \u{1b}[31mSDP\n").to_string(),
            "bad  [31mSDP"
        );
        assert_eq!(problem("text/html", "<p>"), Problem::default());
        let long = problem("text/plain", &"x".repeat(60_000));
        assert_eq!(long.detail.len(), MAX_TEXT);
    }
}
