//! A request made from an operation: nice, nearly so, or not at all.

use super::dice::Dice;
use super::forms::{Forms, Learned};
use super::offer::{Operation, operations, others};
use super::wire::Request;
use serde_json::{Value, json};

/// Kinds and names of what is there, or may be.
const THERE: [(&str, &str); 14] = [
    ("component", "web-dock"),
    ("component", "gate-dock"),
    ("component", "vault-dock"),
    ("Components", "web-free"),
    ("component", "gate-free"),
    ("group", "quay"),
    ("user", "ann"),
    ("serviceaccount", "ci"),
    ("rolebinding", "viewer-dock"),
    ("environment", "development"),
    ("runtime", "local"),
    ("location", "yard-dock"),
    ("component", "fuzz-1"),
    ("system", "fuzz-2"),
];

/// Of what is said in a path or query; `rough` leaves more as it is.
/// Nothing longer than the server's own limit of a request's head, which is not what is asked about.
fn encoded(text: &str, rough: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes().take(4000) {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || (rough && b"/:,=@*+()!$;|[]{}".contains(&byte)) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The schema of an entity is its apiVersion, kind, metadata and spec; what is in them is the documents' business.
fn schemas(of: &Value) -> Value {
    let mut all = of.clone();
    all["Entity"] = json!({ "type": "object", "properties": {
        "apiVersion": { "type": "string" }, "kind": { "type": "string" },
        "metadata": { "type": "object", "properties": { "name": { "type": "string" }, "namespace": { "type": "string" } } },
        "spec": { "type": "object", "properties": { "owner": { "type": "string" }, "target": { "type": "string" } } },
    } });
    all
}

pub(super) struct Asker {
    pub(super) operations: Vec<Operation>,
    pub(super) listed: usize,
    schemas: Value,
    pub(super) learned: Learned,
}

impl Asker {
    pub(super) fn new(document: &Value, learned: Learned) -> Self {
        let mut operations = operations(document);
        let listed = operations.len();
        operations.extend(others());
        Self { operations, listed, schemas: schemas(&document["components"]["schemas"]), learned }
    }

    /// A request, without saying who asks.
    pub(super) fn request(&self, dice: &mut Dice) -> Request {
        let of = loop {
            let of = dice.one(&self.operations);
            if dice.below(of.rare) == 0 {
                break of;
            }
        };
        let mut method = of.method.clone();
        let mut id = of.id.clone();
        if dice.chance(5) {
            method = dice
                .pick(&[
                    "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "QUERY",
                    "x",
                ])
                .to_string();
            let same = self.operations.iter().find(|o| o.path == of.path && o.method == method);
            id = match same {
                Some(same) => same.id.clone(),
                None => format!("{method} on {id}"),
            };
        }
        let mut headers = Vec::new();
        let nice = dice.chance(40);
        let target = self.target(of, nice, dice);
        let body = self.body(of, nice, dice, &mut headers);
        self.more(of, dice, &mut headers);
        Request { operation: id, method, target, headers, body }
    }

    fn target(&self, of: &Operation, nice: bool, dice: &mut Dice) -> String {
        let mut target = String::new();
        // Mostly what goes together.
        let there = dice.one(&THERE);
        let together = dice.chance(if nice { 90 } else { 50 });
        for piece in of.path.split('/').skip(1) {
            target.push('/');
            match piece.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => {
                    let text = match name {
                        "name" if together && of.path.contains("/locations/{name}") => {
                            "yard-dock".into()
                        }
                        "kind" if together => there.0.into(),
                        "namespace" if together => "default".into(),
                        "name" if together => there.1.into(),
                        name => self.learned.fit(name, nice, dice),
                    };
                    target.push_str(&encoded(&text, !nice && dice.chance(15)));
                }
                None => target.push_str(piece),
            }
        }
        if !nice && dice.chance(3) {
            target.push('/');
        }
        let mut query = Vec::new();
        let wrong = if nice { 0 } else { 4 };
        let forms = Forms { schemas: &self.schemas, learned: &self.learned, wrong };
        let eager = [5, 15, 40, 70][dice.below(4)];
        for parameter in &of.query {
            while dice.chance(if parameter.required && query.is_empty() { 97 } else { eager }) {
                let value = forms.value(&parameter.name, &parameter.schema, dice, 0);
                let text = value.as_str().map_or_else(|| value.to_string(), ToString::to_string);
                query.push(format!("{}={}", parameter.name, encoded(&text, dice.chance(20))));
                if dice.chance(90) {
                    break;
                }
            }
        }
        if !nice && dice.chance(8) {
            query.push(encoded(&dice.text(), true));
        }
        let mut query = query.join("&");
        query.truncate(30_000);
        if !query.is_empty() {
            target = format!("{target}?{query}");
        }
        target
    }

    fn body(
        &self,
        of: &Operation,
        nice: bool,
        dice: &mut Dice,
        headers: &mut Vec<(String, String)>,
    ) -> Vec<u8> {
        let Some((kind, schema)) = &of.body else {
            if of.method != "GET" && dice.chance(10) {
                headers.push(("content-type".into(), "application/json".into()));
                return dice.text().into_bytes();
            }
            return Vec::new();
        };
        let kind = if !nice && dice.chance(6) {
            dice.pick(&[
                "text/plain",
                "application/xml",
                "",
                "application/json; charset=utf-16",
                "multipart/form-data",
                "a/b/c",
            ])
        } else {
            kind.as_str()
        };
        headers.push(("content-type".into(), kind.to_string()));
        if of.id == "source.upload" {
            return archive(dice);
        }
        let wrong = if nice { 0 } else { [1, 2, 6, 20][dice.below(4)] };
        let forms = Forms { schemas: &self.schemas, learned: &self.learned, wrong };
        let value = forms.value("", schema, dice, 0);
        if of.id.starts_with("portal.") {
            let pairs = value.as_object().into_iter().flatten();
            let pairs = pairs.map(|(name, value)| {
                format!(
                    "{}={}",
                    encoded(name, false),
                    encoded(value.as_str().unwrap_or("x"), false)
                )
            });
            return pairs.collect::<Vec<_>>().join("&").into_bytes();
        }
        let mut body = value.to_string().into_bytes();
        match if nice { 99 } else { dice.below(40) } {
            0 => body.truncate(dice.below(body.len())),
            1 => {
                let at = dice.below(body.len());
                body[at] = (dice.throw() & 0xff) as u8;
            }
            2 => body = "[".repeat(dice.below(20_000)).into_bytes(),
            3 => body.clear(),
            4 => body = dice.text().into_bytes(),
            5 => body.splice(0..0, *b"\xef\xbb\xbf").for_each(drop),
            6 => body = "{\"a\":".repeat(dice.below(5000)).into_bytes(),
            7 => {
                let twice = String::from_utf8_lossy(&body).replacen(
                    '{',
                    "{\"component\":1,\"component\":2,",
                    1,
                );
                body = twice.into_bytes();
            }
            8 => body = format!("{{\"note\":\"{}\"}}", "x".repeat(200_000)).into_bytes(),
            9 => body.push(b'}'),
            _ => {}
        }
        body
    }

    fn more(&self, of: &Operation, dice: &mut Dice, headers: &mut Vec<(String, String)>) {
        if of.method != "GET" && dice.chance(35) {
            let key = match dice.below(8) {
                0..4 => format!("key-{}", dice.below(6)),
                4 => "k".repeat(dice.below(260)),
                5 => one_line(&dice.text()),
                _ => format!("key-{}", dice.throw()),
            };
            headers.push(("idempotency-key".into(), key));
        }
        if dice.chance(15) {
            let name = dice.pick(&[
                "accept",
                "x-request-id",
                "if-none-match",
                "range",
                "last-event-id",
                "content-encoding",
                "accept-encoding",
                "x-forwarded-for",
                "x-hub-signature-256",
                "if-modified-since",
                "x-http-method-override",
                "traceparent",
                "accept-language",
                "forwarded",
                "referer",
                "user-agent",
            ]);
            let value = match dice.below(5) {
                0 => "*/*".into(),
                1 => format!("sha256={}", "0".repeat(64)),
                2 => self.learned.of("seq", dice).unwrap_or_default(),
                3 => "bytes=0-1,5-".into(),
                _ => one_line(&dice.text()),
            };
            headers.push((name.into(), value));
        }
    }
}

/// What can stand in a header's line; HTTP itself refuses the rest.
fn one_line(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(8000).collect()
}

/// A folder as a tar archive, or something that says it were one.
fn archive(dice: &mut Dice) -> Vec<u8> {
    if dice.chance(25) {
        return dice.text().into_bytes();
    }
    let mut out = Vec::new();
    for _ in 0..dice.below(4) {
        let name = if dice.chance(60) { format!("file-{}", dice.below(5)) } else { dice.text() };
        let mut head = [0_u8; 512];
        let name: Vec<u8> = name.bytes().take(100).collect();
        head[..name.len()].copy_from_slice(&name);
        let length = dice.below(2000);
        let said = if dice.chance(90) { length } else { dice.below(1 << 33) };
        head[100..108].copy_from_slice(b"0000644\0");
        head[124..136].copy_from_slice(format!("{said:011o}\0").as_bytes());
        head[136..148].copy_from_slice(b"00000000000\0");
        head[156] = if dice.chance(80) { b'0' } else { *dice.one(b"123456LKgx") };
        head[157..159].copy_from_slice(b"..");
        head[257..265].copy_from_slice(b"ustar\x0000");
        head[148..156].copy_from_slice(b"        ");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&head);
        out.resize(out.len() + length.next_multiple_of(512), b'x');
    }
    if dice.chance(85) {
        out.resize(out.len() + 1024, 0);
    }
    out
}
