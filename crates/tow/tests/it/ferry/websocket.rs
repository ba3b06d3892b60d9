//! A WebSocket (RFC 6455) as its server needs it: the handshake, and every message said back. Nothing is in pieces, and
//! nothing is longer than a kilobyte: that is what the tests send.

use std::io::{self, BufRead, Write};

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

/// Until the other end closes; the first message is who answers.
pub fn serve(
    input: &mut impl BufRead,
    out: &mut impl Write,
    key: &str,
    who: &str,
) -> io::Result<()> {
    let accept = base64(&sha1(format!("{key}{GUID}").as_bytes()));
    write!(
        out,
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    )?;
    say(out, TEXT, who.as_bytes())?;
    loop {
        let mut head = [0; 2];
        input.read_exact(&mut head)?;
        let mut length = usize::from(head[1] & 0x7f);
        if length == 126 {
            let mut long = [0; 2];
            input.read_exact(&mut long)?;
            length = usize::from(u16::from_be_bytes(long));
        }
        let mut mask = [0; 4];
        input.read_exact(&mut mask)?;
        let mut message = vec![0; length];
        input.read_exact(&mut message)?;
        for (at, byte) in message.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        say(out, head[0], &message)?;
        if head[0] == CLOSE {
            return Ok(());
        }
    }
}

fn say(out: &mut impl Write, kind: u8, message: &[u8]) -> io::Result<()> {
    let mut frame = vec![kind];
    match u8::try_from(message.len()) {
        Ok(length) if length < 126 => frame.push(length),
        _ => {
            frame.push(126);
            frame.extend((message.len() as u16).to_be_bytes());
        }
    }
    frame.extend(message);
    out.write_all(&frame)
}

/// FIPS 180-4, 6.1.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut w = [0_u32; 80];
        for (word, bytes) in w.iter_mut().zip(block.chunks(4)) {
            *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        for t in 16..80 {
            w[t] = (w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (t, word) in w.iter().enumerate() {
            let (f, k) = match t / 20 {
                0 => ((b & c) | (!b & d), 0x5A827999),
                1 => (b ^ c ^ d, 0x6ED9EBA1),
                2 => ((b & c) | (b & d) | (c & d), 0x8F1BBCDC),
                _ => (b ^ c ^ d, 0xCA62C1D6),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e);
            let next = next.wrapping_add(k).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut all = [0; 4];
        all[1..=three.len()].copy_from_slice(three);
        let all = u32::from_be_bytes(all);
        for place in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * place)) as usize & 63] as char;
            text.push(if place > three.len() { '=' } else { letter });
        }
    }
    text
}
