//! The life of a session: opened, checked, closed, and who gets the token.
#![allow(clippy::unwrap_used, clippy::panic)] // a test

mod server;

use server::{Server, created, reply};
use transom_rtc_tokio::client::{
    AnswerError, ClientError, Endpoint, EndpointConfig, RedirectError, UrlError,
};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n";

fn endpoint(url: &str) -> Endpoint {
    Endpoint::new(EndpointConfig::new(url, Some("secret"))).unwrap()
}

#[tokio::test]
async fn a_session_is_opened_checked_and_closed() {
    let server = Server::new([
        &reply(
            "201 Created",
            "Content-Type: application/sdp; charset=utf-8\r\nLocation: /whip/door/s1\r\nETag: \"e1\"\r\n",
            "v=0\r\nanswer\r\n",
        ),
        &reply("200 OK", "", ""),
        &reply("404 Not Found", "", ""),
        &reply("200 OK", "", ""),
    ])
    .await;
    let endpoint = endpoint(&server.url("/whip/door?key=1"));
    let opened = endpoint.open(OFFER).await.unwrap();
    assert_eq!(opened.answer, "v=0\r\nanswer\r\n");
    assert_eq!(
        opened.session.url().to_string(),
        server.url("/whip/door/s1")
    );
    assert_eq!(opened.session.etag(), Some("\"e1\""));
    opened.session.check().await.unwrap();
    let gone = opened.session.check().await.unwrap_err();
    assert!(matches!(gone, ClientError::NotFound { status: 404, .. }));
    opened.session.close().await.unwrap();

    let requests = server.requests();
    let lines: Vec<_> = requests.iter().map(|r| r.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /whip/door?key=1",
            "HEAD /whip/door/s1",
            "HEAD /whip/door/s1",
            "DELETE /whip/door/s1"
        ]
    );
    assert_eq!(requests[0].header("content-type"), Some("application/sdp"));
    assert_eq!(requests[0].body, OFFER);
    for request in &requests {
        assert_eq!(request.header("authorization"), Some("Bearer secret"));
        let host = format!("127.0.0.1:{}", server.port);
        assert_eq!(request.header("host"), Some(host.as_str()));
    }
    assert_eq!(requests[3].header("content-type"), None);
}

#[tokio::test]
async fn without_a_token_none_is_sent() {
    let server = Server::new([&created("s")]).await;
    let config = EndpointConfig::new(&server.url("/whip/door"), None);
    let endpoint = Endpoint::new(config).unwrap();
    let opened = endpoint.open(OFFER).await.unwrap();
    assert_eq!(opened.session.url().to_string(), server.url("/whip/s"));
    assert_eq!(server.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn names_with_several_addresses_work() {
    let server = Server::new([&created("/s")]).await;
    // Where `localhost` is ::1 first, that one refuses the connection.
    let url = format!("http://localhost:{}/whip/door", server.port);
    let opened = endpoint(&url).open(OFFER).await.unwrap();
    assert_eq!(opened.session.url().host(), "localhost");
}

#[tokio::test]
async fn a_chunked_answer_is_taken() {
    let chunked = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nLocation: /s\r\n\
        Content-Type: application/sdp\r\n\r\n3\r\nv=0\r\n2\r\n\r\n\r\n0\r\n\r\n";
    let server = Server::new([chunked]).await;
    let opened = endpoint(&server.url("/whip/door")).open(OFFER).await;
    assert_eq!(opened.unwrap().answer, "v=0\r\n");
}

#[tokio::test]
async fn a_session_elsewhere_does_not_get_the_token() {
    let elsewhere = Server::new([&reply("200 OK", "", ""), &reply("200 OK", "", "")]).await;
    let server = Server::new([&created(&elsewhere.url("/s"))]).await;
    let opened = endpoint(&server.url("/whip/door"))
        .open(OFFER)
        .await
        .unwrap();
    opened.session.check().await.unwrap();
    opened.session.close().await.unwrap();
    for request in elsewhere.requests() {
        assert_eq!(request.header("authorization"), None);
    }
    assert_eq!(elsewhere.requests().len(), 2);
}

#[tokio::test]
async fn redirects_keep_method_and_body() {
    let temporary = reply("307 Temporary Redirect", "Location: ../b/door?x\r\n", "");
    let permanent = reply("308 Permanent Redirect", "Location: /c/door\r\n", "");
    let server = Server::new([
        &temporary,
        &permanent,
        &created("s1"),
        &reply("307 Temporary Redirect", "Location: /d/s1\r\n", ""),
        &reply("200 OK", "", ""),
    ])
    .await;
    let opened = endpoint(&server.url("/a/door")).open(OFFER).await.unwrap();
    assert_eq!(opened.session.url().target(), "/c/s1");
    opened.session.close().await.unwrap();
    let requests = server.requests();
    let lines: Vec<_> = requests.iter().map(|r| r.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /a/door",
            "POST /b/door?x",
            "POST /c/door",
            "DELETE /c/s1",
            "DELETE /d/s1"
        ]
    );
    assert!(requests[..3].iter().all(|r| r.body == OFFER));
    let authorized = |r: &server::Request| r.header("authorization").is_some();
    assert!(requests.iter().all(authorized));
}

#[tokio::test]
async fn a_redirect_elsewhere_does_not_take_the_token_along() {
    let refused = reply("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", "");
    let elsewhere = Server::new([&refused]).await;
    let location = format!("Location: {}\r\n", elsewhere.url("/whip/door"));
    let server = Server::new([&reply("307 Temporary Redirect", &location, "")]).await;
    let error = endpoint(&server.url("/whip/door")).open(OFFER).await;
    let error = error.unwrap_err();
    assert!(matches!(
        error,
        ClientError::Unauthorized {
            token_withheld: true,
            ..
        }
    ));
    assert!(error.to_string().contains("another origin"), "{error}");
    assert_eq!(elsewhere.requests()[0].header("authorization"), None);
    assert_eq!(elsewhere.requests()[0].body, OFFER);
}

#[tokio::test]
async fn nor_does_the_next_redirect_bring_it_back() {
    let onwards = reply("307 Temporary Redirect", "Location: /y\r\n", "");
    let elsewhere = Server::new([&onwards, &reply("403 Forbidden", "", "")]).await;
    let location = format!("Location: {}\r\n", elsewhere.url("/x"));
    let server = Server::new([&reply("307 Temporary Redirect", &location, "")]).await;
    let error = endpoint(&server.url("/whip/door")).open(OFFER).await;
    assert!(matches!(error, Err(ClientError::Forbidden(_))));
    assert_eq!(elsewhere.requests()[1].line, "POST /y");
    let authorized = |r: &server::Request| r.header("authorization").is_some();
    assert!(!elsewhere.requests().iter().any(authorized));
}

#[tokio::test]
async fn redirects_that_are_not_followed() {
    let to = |status: &str, location: &str| reply(status, location, "");
    for (response, expected) in [
        (to("307 T", ""), RedirectError::NoLocation),
        (to("302 F", "Location: /b\r\n"), RedirectError::Status(302)),
        (to("303 S", "Location: /b\r\n"), RedirectError::Status(303)),
        (
            to("307 T", "Location: file:///etc/passwd\r\n"),
            RedirectError::Location(UrlError::Scheme),
        ),
    ] {
        let server = Server::new([&response]).await;
        let result = endpoint(&server.url("/whip/door")).open(OFFER).await;
        assert!(
            matches!(&result, Err(ClientError::Redirect(e)) if *e == expected),
            "{result:?}"
        );
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let round = reply("307 Temporary Redirect", "Location: /whip/door\r\n", "");
    let server = Server::new([round.as_str(); 20]).await;
    let result = endpoint(&server.url("/whip/door")).open(OFFER).await;
    assert!(matches!(
        result,
        Err(ClientError::Redirect(RedirectError::TooMany))
    ));
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn an_answer_without_a_session_is_no_answer() {
    let sdp = "Content-Type: application/sdp\r\n";
    let server = Server::new([&reply("201 Created", sdp, "v=0\r\n")]).await;
    let result = endpoint(&server.url("/whip/door")).open(OFFER).await;
    assert!(matches!(
        result,
        Err(ClientError::Answer(AnswerError::NoLocation))
    ));
    let server = Server::new([&created("http://:0/")]).await;
    let result = endpoint(&server.url("/whip/door")).open(OFFER).await;
    assert!(matches!(
        result,
        Err(ClientError::Answer(AnswerError::Location(_)))
    ));
}

#[tokio::test]
async fn a_session_without_an_answer_is_closed() {
    let html = "Content-Type: text/html\r\nLocation: /s9\r\n";
    let server = Server::new([&reply("201 Created", html, "<p>"), &reply("200 OK", "", "")]).await;
    let result = endpoint(&server.url("/whip/door")).open(OFFER).await;
    assert!(matches!(
        result,
        Err(ClientError::Answer(AnswerError::ContentType))
    ));
    assert_eq!(server.requests()[1].line, "DELETE /s9");
}
