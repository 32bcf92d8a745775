//! The XML of a workbook's parts, token by token.
//!
//! In charge of: bounds on a token and on nesting, so that nothing of a part stands in memory but where its reader is.

use std::cell::Cell as Counter;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Bounded, CELL, CHUNK, Stop};

/// Most bytes of a token: a tag with its attributes, or text between tags.
const TOKEN: usize = CELL;
/// Deepest that elements stand in each other.
const DEPTH: usize = 64;
pub fn broken() -> Stop {
    Stop::Broken("It is no XLSX file that can be read.".to_owned())
}

pub fn unreadable(error: &io::Error) -> Stop {
    Stop::read(error, || match error.kind() {
        io::ErrorKind::FileTooLarge => Stop::Broken("It is no XLSX file that can be read: it unpacks to too much.".to_owned()),
        _ => broken(),
    })
}

/// A part's XML, token by token.
pub struct Xml<R> {
    reader: Reader<BufReader<Bounded<R>>>,
    left: Rc<Counter<usize>>,
    buffer: Vec<u8>,
    depth: usize,
}

/// A token, as far as one is of interest here.
pub enum Token<'b> {
    /// A tag opens; whether it closes at once.
    Open(BytesStart<'b>, bool),
    /// A tag closes.
    Close(String),
    /// A piece of text.
    Text(String),
    Other,
    End,
}

impl<R: Read> Xml<R> {
    pub fn new(part: R) -> Xml<R> {
        let left = Rc::new(Counter::new(0));
        let mut reader = Reader::from_reader(BufReader::with_capacity(CHUNK, Bounded { inner: part, left: Rc::clone(&left) }));
        reader.config_mut().check_end_names = true;
        Xml { reader, left, buffer: vec![], depth: 0 }
    }

    pub fn next(&mut self) -> Result<Token<'_>, Stop> {
        self.left.set(TOKEN + CHUNK);
        self.buffer.clear();
        let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| match error {
            quick_xml::Error::Io(error) => unreadable(&error),
            _ => broken(),
        })?;
        Ok(match event {
            Event::Start(tag) => {
                self.depth += 1;
                if self.depth > DEPTH {
                    return Err(broken());
                }
                Token::Open(tag, false)
            }
            Event::Empty(tag) => Token::Open(tag, true),
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                Token::Close(tag.local_name().as_ref().to_owned())
            }
            Event::Text(text) => Token::Text(text.xml10_content().into_owned()),
            Event::CData(text) => Token::Text(text.xml10_content().into_owned()),
            Event::GeneralRef(name) => Token::Text(match name.resolve_char_ref().map_err(|_| broken())? {
                Some(letter) => letter.to_string(),
                // What a document type declares is not read, so there are no others.
                None => quick_xml::escape::resolve_predefined_entity(&name.xml10_content()).ok_or_else(broken)?.to_owned(),
            }),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => Token::Other,
            Event::Eof => Token::End,
        })
    }
}

pub fn is(tag: &BytesStart<'_>, name: &str) -> bool {
    tag.local_name().as_ref() == name
}

/// An attribute by its local name. (That none stands twice is not looked at: it would cost the square of their number.)
pub fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, Stop> {
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| broken())?;
        if attribute.key.local_name().as_ref() == name {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| broken())?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

/// Where a reader of rich text is: in a `t`, and not in one that says how the others are pronounced.
#[derive(Default)]
pub struct Reading {
    in_text: bool,
    in_phonetics: bool,
}

impl Reading {
    pub fn open(&mut self, tag: &BytesStart<'_>, is_empty: bool) {
        match tag.local_name().as_ref() {
            "t" => self.in_text = !is_empty,
            "rPh" => self.in_phonetics = !is_empty,
            _ => {}
        }
    }

    pub fn close(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "rPh" => self.in_phonetics = false,
            _ => {}
        }
    }

    pub fn is_text(&self) -> bool {
        self.in_text && !self.in_phonetics
    }
}

/// A text whose characters that XML can't hold are written as `_x000D_`, and such writing itself as `_x005F_x000D_`.
pub fn unescaped(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("_x") {
        let code = rest.get(at + 2..at + 6).filter(|_| rest[at + 6..].starts_with('_'));
        let letter = code.filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let letter = letter.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?)).filter(|letter| *letter != '\0');
        let (written, after) =
            letter.map_or((rest.get(at..at + 2).map(str::to_owned), at + 2), |letter| (Some(letter.to_string()), at + 7));
        plain.push_str(&rest[..at]);
        plain.extend(written);
        rest = &rest[after..];
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_read_as_what_it_is() {
        assert_eq!(unescaped("a_x000D_\n_x005F_x000D_ _x00zz_ _x12 größe_x"), "a\r\n_x000D_ _x00zz_ _x12 größe_x");
    }
}
