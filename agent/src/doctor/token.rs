use serde::Deserialize;
use transom_rtc_doctor::Finding;
use transom_rtc_tokio::client::{Endpoint, Probed, Url};

use super::udp::block_on;

/// Where the token may publish, and so where a trial may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// On every stream: the trial has one of its own.
    Everywhere,
    /// On some: the trial is made on the configured one.
    Here,
}

/// What `/api/token` of transom-sfu says.
#[derive(Deserialize)]
struct Told {
    name: String,
    scopes: Vec<String>,
    streams: Vec<String>,
}

const MEND: &str = "set TRANSOM_TOKEN, or `token` in transom-agent.toml, to what `transom-sfu link` prints for the agent";

/// Whether the token is known to the server and good for publishing. `None`
/// where a trial makes no sense, or might disturb who publishes there.
pub(super) fn examine(endpoint: &Endpoint, given: bool) -> (Finding, Option<Ground>) {
    match block_on(endpoint.probe("/api/token")) {
        Ok(probed) => judge(&probed, endpoint.url(), given),
        Err(error) => (
            Finding::fail(
                error.to_string(),
                "see whether the server runs, and try again",
            ),
            None,
        ),
    }
}

fn judge(probed: &Probed, url: &Url, given: bool) -> (Finding, Option<Ground>) {
    let finding = match probed.status {
        200 => match serde_json::from_slice::<Told>(&probed.body) {
            Ok(told) => return permits(&told, stream_of(url)),
            Err(_) => Finding::skipped("what the server says of tokens is not understood"),
        },
        401 if probed.token_withheld => Finding::fail(
            "the token was not sent: the server redirects to another origin",
            "write the address that it redirects to into `whip`",
        ),
        401 if !given => Finding::fail("no token is set, and the server wants one", MEND),
        401 => Finding::fail("the server does not know this token", MEND),
        404 | 405 => Finding::skipped(
            "this server does not tell what a token is good for; publishing will show",
        ),
        status => Finding::skipped(format!(
            "the server answers {status} when asked for the token"
        )),
    };
    (finding, None)
}

fn permits(told: &Told, stream: &str) -> (Finding, Option<Ground>) {
    let (name, scopes) = (&told.name, told.scopes.join(", "));
    if !told.scopes.iter().any(|scope| scope == "publish") {
        return (
            Finding::fail(
                format!("the token `{name}` may {scopes}, but not publish"),
                MEND,
            ),
            None,
        );
    }
    let everywhere = told.streams.iter().any(|pattern| pattern == "*");
    let streams = told.streams.join(", ");
    let found = match everywhere {
        true => format!("the token `{name}` may publish every stream"),
        false => format!("the token `{name}` may publish {streams}"),
    };
    // A pattern may mean it all the same: the trial tells.
    let named = everywhere || told.streams.iter().any(|p| p.contains('*') || p == stream);
    match (named, everywhere) {
        (false, _) => (
            Finding::fail(
                format!("{found}, and not `{stream}`"),
                format!(
                    "publish one of those, or add \"{stream}\" to the token's `streams` in transom-sfu.toml"
                ),
            ),
            None,
        ),
        (true, true) => (Finding::ok(found), Some(Ground::Everywhere)),
        (true, false) => (Finding::ok(found), Some(Ground::Here)),
    }
}

/// The last part of the path.
fn stream_of(url: &Url) -> &str {
    let path = url.target().split('?').next().unwrap_or_default();
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    fn judged(status: u16, body: &str, given: bool) -> (Finding, Option<Ground>) {
        let url = "http://a/whip/door?x".parse().expect("a URL");
        let probed = Probed {
            status,
            date: None,
            body: body.into(),
            token_withheld: false,
        };
        judge(&probed, &url, given)
    }

    fn told(scopes: &str, streams: &str) -> (Finding, Option<Ground>) {
        let body = format!(r#"{{"name":"n","scopes":[{scopes}],"streams":[{streams}],"more":1}}"#);
        judged(200, &body, true)
    }

    #[test]
    fn what_a_token_permits_is_told() {
        let (finding, ground) = told(r#""publish""#, r#""*""#);
        assert_eq!(
            (finding.verdict, ground),
            (Verdict::Ok, Some(Ground::Everywhere))
        );
        let (finding, ground) = told(r#""watch","publish""#, r#""door""#);
        assert_eq!((finding.verdict, ground), (Verdict::Ok, Some(Ground::Here)));
        let (finding, ground) = told(r#""watch""#, r#""*""#);
        assert_eq!((finding.verdict, ground), (Verdict::Fail, None));
        assert!(finding.found.contains("not publish"));
        let (finding, ground) = told(r#""publish""#, r#""garage""#);
        assert_eq!((finding.verdict, ground), (Verdict::Fail, None));
        assert!(finding.mend.is_some_and(|m| m.contains("\"door\"")));
    }

    #[test]
    fn refusals_are_told_apart() {
        assert!(judged(401, "", true).0.found.contains("does not know"));
        assert!(judged(401, "", false).0.found.contains("no token"));
        for (status, body) in [(404, ""), (200, "<html>"), (503, "")] {
            let (finding, ground) = judged(status, body, true);
            assert_eq!((finding.verdict, ground), (Verdict::Skipped, None));
        }
    }
}
