//! Access tokens: JWTs that name a session.
//!
//! In charge of: the signing key (Ed25519, made at first start, kept sealed in the database), signing, and verifying
//! strictly: one algorithm, one type, issuer, audience, `nbf` and `exp`. What a token is worth the session decides.

use std::collections::HashMap;
use std::sync::Mutex;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::seal::Seal;
use crate::config;
use crate::error::{Error, Result};
use crate::statement::Statement;
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
    public: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    settings: config::Token,
    /// Tokens whose signature was verified: session and time by their digest. Only arithmetic is spared; what a token is
    /// worth is asked of its session every time.
    verified: Mutex<HashMap<[u8; 32], Good>>,
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
        scope.run(&Statement::fixed("lock table rowhouse.signing_key in share row exclusive mode", vec![])).await?;
        let insert = "insert into rowhouse.signing_key (kid, public, sealed) select $1, decode($2, 'hex'), decode($3, 'hex') \
             where not exists (select from rowhouse.signing_key where retired_at is null)";
        scope.run(&Statement::fixed(insert, vec![Some(made.0), Some(made.1), Some(made.2)])).await?;
        let find =
            "select kid, public, sealed from rowhouse.signing_key where retired_at is null order by created_at desc limit 1";
        let rows = scope.run(&Statement::fixed(find, vec![])).await?;
        scope.commit().await?;
        let row = rows.first().ok_or_else(|| Error::internal("no signing key"))?;
        let (kid, public) = (row.text(0).unwrap_or_default().to_owned(), row.raw(1).unwrap_or_default());
        let private = row.raw(2).and_then(|sealed| seal.unseal("signing-key", sealed));
        let private = private.ok_or_else(|| {
            Error::internal("the database's keys were sealed with another secret_key than the one configured here")
        })?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.unsigned_abs();
        Ok(Tokens {
            public: URL_SAFE_NO_PAD.encode(public),
            verifying: DecodingKey::from_ed_der(public),
            signing: EncodingKey::from_ed_der(&private),
            kid,
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
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.kid.clone());
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
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(Error::internal)
    }

    /// The session that a token names, if it is one of ours and in time.
    pub fn session(&self, token: &str) -> Option<Uuid> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        let key: [u8; 32] = digest.as_ref().try_into().ok()?;
        let verified = || self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = verified().get(&key).copied();
        let good = match known {
            Some(good) => good,
            None => {
                let claims = self.verify(token)?;
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
        (good.not_before - LEEWAY <= now && now <= good.expires + LEEWAY).then_some(good.session)
    }

    /// What a token says, if it is one of ours and in time.
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let ours =
            header.typ.as_deref() == Some("at+jwt") && header.kid.as_deref() == Some(&self.kid) && header.alg == Algorithm::EdDSA;
        if !ours || token.len() > 4096 {
            return None;
        }
        jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation).ok().map(|data| data.claims)
    }

    /// The public keys, as a JWK set.
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": self.public}]})
    }
}

/// Key id, public key and sealed private key, the latter two in hexadecimal.
fn make(seal: &Seal) -> Result<(String, String, String)> {
    let pair = Ed25519KeyPair::generate().map_err(|_| Error::internal("no key could be made"))?;
    let document = pair.to_pkcs8v1().map_err(|_| Error::internal("no key could be made"))?;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let sealed = seal.seal("signing-key", document.as_ref());
    Ok((Uuid::now_v7().to_string(), hex(pair.public_key().as_ref()), hex(&sealed)))
}
