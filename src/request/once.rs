//! `Idempotency-Key`: a request that is to be done once, however often it arrives.
//!
//! In charge of: what makes two requests the same. Pure.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Fault;

/// The header's name.
pub const HEADER: &str = "Idempotency-Key";

/// A key, and the request that it stands for. Whose it is, the database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Method and path.
    pub place: String,
    /// The key.
    pub key: String,
    /// The hash of the body.
    pub body: String,
}

impl Once {
    /// Reads the header of a request.
    ///
    /// # Errors
    /// A fault where the key is empty, longer than 255 characters, or not printable ASCII.
    pub fn read(header: Option<&str>, method: &str, path: &str, body: &[u8]) -> Result<Option<Once>, Fault> {
        let Some(key) = header else { return Ok(None) };
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            let words = format!("`{HEADER}` has 1 to 255 printable characters of ASCII.");
            return Err(Fault::new("bad-header", words).header(HEADER));
        }
        let body = URL_SAFE_NO_PAD.encode(digest(&SHA256, body));
        Ok(Some(Once { place: format!("{method} {path}"), key: key.to_owned(), body }))
    }
}
