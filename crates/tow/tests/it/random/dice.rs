//! Chance that can be repeated: one seed, the same throws. And what people do not type, but others send.

/// Splitmix: small, and good enough to be unfair to everybody alike.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Self(seed);
        dice.throw();
        dice
    }

    pub(super) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 where that is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.throw() % end).unwrap_or(0)
    }

    /// In so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A word nobody has thought of.
    pub(super) fn word(&mut self) -> String {
        format!("fuzz-{}", self.below(40))
    }

    /// A text that is not nice.
    pub(super) fn text(&mut self) -> String {
        let text = self.pick(TEXTS).to_string();
        match self.below(40) {
            0 => text.repeat(self.below(3000)),
            1 => "a".repeat(self.below(9000)),
            2 => format!("{text}{}", self.pick(TEXTS)),
            3 => {
                let at = self.below(0x11_0000);
                char::from_u32(u32::try_from(at).unwrap_or(0)).unwrap_or('\u{fffd}').to_string()
            }
            4 => text.to_uppercase(),
            5 => self.word(),
            _ => text,
        }
    }

    /// A number that is not nice.
    pub(super) fn number(&mut self) -> serde_json::Value {
        let text = self.pick(NUMBERS);
        serde_json::from_str(text).unwrap_or_default()
    }
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "null",
    "true",
    "-1",
    "0",
    "9223372036854775808",
    "1e999",
    "NaN",
    "default",
    "..",
    "../../../etc/passwd",
    "%2e%2e%2f",
    "%",
    "%00",
    "a/b/c/d",
    "\u{0}",
    "a\u{0}b",
    "\r\nx-other: y",
    "\n",
    "\t",
    "'",
    "\"",
    "' OR 1=1 --",
    "\"; DROP TABLE event; --",
    "%_%",
    "*",
    "NEAR(a b)",
    "a AND",
    "\"unfinished",
    "a* ^b -c:d",
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
    "${resources.db.password}",
    "{{7*7}}",
    "é",
    "e\u{301}",
    "\u{feff}a",
    "\u{202e}gnp.exe",
    "\u{200b}",
    "İ",
    "ß",
    "ﬀ",
    "𝕏",
    "👩‍👩‍👧‍👦",
    "\u{e000}",
    "\u{ffff}",
    "\u{10ffff}",
    "مرحبا",
    "Z\u{351}\u{36b}a\u{343}l\u{36a}go",
    "component:default/web-dock",
    "COMPONENT:Default/WEB-dock",
    "component:",
    ":default/x",
    "component:/x",
    "a:b:c",
    "user:default/ann",
    "group:default/keep",
    "default/vault-dock",
    "vault-dock",
    "sha256:0000000000000000000000000000000000000000000000000000000000000000",
    "2026-02-30T25:61:61Z",
    "-292277022657-01-27T08:29:52Z",
    "999999999999999999999h",
    "-5s",
    "5s",
    "90d",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "plan-00000000000000000000000000000000",
    "http://127.0.0.1:1/x",
    "http://[::1]:1/",
    "http://169.254.169.254/latest/meta-data",
    "file:///proc/self/environ",
    "gopher://127.0.0.1:1/_x",
    "https://user:word@127.0.0.1:1/",
    "http://127.0.0.1:99999/",
    "java\0script:",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "100",
    "1000",
    "1001",
    "255",
    "256",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "-1e308",
    "1.5",
    "1e-7",
    "0.1",
];
