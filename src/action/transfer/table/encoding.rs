//! How the text of a file is encoded: said, or told by a mark before everything or by its first bytes; read as UTF-8.

use std::io::{self, Read};

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::CHUNK;

/// Reads text of some encoding as UTF-8. Of UTF-8 itself the bytes are as they are: who reads them sees what is none.
pub struct Decoded<R> {
    inner: R,
    encoding: &'static Encoding,
    decoder: Option<encoding_rs::Decoder>,
    /// Bytes that were read and not decoded yet, and how many are gone.
    raw: (Vec<u8>, usize),
    /// Text that was decoded and nobody took yet, and how much is gone.
    text: (Vec<u8>, usize),
    is_over: bool,
    /// Whether the decoder was told so: it is asked nothing any more.
    is_done: bool,
}

/// So many bytes at the beginning tell UTF-16 without a mark from others.
const TELLING: usize = 64;

/// Reads a file's beginning, and finds how it is encoded where nobody says so.
///
/// # Errors
/// What reading ran into.
pub fn decoded<R: Read>(mut inner: R, said: Option<&'static Encoding>) -> io::Result<Decoded<R>> {
    let mut raw = Vec::with_capacity(CHUNK);
    inner.by_ref().take(CHUNK as u64).read_to_end(&mut raw)?;
    let mark = Encoding::for_bom(&raw);
    let encoding = mark.map(|(encoding, _)| encoding).or(said).unwrap_or_else(|| guessed(&raw[..raw.len().min(TELLING)]));
    let start = mark.map_or(0, |(_, length)| length);
    let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
    Ok(Decoded { inner, encoding, decoder, raw: (raw, start), text: (vec![], 0), is_over: false, is_done: false })
}

/// Letters of most languages that are written with two bytes have one of nothing.
fn guessed(raw: &[u8]) -> &'static Encoding {
    let zeros = |from: usize| raw.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let half = raw.len() / 4;
    match (zeros(0), zeros(1)) {
        (0, odd) if odd > half => UTF_16LE,
        (even, 0) if even > half => UTF_16BE,
        _ => UTF_8,
    }
}

impl<R> Decoded<R> {
    /// What its encoding is called.
    pub fn name(&self) -> &'static str {
        self.encoding.name()
    }
}

impl<R: Read> Decoded<R> {
    /// More bytes, where all of those before are gone.
    fn fill(&mut self) -> io::Result<()> {
        if self.raw.1 == self.raw.0.len() && !self.is_over {
            self.raw.0.resize(CHUNK, 0);
            let count = self.inner.read(&mut self.raw.0)?;
            self.raw.0.truncate(count);
            (self.raw.1, self.is_over) = (0, count == 0);
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.text.1 == self.text.0.len() {
            self.fill()?;
            let raw = &self.raw.0[self.raw.1..];
            let Some(decoder) = &mut self.decoder else {
                let count = raw.len().min(into.len());
                into[..count].copy_from_slice(&raw[..count]);
                self.raw.1 += count;
                return Ok(count);
            };
            if self.is_done {
                return Ok(0);
            }
            // Three bytes of text for one of the file, and room for what the decoder held back.
            self.text.0.resize(raw.len() * 3 + 16, 0);
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(raw, &mut self.text.0, self.is_over);
            self.text = (std::mem::take(&mut self.text.0), 0);
            self.text.0.truncate(written);
            self.raw.1 += read;
            if let DecoderResult::Malformed(..) = result {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.is_done = self.is_over && result == DecoderResult::InputEmpty;
        }
        let count = (self.text.0.len() - self.text.1).min(into.len());
        into[..count].copy_from_slice(&self.text.0[self.text.1..][..count]);
        self.text.1 += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], said: Option<&str>) -> io::Result<(String, &'static str)> {
        let said = said.and_then(|label| Encoding::for_label(label.as_bytes()));
        let mut decoded = decoded(bytes, said)?;
        let mut text = String::new();
        decoded.read_to_string(&mut text)?;
        Ok((text, decoded.name()))
    }

    #[test]
    fn what_is_said_found_or_marked_is_read_as_utf_8() {
        let text = "name;größe\n€ 漢字;𝄞\n".repeat(1000);
        let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let of = |bytes: &[u8], said| read(bytes, said).expect("text");
        assert_eq!(of(text.as_bytes(), None), (text.clone(), "UTF-8"));
        assert_eq!(of(&[b"\xef\xbb\xbf", text.as_bytes()].concat(), None), (text.clone(), "UTF-8"));
        assert_eq!(of(&wide(u16::to_le_bytes), None), (text.clone(), "UTF-16LE"));
        assert_eq!(of(&wide(u16::to_be_bytes), None), (text.clone(), "UTF-16BE"));
        assert_eq!(of(&[b"\xff\xfe".to_vec(), wide(u16::to_le_bytes)].concat(), Some("utf-8")), (text.clone(), "UTF-16LE"));
        assert_eq!(of(b"gr\xf6\xdfe \x80", Some("windows-1252")), ("größe €".to_owned(), "windows-1252"));
        for text in ["größe", "a", "€\n"] {
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(of(&wide, Some("utf-16le")).0, text, "also without an end of line");
        }
        assert!(read(b"a\0b\0\x00\xd8x", None).is_err() && read(b"\xf6", None).is_err());
        assert_eq!(of(b"", None), (String::new(), "UTF-8"));
    }
}
