//! JSON: a list of objects, or an object a line. A row is handed on before the next is read, and bounded twice: by the bytes
//! that it has in the file, and by what they become.

use std::cell::Cell as Counter;
use std::fmt;
use std::io::{BufReader, Read};
use std::rc::Rc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::{AWAY, Bounded, CELL, CHUNK, COLUMNS, Cell, Found, Layout, Lines, Stop, encoding, misnamed};
use crate::request::body::Strict;
use crate::request::number::{Numbers, Scanned, Scanner};

/// A row, or a list of rows, each of which is handed on before the next is read.
struct Rows<'l, 't> {
    lines: &'l mut Lines<'t>,
    left: &'l Counter<usize>,
    stop: &'l mut Option<Stop>,
    numbers: &'l Numbers,
}

impl Rows<'_, '_> {
    fn row<E: serde::de::Error>(&mut self, value: Json) -> Result<(), E> {
        let Json::Object(values) = value else { return Err(E::custom("an object is wanted")) };
        self.left.set(CELL + CHUNK);
        self.push(values).map_err(|stop| {
            *self.stop = Some(stop);
            E::custom("nobody listens")
        })
    }

    fn push(&mut self, values: Map<String, Json>) -> Result<(), Stop> {
        if values.len() > COLUMNS {
            return Err(self.lines.broken(format!("a row has at most {COLUMNS} columns")));
        }
        if let Some(words) = values.keys().find_map(|name| misnamed(name)) {
            return Err(self.lines.broken(words));
        }
        let (names, cells): (Vec<_>, Vec<_>) = values.into_iter().map(|(name, value)| (name, Cell::Json(value))).unzip();
        let place = u64::try_from(self.lines.number).unwrap_or(0) + 1;
        self.lines.push(place, &names.into(), cells, None)
    }
}

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        let value = Strict::within(&self.lines.row, self.numbers).deserialize(MapAccessDeserializer::new(map))?;
        self.row(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element_seed(Strict::within(&self.lines.row, self.numbers))? {
            self.row(value)?;
        }
        Ok(())
    }
}

/// Reads a file.
pub fn read(source: impl Read, layout: &Layout, lines: &mut Lines<'_>) -> Result<(), Stop> {
    let left = Rc::new(Counter::new(CELL + CHUNK));
    let source = encoding::decoded(Bounded { inner: source, left: Rc::clone(&left) }, layout.encoding)
        .map_err(|error| Stop::read(&error, || lines.broken("it can't be read")))?;
    _ = lines.found.set(Found { encoding: Some(source.name()), ..Found::default() });
    let reader = BufReader::with_capacity(CHUNK, source);
    let numbers = Numbers::default();
    let scanned = Scanned { inner: reader, numbers: &numbers, scanner: Scanner::default() };
    let mut values = serde_json::Deserializer::from_reader(scanned);
    while values.end().is_err() {
        let mut stop = None;
        let read = Rows { lines, left: &left, stop: &mut stop, numbers: &numbers }.deserialize(&mut values);
        read.map_err(|e| match (stop, e.io_error_kind(), e.classify()) {
            (Some(stop), ..) => stop,
            (_, Some(AWAY), _) => Stop::Away,
            (_, Some(_), _) => lines.broken(format!("a row has at most {CELL} bytes")),
            (.., serde_json::error::Category::Data) => {
                let words = e.to_string();
                let ours = words.split(" at line ").next().filter(|words| !words.starts_with("invalid type"));
                lines.broken(ours.unwrap_or("an object is wanted"))
            }
            _ => lines.broken("it is no JSON"),
        })?;
    }
    Ok(())
}
