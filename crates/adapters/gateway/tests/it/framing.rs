//! How requests are framed (RFC 9112): a table of bytes that come in, what comes back, and what an instance sees of it.
//! Whatever two readers could take for different things is refused, or goes on in one way only.

use crate::support::{Gate, Raw, Then, raw, route};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

struct Case {
    /// The section of RFC 9112, or of 9110 where it says so, and the rule.
    rule: &'static str,
    sent: Vec<u8>,
    /// 0: the connection ends without an answer.
    status: u16,
    /// What the instance must see; nothing: it must see nothing at all.
    seen: &'static [&'static str],
    unseen: &'static [&'static str],
}

fn case(
    rule: &'static str,
    sent: impl Into<Vec<u8>>,
    status: u16,
    seen: &'static [&'static str],
    unseen: &'static [&'static str],
) -> Case {
    Case { rule, sent: sent.into(), status, seen, unseen }
}

/// A request whose head has these lines besides, and this behind it.
fn with(first: &str, lines: &str, rest: &str) -> String {
    format!("{first}\r\nHost: web.localhost\r\nConnection: close\r\n{lines}\r\n{rest}")
}

fn get(lines: &str) -> String {
    with("GET / HTTP/1.1", lines, "")
}

fn post(lines: &str, rest: &str) -> String {
    with("POST /p HTTP/1.1", lines, rest)
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

const NOTHING: &[&str] = &[];

fn lengths() -> Vec<Case> {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: web.localhost\r\n\r\n";
    vec![
        case(
            "6.3: of length and coding the coding holds, and the length goes no further",
            post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
            200,
            &["transfer-encoding: chunked", "hi"],
            &["content-length"],
        ),
        case(
            "6.3: the same the other way round, and what follows is no request",
            post(
                "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
                &format!("0\r\n\r\n{smuggled}"),
            ),
            200,
            &["transfer-encoding: chunked"],
            &["content-length", "smuggled"],
        ),
        case(
            "6.3: lengths that differ",
            post("Content-Length: 2\r\nContent-Length: 3\r\n", "hi!"),
            400,
            NOTHING,
            &[],
        ),
        case(
            "6.3: the same length twice goes on once",
            post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"),
            200,
            &["content-length: 2\r\n", "hi"],
            &["content-length: 2\r\ncontent-length", "2, 2"],
        ),
        case("6.3: a list of lengths", post("Content-Length: 2, 2\r\n", "hi"), 400, NOTHING, &[]),
        case("6.2: a length with a sign", post("Content-Length: +2\r\n", "hi"), 400, NOTHING, &[]),
        case("6.2: a negative length", post("Content-Length: -1\r\n", ""), 400, NOTHING, &[]),
        case("6.2: a length in words", post("Content-Length: 0x2\r\n", "hi"), 400, NOTHING, &[]),
        case("6.2: an empty length", post("Content-Length:\r\n", ""), 400, NOTHING, &[]),
        case(
            "6.2: a length beyond all numbers",
            post("Content-Length: 18446744073709551617\r\n", ""),
            400,
            NOTHING,
            &[],
        ),
        case(
            "6.1: a coding that is not known",
            post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            501,
            NOTHING,
            &[],
        ),
        case(
            "6.3: chunked that is not last",
            post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
            400,
            NOTHING,
            &[],
        ),
        case("6.1: identity", post("Transfer-Encoding: identity\r\n", ""), 400, NOTHING, &[]),
        case(
            "7.1: chunked twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            400,
            NOTHING,
            &[],
        ),
        case(
            "7.1: chunked twice in one line",
            post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
            501,
            NOTHING,
            &[],
        ),
        case(
            "6.1: a coding with a trick at its end",
            post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            400,
            NOTHING,
            &[],
        ),
        case(
            "6.1: a coding with a vertical tab",
            post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
            400,
            NOTHING,
            &[],
        ),
        case(
            "7: names of codings have no case",
            post("Transfer-Encoding: Chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
            200,
            &["transfer-encoding: chunked", "hi"],
            &[],
        ),
        case(
            "6.1: a coding in HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: web.localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            NOTHING,
            &[],
        ),
        case(
            "6.3: without either there is no body, and what follows is the next request",
            "POST /a HTTP/1.1\r\nHost: web.localhost\r\n\r\nGET /b HTTP/1.1\r\nHost: web.localhost\r\nConnection: close\r\n\r\n",
            200,
            &["POST /a", "GET /b"],
            &[],
        ),
    ]
}

fn chunks() -> Vec<Case> {
    vec![
        case("7.1.1: extensions go no further", chunked("2;a=b;c=\"d\"\r\nhi\r\n0;e\r\n\r\n"), 200, &["2\r\nhi\r\n0\r\n\r\n"], &["a=b", ";e"]),
        case("7.1: sizes are hexadecimal, in either case", chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), 200, &["0123456789"], &[]),
        case("7.1: zeros before a size", chunked("0002\r\nhi\r\n000\r\n\r\n"), 200, &["2\r\nhi\r\n"], &["0002"]),
        case("7.1: a size beyond all numbers", chunked("fffffffffffffffff\r\nhi\r\n0\r\n\r\n"), 400, NOTHING_OF_IT, &["hi"]),
        case("7.1: a size with a sign", chunked("+2\r\nhi\r\n0\r\n\r\n"), 400, NOTHING_OF_IT, &["hi"]),
        case("7.1: a size as programs write it", chunked("0x2\r\nhi\r\n0\r\n\r\n"), 400, NOTHING_OF_IT, &["hi"]),
        case("7.1: no size", chunked("\r\nhi\r\n0\r\n\r\n"), 400, NOTHING_OF_IT, &["hi"]),
        case("7.1: a size that ends with LF alone", chunked("2\nhi\r\n0\r\n\r\n"), 400, NOTHING_OF_IT, &["hi"]),
        case("7.1: data that goes on behind its size", chunked("2\r\nhi!\r\n0\r\n\r\n"), 400, NOTHING_OF_IT, &["hi!"]),
        case("7.1.1: LF in an extension", chunked("2;\nxx\r\nhi\r\n0\r\n\r\n"), 400, NOTHING_OF_IT, &["hi"]),
        case(
            "7.1.2: trailers pass but those that only a head may say",
            chunked("2\r\nhi\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: evil\r\n\r\n").replace("Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nTrailer: x-sum, content-length, host\r\n"),
            200,
            &["x-sum: 7"],
            &["evil", "content-length: 9"],
        ),
    ]
}

/// Its head goes on before its body is read; the rest never comes.
const NOTHING_OF_IT: &[&str] = &["*"];

fn lines() -> Vec<Case> {
    let many = "X-A: 1\r\n".repeat(200);
    let long = format!("X-Long: {}\r\n", "x".repeat(80 * 1024));
    vec![
        case("5.1: a space before the colon", get("X-A : 1\r\n"), 400, NOTHING, &[]),
        case("5.1: a tab before the colon", get("X-A\t: 1\r\n"), 400, NOTHING, &[]),
        case("5: no colon", get("X-A\r\n"), 400, NOTHING, &[]),
        case("5: no name", get(": 1\r\n"), 400, NOTHING, &[]),
        case("5.1: a name with a letter that no token has", get("X(A): 1\r\n"), 400, NOTHING, &[]),
        case("5.2: a folded line", get("X-A: 1\r\n 2\r\n"), 400, NOTHING, &[]),
        case(
            "2.2: white space before the first line of headers",
            "GET / HTTP/1.1\r\n Host: web.localhost\r\n\r\n",
            400,
            NOTHING,
            &[],
        ),
        case("2.2: CR alone in a value", get("X-A: 1\r2\r\n"), 400, NOTHING, &[]),
        case("2.2: CR alone before a name", get("X-A: 1\rX-B: 2\r\n"), 400, NOTHING, &[]),
        case(
            "2.2: LF alone ends a line, and goes on as CR LF",
            get("X-A: 1\nX-B: 2\r\n"),
            200,
            &["x-a: 1\r\n", "x-b: 2\r\n"],
            &["1\nx"],
        ),
        case("9110 5.5: NUL in a value", get("X-A: 1\x002\r\n"), 400, NOTHING, &[]),
        case("9110 5.5: a control character in a value", get("X-A: 1\x012\r\n"), 400, NOTHING, &[]),
        case(
            "9110 5.5: white space around a value is none of it",
            get("X-A: \t 1 \t \r\n"),
            200,
            &["x-a: 1\r\n"],
            &[],
        ),
        case("9110 5.4: as many headers as a few hundred", get(&many), 431, NOTHING, &[]),
        case("9110 5.4: a header as large as a file", get(&long), 431, NOTHING, &[]),
        case(
            "2.2: empty lines before a request",
            format!("\r\n\r\n{}", get("")),
            200,
            &["GET / HTTP/1.1"],
            &[],
        ),
        case(
            "9110 7.6.1: what Connection names goes no further",
            "GET / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-Kept: 1\r\n\r\n",
            200,
            &["x-kept: 1"],
            &["x-hop", "keep-alive"],
        ),
        case(
            "9110 7.6.1: Connection can't take away what the message is",
            "POST / HTTP/1.1\r\nHost: web.localhost\r\nConnection: close, content-length, host\r\nContent-Length: 2\r\n\r\nhi",
            200,
            &["content-length: 2", "host: web.localhost", "hi"],
            &[],
        ),
        case(
            "9110 10.1.1: another expectation",
            post("Expect: magic\r\nContent-Length: 2\r\n", "hi"),
            417,
            NOTHING,
            &[],
        ),
        case(
            "9110 10.1.1: who does not wait for 100 is served all the same",
            post("Expect: 100-continue\r\nContent-Length: 2\r\n", "hi"),
            100,
            &["hi"],
            &["expect"],
        ),
        case(
            "9110 7.8: an upgrade to HTTP/2 is not taken",
            get("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"),
            200,
            &["GET /"],
            &["h2c", "http2-settings"],
        ),
        case(
            "underscores are no dashes",
            get("X_Forwarded_For: 6.6.6.6\r\nX-Forwarded_Proto: https\r\n"),
            200,
            &["x-forwarded-for: 127.0.0.1"],
            &["6.6.6.6", "https"],
        ),
    ]
}

fn firsts() -> Vec<Case> {
    let long = format!("GET /{} HTTP/1.1", "x".repeat(70 * 1024));
    let first = |line: &str| with(line, "", "");
    vec![
        case("3: HTTP/0.9", "GET /\r\n\r\n", 400, NOTHING, &[]),
        case("3: a method alone", "GET\r\n\r\n", 400, NOTHING, &[]),
        case("3: two spaces", first("GET  / HTTP/1.1"), 400, NOTHING, &[]),
        case("3: a tab", first("GET\t/\tHTTP/1.1"), 400, NOTHING, &[]),
        case("3: something behind the version", first("GET / HTTP/1.1 x"), 400, NOTHING, &[]),
        case("3.1: a method that is no token", first("GE(T / HTTP/1.1"), 400, NOTHING, &[]),
        case(
            "3.1: a method of somebody's own",
            first("FROB / HTTP/1.1"),
            200,
            &["FROB / HTTP/1.1"],
            &[],
        ),
        case("2.3: a version that there is not", first("GET / HTTP/1.2"), 400, NOTHING, &[]),
        case(
            "2.3: a version of two numbers that are none",
            first("GET / HTTP/11"),
            400,
            NOTHING,
            &[],
        ),
        case("2.3: names of protocols have case", first("GET / http/1.1"), 400, NOTHING, &[]),
        case("3: a target that is too long", first(&long), 414, NOTHING, &[]),
        case("3.2: a space in the target", first("GET /a b HTTP/1.1"), 400, NOTHING, &[]),
        case(
            "3.2: a fragment goes no further",
            first("GET /a#b HTTP/1.1"),
            200,
            &["GET /a HTTP/1.1"],
            &["#b"],
        ),
        case(
            "3.2.1: a target that does not begin at the root",
            first("GET a HTTP/1.1"),
            400,
            NOTHING,
            &[],
        ),
        case(
            "3.2.2: a whole URL; its host holds",
            "GET http://web.localhost/x?y HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n",
            200,
            &["GET /x?y HTTP/1.1", "host: web.localhost\r\n"],
            &["other", "http://"],
        ),
        case(
            "3.2.2: a whole URL without Host",
            "GET http://web.localhost/x HTTP/1.1\r\nConnection: close\r\n\r\n",
            400,
            NOTHING,
            &[],
        ),
        case(
            "3.2.2: a URL that is not of the web",
            first("GET ftp://web.localhost/ HTTP/1.1"),
            400,
            NOTHING,
            &[],
        ),
        case(
            "3.2.2: a URL with a user",
            first("GET http://web.localhost@evil/ HTTP/1.1"),
            400,
            NOTHING,
            &[],
        ),
        case(
            "3.2.3: CONNECT",
            "CONNECT web.localhost:80 HTTP/1.1\r\nHost: web.localhost:80\r\nConnection: close\r\n\r\n",
            501,
            NOTHING,
            &[],
        ),
        case(
            "3.2.4: OPTIONS of the server as a whole",
            first("OPTIONS * HTTP/1.1"),
            200,
            &["OPTIONS * HTTP/1.1"],
            &[],
        ),
        case("3.2.4: GET of the server as a whole", first("GET * HTTP/1.1"), 400, NOTHING, &[]),
        case("3.2: no Host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400, NOTHING, &[]),
        case(
            "3.2: two Hosts",
            first("GET / HTTP/1.1").replace("\r\n\r\n", "\r\nHost: web.localhost\r\n\r\n"),
            400,
            NOTHING,
            &[],
        ),
        case(
            "3.2: a Host with a user",
            "GET / HTTP/1.1\r\nHost: a@web.localhost\r\nConnection: close\r\n\r\n",
            400,
            NOTHING,
            &[],
        ),
        case(
            "3.2: a Host with a path",
            "GET / HTTP/1.1\r\nHost: web.localhost/x\r\nConnection: close\r\n\r\n",
            400,
            NOTHING,
            &[],
        ),
        case(
            "3.2: a Host with a port that is none",
            "GET / HTTP/1.1\r\nHost: web.localhost:x\r\nConnection: close\r\n\r\n",
            400,
            NOTHING,
            &[],
        ),
        case(
            "3.2: a Host with two names",
            "GET / HTTP/1.1\r\nHost: web.localhost, other\r\nConnection: close\r\n\r\n",
            400,
            NOTHING,
            &[],
        ),
        case(
            "3.2: an empty Host is nobody's",
            "GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
            404,
            NOTHING,
            &[],
        ),
        case(
            "9113 3.4: the preface of HTTP/2",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            0,
            NOTHING,
            &[],
        ),
        case(
            "no HTTP at all",
            [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, b'\r', b'\n', b'\r', b'\n'],
            400,
            NOTHING,
            &[],
        ),
    ]
}

#[tokio::test]
async fn each_rule_holds() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in [lengths(), chunks(), lines(), firsts()].into_iter().flatten() {
        count += 1;
        // For each its own: what one is sent late is not taken for what the next one saw.
        let instance = Raw::start(OK, Then::Close).await;
        let mut to = route("r", "web.localhost", &[]);
        to.targets.push(instance.target(&format!("raw-{count}")));
        gate.apply(count, vec![to]).await;
        let answer = raw(gate.main, &case.sent).await;
        let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        let seen = instance.take();
        let lower = seen.to_ascii_lowercase();
        let mut say = |what: String| {
            let sent = String::from_utf8_lossy(&case.sent[..case.sent.len().min(300)]).into_owned();
            wrong.push(format!(
                "{}: {what}\nsent {sent:?}\nback {:?}\nseen {seen:?}",
                case.rule,
                &answer[..answer.len().min(300)]
            ));
        };
        if status != case.status {
            say(format!("{status}, not {}", case.status));
        }
        if case.seen.is_empty() && !seen.is_empty() {
            say("the instance saw it".into());
        }
        for expected in case.seen.iter().filter(|expected| **expected != "*") {
            if !lower.contains(&expected.to_ascii_lowercase()) {
                say(format!("the instance did not see {expected:?}"));
            }
        }
        for refused in case.unseen {
            if lower.contains(&refused.to_ascii_lowercase()) {
                say(format!("the instance saw {refused:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// One after the other on one connection, however they arrive.
#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::start(dir.path());
    let one = crate::support::Instance::start("one").await;
    gate.apply(1, vec![route("r", "web.localhost", &[&one])]).await;
    let mut sent = String::new();
    for path in ["/a", "/b", "/c"] {
        let last = if path == "/c" { "Connection: close\r\n" } else { "" };
        sent.push_str(&format!("POST /headers?{path} HTTP/1.1\r\nHost: web.localhost\r\n{last}Content-Length: 2\r\n\r\nhi"));
    }
    let answer = raw(gate.main, sent.as_bytes()).await;
    let at = |path: &str| answer.find(&format!("POST /headers?{path}\n")).expect("it is answered");
    assert!(at("/a") < at("/b") && at("/b") < at("/c"));
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3);
}
