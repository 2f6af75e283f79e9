//! Nonces that the server recognises without having kept them: a time, chance, and a code over both.
//!
//! The key is made anew at each start: a nonce of before is asked for again. That one is used once is seen
//! to by whoever takes it, in the database.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Seconds for which a nonce is good.
pub const LIFETIME: u64 = 300;

/// Bytes of time and chance.
const STATED: usize = 24;

/// Makes and recognises nonces.
pub(super) struct Nonces {
    key: Zeroizing<[u8; 64]>,
}

impl Nonces {
    /// # Errors
    /// Where the system gives no random bytes.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 64]);
        getrandom::fill(key.as_mut_slice())?;
        Ok(Self { key })
    }

    /// A new one.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(super) fn make(&self, now: OffsetDateTime) -> Result<String, getrandom::Error> {
        let mut nonce = [0; STATED];
        let (time, chance) = nonce.split_at_mut(8);
        time.copy_from_slice(&now.unix_timestamp().to_be_bytes());
        getrandom::fill(chance)?;
        let code = self.code(&nonce).finalize().into_bytes();
        let mut all = nonce.to_vec();
        all.extend_from_slice(&code);
        Ok(BASE64URL_NOPAD.encode(&all))
    }

    /// When a nonce ends, seconds since 1970, if it is one of ours that is good now.
    pub(super) fn end(&self, nonce: &str, now: OffsetDateTime) -> Option<i64> {
        let all = BASE64URL_NOPAD.decode(nonce.as_bytes()).ok()?;
        let (stated, code) = all.split_at_checked(STATED)?;
        self.code(stated).verify_slice(code).ok()?;
        let made = i64::from_be_bytes(stated.get(..8)?.try_into().ok()?);
        let end = made.saturating_add(LIFETIME.try_into().ok()?);
        (now.unix_timestamp() < end).then_some(end)
    }

    fn code(&self, stated: &[u8]) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new(&(*self.key).into());
        code.update(b"fh nonce");
        code.update(stated);
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_five_minutes_at_the_server_that_made_it() {
        let now = OffsetDateTime::from_unix_timestamp(1_000_000).unwrap();
        let after = |seconds| now + time::Duration::seconds(seconds);
        let (ours, theirs) = (Nonces::new().unwrap(), Nonces::new().unwrap());
        let nonce = ours.make(now).unwrap();
        assert_ne!(nonce, ours.make(now).unwrap());
        assert_eq!(ours.end(&nonce, after(299)), Some(1_000_300));
        assert_eq!(ours.end(&nonce, after(300)), None);
        assert_eq!(theirs.end(&nonce, now), None);
        for bad in ["", "AAAA", "!", &nonce[1..]] {
            assert_eq!(ours.end(bad, now), None, "{bad}");
        }
        let mut bytes = BASE64URL_NOPAD.decode(nonce.as_bytes()).unwrap();
        bytes[7] ^= 1;
        assert_eq!(ours.end(&BASE64URL_NOPAD.encode(&bytes), now), None);
    }
}
