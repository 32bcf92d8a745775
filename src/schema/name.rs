//! Names and texts as SQL has them, and names of the database's objects: readable, cut to what PostgreSQL keeps, and told apart.

/// A text as SQL wants it.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// An identifier as SQL wants it.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Longest name that PostgreSQL keeps, in bytes; what is longer is cut.
const NAME: usize = 63;

/// The table of a relation of many to many.
pub fn table_name(entity: &str, relation: &str) -> String {
    let plain = format!("{entity}.{relation}");
    if plain.len() <= NAME { plain } else { hashed(plain.clone(), "links", &plain) }
}

/// A name for an index or constraint: readable, at most 63 bytes, and different for every definition, so that the
/// catalog's names alone tell what is there.
pub fn object_name(entity: &str, part: &str, kind: &str, definition: &str) -> String {
    let head = format!("{entity}.{part}");
    // What is cut doesn't tell whose it is any more.
    let is_whole = head.len() + kind.len() + HASH + 2 <= NAME;
    let told = if is_whole { definition.to_owned() } else { format!("{head}\0{definition}") };
    hashed(head, kind, &told)
}

/// How many letters of a digest stand in a name.
const HASH: usize = 8;

fn hashed(mut head: String, kind: &str, told: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, told.as_bytes());
    let hash: String = digest.as_ref()[..HASH / 2].iter().map(|b| format!("{b:02x}")).collect();
    while head.len() + kind.len() + hash.len() + 2 > NAME {
        head.pop();
    }
    format!("{head}.{kind}.{hash}")
}
