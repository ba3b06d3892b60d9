//! The tar around the entries, with no freedom left in it: every header follows from name and size alone.

/// The unit of tar.
pub(crate) const BLOCK: u64 = 512;
/// What ends the file: two empty blocks.
pub(crate) const END: u64 = 2 * BLOCK;

/// The one header for this name and size.
pub(crate) fn header(name: &str, size: u64) -> [u8; BLOCK as usize] {
    let mut header = tar::Header::new_gnu();
    // Our names are ASCII of less than 100 bytes, which is all that could be refused here.
    let _ = header.set_path(name);
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    *header.as_bytes()
}

/// So many zeros follow an entry of this size.
pub(crate) const fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

/// What a header says, if it says anything.
pub(crate) fn parse(block: &[u8; BLOCK as usize]) -> Option<(String, u64)> {
    let header = tar::Header::from_byte_slice(block);
    let path = header.path_bytes();
    let name = std::str::from_utf8(&path).ok()?.to_string();
    if name.is_empty() {
        return None;
    }
    Some((name, header.entry_size().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written() {
        for size in [0, 1, 511, 512, 513, 9 << 30] {
            assert_eq!(
                parse(&header("store/object/000001.jsonl", size)),
                Some(("store/object/000001.jsonl".into(), size))
            );
            assert_eq!((size + padding(size)) % BLOCK, 0);
        }
        assert_eq!(parse(&[0; 512]), None);
    }
}
