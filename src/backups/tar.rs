//! Reads a tar from front to back, as far as postgres and `tar` write them: names, sizes, content.

use std::io::{self, ErrorKind, Read};

const BLOCK: usize = 512;

/// More than a few names and numbers need.
const LONGEST_HEADER: u64 = 64 * 1024;

/// A tar that is read once.
pub(crate) struct Tar<R> {
    reader: R,
    /// What is left of the member at hand, and of the padding behind it.
    left: u64,
    padding: u64,
}

/// A member that is a file.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) size: u64,
}

impl<R: Read> Tar<R> {
    /// From its first byte on.
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            left: 0,
            padding: 0,
        }
    }

    /// The next file; nothing at the end that a whole tar has. What was not read of the one before
    /// is passed over.
    pub(crate) fn next(&mut self) -> io::Result<Option<Member>> {
        let mut size_of_next = None;
        loop {
            self.pass_over()?;
            let header = self.header()?;
            if header.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let size = size_of_next.take().map_or_else(|| size(&header), Ok)?;
            self.left = size;
            self.padding = size.next_multiple_of(BLOCK as u64) - size;
            match header[156] {
                b'0' | 0 => {
                    let name = name(&header)?;
                    return Ok(Some(Member { name, size }));
                }
                // Some write the size of a huge file here.
                b'x' if size <= LONGEST_HEADER => size_of_next = pax_size(&self.content()?),
                _ => {}
            }
        }
    }

    /// The content of the file at hand.
    pub(crate) fn content(&mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let size = self.left;
        self.read_to_end(&mut content)?;
        if (content.len() as u64) < size {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(content)
    }

    fn header(&mut self) -> io::Result<[u8; BLOCK]> {
        let mut header = [0; BLOCK];
        self.reader.read_exact(&mut header)?;
        let sum = header.iter().enumerate().map(|(place, byte)| match place {
            // Its own place counts as blanks.
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        });
        let sum: u64 = sum.sum();
        if sum != 0x20 * 8 && octal(&header[148..156])? != sum {
            return Err(damaged());
        }
        Ok(header)
    }

    fn pass_over(&mut self) -> io::Result<()> {
        let count = self.left + self.padding;
        let passed = io::copy(&mut (&mut self.reader).take(count), &mut io::sink())?;
        (self.left, self.padding) = (0, 0);
        if passed < count {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Reads the file at hand to its end.
impl<R: Read> Read for Tar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&mut self.reader).take(self.left).read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn damaged() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "what should be a header is none")
}

fn text(bytes: &[u8]) -> io::Result<&str> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let bytes = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    std::str::from_utf8(bytes).map_err(|_| damaged())
}

fn octal(bytes: &[u8]) -> io::Result<u64> {
    u64::from_str_radix(text(bytes)?.trim(), 8).map_err(|_| damaged())
}

fn name(header: &[u8; BLOCK]) -> io::Result<String> {
    let name = text(&header[..100])?;
    let prefix = match &header[257..262] {
        b"ustar" => text(&header[345..500])?,
        _ => "",
    };
    Ok(match prefix {
        "" => name.trim_start_matches("./").to_owned(),
        prefix => format!("{prefix}/{name}"),
    })
}

/// Octal digits, or a binary number with the highest bit set before it.
fn size(header: &[u8; BLOCK]) -> io::Result<u64> {
    let field = &header[124..136];
    if field[0] & 0x80 == 0 {
        return octal(field);
    }
    let number: [u8; 8] = field[4..].try_into().map_err(|_| damaged())?;
    Ok(u64::from_be_bytes(number))
}

/// Of `20 size=1234\n` lines.
fn pax_size(records: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(records).ok()?;
    let size = text
        .lines()
        .find_map(|line| line.split_once(' ')?.1.strip_prefix("size="))?;
    size.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    fn packed(format: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("base")).unwrap();
        fs::write(folder.path().join("base/1"), "x".repeat(1000)).unwrap();
        fs::write(folder.path().join("empty"), "").unwrap();
        let output = Command::new("tar")
            .arg(format!("--format={format}"))
            .arg("-C")
            .arg(folder.path())
            .args(["-cf", "-", "base", "empty"])
            .output()
            .unwrap();
        output.stdout
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<(String, usize)>> {
        let mut tar = Tar::new(bytes);
        let mut found = Vec::new();
        while let Some(member) = tar.next()? {
            let content = tar.content()?;
            assert_eq!(content.len() as u64, member.size);
            found.push((member.name, content.len()));
        }
        Ok(found)
    }

    #[test]
    fn files_with_their_content() {
        for format in ["ustar", "gnu", "posix"] {
            let files = read(&packed(format)).unwrap();
            let expected = [("base/1".to_owned(), 1000), ("empty".to_owned(), 0)];
            assert_eq!(files, expected, "{format}");
        }
    }

    #[test]
    fn one_that_is_cut_off_or_damaged_is_an_error() {
        let whole = packed("ustar");
        for length in (0..3 * BLOCK + 1000).step_by(100) {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        assert!(read(b"hello").is_err());
        let mut header = whole.clone();
        header[3] ^= 1;
        assert!(read(&header).is_err());
    }

    #[test]
    fn sizes_beyond_octal_digits() {
        let mut header = [0; BLOCK];
        header[124] = 0x80;
        header[131] = 1;
        assert_eq!(size(&header).unwrap(), 1 << 32);
        assert_eq!(pax_size(b"20 size=8589934592\n"), Some(8_589_934_592));
    }
}
