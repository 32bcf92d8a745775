//! Access tokens: JWTs that name a session.
//!
//! In charge of: the signing key (Ed25519, made at first start, kept sealed in the database), signing, and verifying
//! strictly: one algorithm, one type, issuer, audience, `nbf` and `exp`. What a token is worth the session decides.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::seal::Seal;
use crate::config;
use crate::error::{Error, Over, Result};
use crate::statement::account::{self, NewKey, SigningKey};
use crate::store::Store;

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// The user's id.
    pub sub: Uuid,
    /// The session's id.
    pub sid: Uuid,
    /// The user's address, for front ends to show.
    pub email: String,
    /// Seconds since 1970.
    pub iat: i64,
    /// Not before.
    pub nbf: i64,
    /// Not after.
    pub exp: i64,
}

/// A secret of 256 bits, for letters and browsers: what is kept of it is its [`hash`].
///
/// # Errors
/// 500 where the machine has no randomness.
pub fn fresh() -> Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret of 256 bits.
pub fn hash(secret: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// The key that signs, and the rules that verify.
pub struct Tokens {
    kid: String,
    /// The ids of keys of ours that sign no more.
    retired: HashSet<String>,
    public: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    settings: config::Token,
    /// Tokens whose signature was verified: session and time by their digest. Only arithmetic is spared; what a token is
    /// worth is asked of its session every time.
    verified: Mutex<HashMap<[u8; 32], Good>>,
}

/// What a token is worth, as far as it tells by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// It names this session; what that is worth the database says.
    Session(Uuid),
    /// It is one of ours that is good no more.
    Over(Over),
    /// It was never ours.
    Nothing,
}

/// What was verified of a token.
#[derive(Debug, Clone, Copy)]
struct Good {
    session: Uuid,
    not_before: i64,
    expires: i64,
}

/// Most tokens that are remembered as verified.
const VERIFIED: usize = 10_000;
/// Longest token, in bytes.
const LONGEST: usize = 4096;
/// Seconds that clocks may differ.
const LEEWAY: i64 = 5;

impl Tokens {
    /// Loads the signing key; makes it when there is none yet. Any number of servers may do so at once.
    ///
    /// # Errors
    /// What the database ran into, or that the key can't be unsealed: another secret key is configured than it was made with.
    pub async fn load(store: &Store, seal: &Seal, settings: &config::Token) -> Result<Tokens> {
        let made = make(seal)?;
        let mut scope = store.begin().await?;
        scope.run(&account::lock_keys()).await?;
        scope.run(&account::keep_key(&made)).await?;
        let found = scope.run(&account::signing_key()).await?;
        let retired = scope.run(&account::retired_keys()).await?.into_iter().collect();
        scope.commit().await?;
        let SigningKey { id: kid, public, sealed } = found.ok_or_else(|| Error::internal("no signing key"))?;
        let private = seal.unseal("signing-key", &sealed).ok_or_else(|| {
            Error::internal("the database's keys were sealed with another secret_key than the one configured here")
        })?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.validate_exp = false; // what is over is told apart from what was never ours
        validation.leeway = LEEWAY.unsigned_abs();
        Ok(Tokens {
            public: URL_SAFE_NO_PAD.encode(&public),
            verifying: DecodingKey::from_ed_der(&public),
            signing: EncodingKey::from_ed_der(&private),
            kid,
            retired,
            validation,
            settings: settings.clone(),
            verified: Mutex::default(),
        })
    }

    /// Signs a token for a session.
    ///
    /// # Errors
    /// Only where the key is broken.
    pub fn sign(&self, user: Uuid, session: Uuid, email: &str) -> Result<String> {
        let now = jiff::Timestamp::now().as_second();
        let life = i64::try_from(self.settings.life.as_secs()).unwrap_or(3600);
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            aud: self.settings.audience.clone(),
            sub: user,
            sid: session,
            email: email.to_owned(),
            iat: now,
            nbf: now,
            exp: now + life,
        };
        self.sign_for(&claims)
    }

    /// Signs what a token says.
    ///
    /// # Errors
    /// Only where the key is broken.
    pub fn sign_for(&self, claims: &Claims) -> Result<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.signing).map_err(Error::internal)
    }

    /// What a token is worth, as far as it tells by itself.
    pub fn worth(&self, token: &str) -> Worth {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        let Ok(key) = <[u8; 32]>::try_from(digest.as_ref()) else { return Worth::Nothing };
        let verified = || self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = verified().get(&key).copied();
        let good = match known {
            Some(good) => good,
            None => {
                let claims = match self.verify(token) {
                    Ok(claims) => claims,
                    Err(worth) => return worth,
                };
                let good = Good { session: claims.sid, not_before: claims.nbf, expires: claims.exp };
                let mut verified = verified();
                if verified.len() >= VERIFIED {
                    verified.clear();
                }
                verified.insert(key, good);
                good
            }
        };
        let now = jiff::Timestamp::now().as_second();
        match (good.not_before - LEEWAY <= now, now <= good.expires + LEEWAY) {
            (true, true) => Worth::Session(good.session),
            (_, false) => Worth::Over(Over::Expired),
            (false, true) => Worth::Nothing,
        }
    }

    /// What a token says, if its signature is ours. No claim is looked up of any other; of one that names a key of ours that
    /// signs no more, none is needed.
    ///
    /// # Errors
    /// What it is worth else.
    pub fn verify(&self, token: &str) -> Result<Claims, Worth> {
        let nothing = |_| Worth::Nothing;
        let header = jsonwebtoken::decode_header(token).map_err(nothing)?;
        if token.len() > LONGEST || header.typ.as_deref() != Some("at+jwt") || header.alg != Algorithm::EdDSA {
            return Err(Worth::Nothing);
        }
        match header.kid {
            Some(kid) if kid == self.kid => {}
            Some(kid) if self.retired.contains(&kid) => return Err(Worth::Over(Over::Expired)),
            Some(_) | None => return Err(Worth::Nothing),
        }
        jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation).map(|data| data.claims).map_err(nothing)
    }

    /// The public keys, as a JWK set.
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": self.public}]})
    }
}

fn make(seal: &Seal) -> Result<NewKey> {
    let pair = Ed25519KeyPair::generate().map_err(|_| Error::internal("no key could be made"))?;
    let document = pair.to_pkcs8v1().map_err(|_| Error::internal("no key could be made"))?;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let sealed = seal.seal("signing-key", document.as_ref());
    Ok(NewKey { id: Uuid::now_v7().to_string(), public: hex(pair.public_key().as_ref()), sealed: hex(&sealed) })
}
