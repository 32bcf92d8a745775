//! Secrets at rest: AES-256-GCM under a key that never enters the database.
//!
//! In charge of: the master key (from the configuration, or made in the data folder) and what it seals.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::config::Secret;

/// Seals and opens secrets.
pub struct Seal {
    key: RandomizedNonceKey,
    /// For what is derived: another key than the one that seals, made of it.
    derives: hmac::Key,
}

impl Seal {
    /// With the configured key, or the one in the data folder, which is made at first start.
    ///
    /// # Errors
    /// Words for the person who starts the server.
    pub fn open(configured: Option<&Secret>, data: &Path) -> Result<Seal, String> {
        let text = match configured {
            Some(secret) => secret.expose().to_owned(),
            None => from_folder(data)?,
        };
        let bytes = STANDARD.decode(text.trim()).map_err(|_| "the secret key is no base64".to_owned())?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| "the secret key has not 32 bytes".to_owned())?;
        let derives = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), b"rowhouse: what is derived");
        Ok(Seal { key, derives: hmac::Key::new(hmac::HMAC_SHA256, derives.as_ref()) })
    }

    /// What follows from a secret for a purpose: the same again for whoever has the key, and for nobody else.
    pub fn derive(&self, purpose: &str, secret: &str) -> String {
        let mut context = hmac::Context::with_key(&self.derives);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(secret.as_bytes());
        URL_SAFE_NO_PAD.encode(context.sign())
    }

    /// Seals bytes for a purpose; only the same purpose opens them.
    ///
    /// # Panics
    /// Never: sealing fails only beyond 64 GiB.
    pub fn seal(&self, purpose: &str, secret: &[u8]) -> Vec<u8> {
        let mut bytes = secret.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut bytes)
            .unwrap_or_else(|_| unreachable!("too long"));
        [nonce.as_ref().as_slice(), &bytes].concat()
    }

    /// Seals text for a purpose, as PostgreSQL reads bytes from text.
    pub fn seal_text(&self, purpose: &str, secret: &str) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let sealed = self.seal(purpose, secret.as_bytes());
        let digits = sealed.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)]));
        "\\x".chars().chain(digits).collect()
    }

    /// Opens what was sealed; none where the key or the purpose is another.
    pub fn unseal(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, bytes) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = bytes.to_vec();
        let open = self.key.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut bytes).ok()?;
        Some(open.to_vec())
    }
}

fn from_folder(data: &Path) -> Result<String, String> {
    let path = data.join("secret.key");
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    fs::create_dir_all(data).map_err(told)?;
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "no randomness".to_owned())?;
    match File::options().create_new(true).write(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let text = STANDARD.encode(bytes);
            file.write_all(text.as_bytes()).map_err(told)?;
            Ok(text)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => fs::read_to_string(&path).map_err(told),
        Err(e) => Err(told(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_purpose_open() {
        let key = |byte: u8| Secret::new(STANDARD.encode([byte; 32]));
        let seal = Seal::open(Some(&key(1)), Path::new("/nowhere")).expect("a key");
        let sealed = seal.seal("a", b"geheim");
        assert_eq!(seal.unseal("a", &sealed).as_deref(), Some(b"geheim".as_slice()));
        assert_eq!(seal.unseal("b", &sealed), None);
        assert_eq!(seal.unseal("a", b"short"), None);
        assert_ne!(seal.seal("a", b"geheim"), sealed, "a nonce is used once");
        let other = Seal::open(Some(&key(2)), Path::new("/nowhere")).expect("a key");
        assert_eq!(other.unseal("a", &sealed), None);
        assert_eq!(seal.derive("a", "x"), seal.derive("a", "x"));
        let all = [seal.derive("a", "x"), seal.derive("b", "x"), seal.derive("a", "y"), other.derive("a", "x")];
        assert!(all.iter().all(|one| one.len() == 43 && all.iter().filter(|other| *other == one).count() == 1));
    }
}
