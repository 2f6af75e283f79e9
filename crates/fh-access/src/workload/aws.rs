//! AWS, which gives no JWTs: a signed `sts:GetCallerIdentity` that its owner hands over instead of
//! sending it. The server sends it on, and AWS says whose signature it is.
//!
//! Invariants:
//! - it is sent to an address of the server's own list alone, never to one that the client chose, and
//!   nothing but what that one request needs is sent;
//! - the signature covers the name of this server and a nonce of it: a request that was made for another
//!   service, or captured on its way, opens nothing here;
//! - what AWS answers is taken apart strictly; what is not understood is refused.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use fh_api::oauth::{AWS_BODY, AWS_NONCE_HEADER, AWS_SERVER_HEADER, SignedCallerIdentity};
use fh_auth::policy::AWS_ISSUER;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::macros::format_description;
use url::Url;

use super::acting::Audiences;
use super::fetch::{self, Unreachable};

/// Seconds by which `X-Amz-Date` may differ from now.
const MAX_AGE: i64 = 15 * 60;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// The longest request that is looked at, in bytes of base64.
const MAX_REQUEST: usize = 12 << 10;

/// The headers that are sent on.
const FORWARDED: [&str; 9] = [
    "accept",
    "authorization",
    "content-type",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-user-agent",
    AWS_NONCE_HEADER,
    AWS_SERVER_HEADER,
];

/// Those that the signature must cover.
const SIGNED: [&str; 4] = ["host", "x-amz-date", AWS_NONCE_HEADER, AWS_SERVER_HEADER];

/// A request that may be sent on.
#[derive(Debug)]
pub(super) struct Checked {
    url: Url,
    headers: BTreeMap<String, String>,
    /// The nonce that it is bound to, which must be one of this server's.
    pub(super) nonce: String,
    /// The audience of this server that it is bound to.
    pub(super) audience: String,
}

/// Checks all that can be known without asking AWS.
///
/// # Errors
/// What is wrong, for the one who sent it.
pub(super) fn check(
    text: &str,
    audiences: &Audiences,
    endpoints: &[String],
    now: OffsetDateTime,
) -> Result<Checked, &'static str> {
    const UNREADABLE: &str = "the identity is not a signed request of AWS";
    if text.len() > MAX_REQUEST {
        return Err(UNREADABLE);
    }
    let json = BASE64URL_NOPAD
        .decode(text.trim().as_bytes())
        .map_err(|_| UNREADABLE)?;
    let request: SignedCallerIdentity = serde_json::from_slice(&json).map_err(|_| UNREADABLE)?;
    let url = endpoint(&request.url, endpoints)
        .ok_or("the signed request is not for an endpoint of AWS's Security Token Service")?;
    if request.body != AWS_BODY {
        return Err("the signed request does not ask for the caller's identity alone");
    }
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    if request
        .headers
        .iter()
        .any(|(name, value)| !is_plain(name, value))
    {
        return Err("a header of the signed request is not readable");
    }
    let audience = header(AWS_SERVER_HEADER)
        .filter(|named| audiences.accepts(named))
        .ok_or("the signed request is for another server")?
        .to_owned();
    let nonce = header(AWS_NONCE_HEADER)
        .ok_or("the signed request has no nonce of this server")?
        .to_owned();
    let authorization = header("authorization").ok_or("the signed request has no signature")?;
    let signed = signed_headers(authorization).ok_or("the signature cannot be read")?;
    if SIGNED.iter().any(|needed| !signed.contains(needed)) {
        return Err("the signature does not cover all that binds it to this server");
    }
    let sent = |name: &str| name == "host" || FORWARDED.contains(&name);
    if signed.iter().any(|name| !sent(name)) {
        return Err("the signature covers headers that are not forwarded");
    }
    if header("host").is_some_and(|host| Some(host) != host_of(&url).as_deref()) {
        return Err("the signed request is for another host");
    }
    let date = header("x-amz-date").and_then(amz_date);
    let recent = |at: OffsetDateTime| (now - at).whole_seconds().abs() <= MAX_AGE;
    if !date.is_some_and(recent) {
        return Err("the signed request is older than 15 minutes");
    }
    let headers = request
        .headers
        .into_iter()
        .filter(|(name, _)| FORWARDED.contains(&name.as_str()))
        .collect();
    Ok(Checked {
        url,
        headers,
        nonce,
        audience,
    })
}

fn is_plain(name: &str, value: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty()
        && name.bytes().all(token)
        && value
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// The address, if it is one of AWS's or of the operator's.
fn endpoint(text: &str, endpoints: &[String]) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !plain {
        return None;
    }
    let named = endpoints
        .iter()
        .any(|endpoint| Url::parse(endpoint).is_ok_and(|endpoint| endpoint == url));
    let of_aws = url.scheme() == "https"
        && url.port().is_none()
        && url.host_str().is_some_and(|host| {
            let china = host.strip_suffix(".amazonaws.com.cn");
            match (host.strip_suffix(".amazonaws.com"), china) {
                (Some("sts"), _) => true,
                (Some(name), _) => name.strip_prefix("sts.").is_some_and(is_region),
                (None, Some(name)) => name
                    .strip_prefix("sts.")
                    .is_some_and(|region| region.starts_with("cn-") && is_region(region)),
                (None, None) => false,
            }
        });
    (named || of_aws).then_some(url)
}

/// `eu-central-1`, `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    let Some((number, names)) = words.split_last() else {
        return false;
    };
    let is_name = |word: &&str| {
        (2..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    (2..=3).contains(&names.len())
        && names.iter().all(is_name)
        && number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn host_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// What a signature of version 4 covers.
fn signed_headers(authorization: &str) -> Option<Vec<&str>> {
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let mut signed = None;
    for part in rest.split(',') {
        let (name, value) = part.trim().split_once('=')?;
        match name {
            "SignedHeaders" if signed.is_none() => signed = Some(value.split(';').collect()),
            "Credential" | "Signature" => {}
            _ => return None,
        }
    }
    signed
}

/// `20261128T213026Z`.
fn amz_date(text: &str) -> Option<OffsetDateTime> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let at = time::PrimitiveDateTime::parse(text, format).ok()?;
    Some(at.assume_utc())
}

/// Asks AWS whose signature it is: the claims; none where AWS refuses it.
pub(super) async fn ask(checked: Checked) -> Result<Option<Map<String, Value>>, Unreachable> {
    let mut request = fetch::client()?.post(checked.url).body(AWS_BODY);
    for (name, value) in &checked.headers {
        request = request.header(name, value);
    }
    if !checked.headers.contains_key("content-type") {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    let (status, answer) = fetch::any_answer(request, MAX_ANSWER).await?;
    if status.is_client_error() {
        return Ok(None);
    }
    if status != http::StatusCode::OK {
        return Err(Unreachable::Status(status));
    }
    let text =
        std::str::from_utf8(&answer).map_err(|_| Unreachable::Content("the answer is not text"))?;
    claims(text)
        .map(Some)
        .ok_or(Unreachable::Content("the answer is invalid"))
}

/// The claims in `GetCallerIdentityResponse`.
fn claims(answer: &str) -> Option<Map<String, Value>> {
    let result = element(answer, "GetCallerIdentityResult")?;
    let account = element(result, "Account")?;
    let arn = element(result, "Arn")?;
    let user_id = element(result, "UserId")?;
    // Nothing of what is in there has to be escaped.
    if [account, arn, user_id]
        .iter()
        .any(|text| text.is_empty() || text.contains(['<', '>', '&']) || text.len() > 2048)
    {
        return None;
    }
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let [scheme, partition, service, _region, of_account, resource] = fields.as_slice() else {
        return None;
    };
    if *scheme != "arn" || *of_account != account {
        return None;
    }
    let mut claims = Map::new();
    let mut claim = |name: &str, value: &str| {
        claims.insert(name.to_owned(), Value::from(value));
    };
    claim("iss", AWS_ISSUER);
    claim("sub", arn);
    claim("account", account);
    claim("arn", arn);
    claim("user_id", user_id);
    if let ("sts", Some(assumed)) = (*service, resource.strip_prefix("assumed-role/")) {
        let (role, session) = assumed.split_once('/')?;
        if role.is_empty() || session.is_empty() || session.contains('/') {
            return None;
        }
        // AWS leaves the role's path out here, so that it is left out in policies too.
        claim(
            "role_arn",
            &format!("arn:{partition}:iam::{account}:role/{role}"),
        );
        claim("role", role);
        claim("session_name", session);
    } else if let ("iam", Some(user)) = (*service, resource.strip_prefix("user/")) {
        claim("user", user.rsplit('/').next().unwrap_or(user));
    }
    Some(claims)
}

/// The text of the one element of that name, without attributes.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let (_, rest) = text.split_once(&open)?;
    let (inner, after) = rest.split_once(&close)?;
    (!rest.contains(&open) && !after.contains(&close)).then_some(inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const AUDIENCE: &str = "urn:fh:1";

    fn audiences() -> Audiences {
        Audiences::new(AUDIENCE, "https://cache.example")
    }

    fn now() -> OffsetDateTime {
        amz_date("20261128T213026Z").unwrap()
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a `json!` is written in place"
    )]
    fn request(change: Value) -> Value {
        let mut request = json!({
            "url": "https://sts.eu-central-1.amazonaws.com/",
            "body": AWS_BODY,
            "headers": {
                "host": "sts.eu-central-1.amazonaws.com",
                "content-type": "application/x-www-form-urlencoded",
                "x-amz-date": "20261128T213026Z",
                "x-fh-server": AUDIENCE,
                "x-fh-nonce": "n",
                "authorization": "AWS4-HMAC-SHA256 \
                    Credential=AKIA/20261128/eu-central-1/sts/aws4_request, \
                    SignedHeaders=content-type;host;x-amz-date;x-fh-nonce;x-fh-server, Signature=ab",
            },
        });
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Object(headers) => {
                    for (name, value) in headers {
                        let all = request["headers"].as_object_mut().unwrap();
                        if value.is_null() {
                            all.remove(name);
                        } else {
                            all.insert(name.clone(), value.clone());
                        }
                    }
                }
                value => request[name] = value.clone(),
            }
        }
        request
    }

    fn checked(request: &Value) -> Result<Checked, &'static str> {
        let text = BASE64URL_NOPAD.encode(request.to_string().as_bytes());
        check(&text, &audiences(), &[], now())
    }

    #[test]
    fn a_request_that_is_bound_to_this_server_is_sent_on_with_what_it_needs_alone() {
        let extra =
            json!({ "headers": { "cookie": "x", "x-forwarded-for": "y", "content-length": "9" } });
        let taken = checked(&request(extra)).unwrap();
        assert_eq!(taken.nonce, "n");
        let names: Vec<&String> = taken.headers.keys().collect();
        assert_eq!(
            names,
            [
                "authorization",
                "content-type",
                "x-amz-date",
                "x-fh-nonce",
                "x-fh-server"
            ]
        );
    }

    #[test]
    fn whatever_is_not_bound_or_not_for_aws_is_refused() {
        let without = |header: &str| {
            let covered: Vec<&str> = [
                "content-type",
                "host",
                "x-amz-date",
                "x-fh-nonce",
                "x-fh-server",
            ]
            .into_iter()
            .filter(|name| *name != header)
            .collect();
            let signed = covered.join(";");
            json!({ "headers": { "authorization":
                format!("AWS4-HMAC-SHA256 Credential=a, SignedHeaders={signed}, Signature=b") } })
        };
        for change in [
            json!({ "url": "https://evil.example/" }),
            json!({ "url": "http://sts.eu-central-1.amazonaws.com/" }),
            json!({ "url": "https://sts.eu-central-1.amazonaws.com:444/" }),
            json!({ "url": "https://sts.eu-central-1.amazonaws.com/x" }),
            json!({ "url": "https://sts.eu-central-1.amazonaws.com/?Action=x" }),
            json!({ "url": "https://u@sts.eu-central-1.amazonaws.com/" }),
            json!({ "body": "Action=GetSessionToken&Version=2011-06-15" }),
            json!({ "headers": { "x-fh-server": "urn:fh:2" } }),
            json!({ "headers": { "x-fh-server": null } }),
            json!({ "headers": { "x-fh-nonce": null } }),
            json!({ "headers": { "authorization": null } }),
            json!({ "headers": { "authorization": "Bearer x" } }),
            json!({ "headers": { "host": "evil.example" } }),
            json!({ "headers": { "x-amz-date": "20261128T211500Z" } }),
            json!({ "headers": { "x-amz-date": "20261128T214600Z" } }),
            json!({ "headers": { "x-amz-date": null } }),
            json!({ "headers": { "x-fh-nonce": "a\r\nb" } }),
            without("host"),
            without("x-amz-date"),
            without("x-fh-nonce"),
            without("x-fh-server"),
            json!({ "headers": { "authorization":
                "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host;x-amz-date;x-fh-nonce;x-fh-server;x-other, Signature=b" } }),
        ] {
            assert!(checked(&request(change.clone())).is_err(), "{change}");
        }
    }

    #[test]
    fn endpoints_are_those_of_aws_and_of_the_operator() {
        for good in [
            "https://sts.amazonaws.com/",
            "https://sts.us-gov-west-1.amazonaws.com",
            "https://sts.cn-north-1.amazonaws.com.cn/",
        ] {
            assert!(endpoint(good, &[]).is_some(), "{good}");
        }
        for bad in [
            "https://sts.amazonaws.com.evil.example/",
            "https://evil.amazonaws.com/",
            "https://sts.evil.amazonaws.com/",
            "https://sts.a.b-c-1.amazonaws.com/",
            "https://sts.s3-bucket-1x.amazonaws.com/",
            "https://bucket.sts.eu-west-1.amazonaws.com/",
            "https://sts.eu-west-1.amazonaws.com.cn/",
            "http://127.0.0.1:5000/",
        ] {
            assert!(endpoint(bad, &[]).is_none(), "{bad}");
        }
        let named = ["http://127.0.0.1:5000".to_owned()];
        assert!(endpoint("http://127.0.0.1:5000/", &named).is_some());
        assert!(endpoint("http://127.0.0.1:5001/", &named).is_none());
    }

    fn answer(account: &str, arn: &str) -> String {
        format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetCallerIdentityResult><Arn>{arn}</Arn><UserId>AROA:s</UserId>\
             <Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
    }

    #[test]
    fn an_assumed_role_is_named_by_its_role() {
        let arn = "arn:aws:sts::123456789012:assumed-role/builder/i-0abc";
        let found = claims(&answer("123456789012", arn)).unwrap();
        assert_eq!(found["role_arn"], "arn:aws:iam::123456789012:role/builder");
        assert_eq!(found["role"], "builder");
        assert_eq!(found["session_name"], "i-0abc");
        let user = "arn:aws:iam::123456789012:user/team/ann";
        let found = claims(&answer("123456789012", user)).unwrap();
        assert_eq!(found["user"], "ann");
        assert!(!found.contains_key("role"));
    }

    #[test]
    fn an_odd_answer_is_refused() {
        let role = "arn:aws:sts::123456789012:assumed-role/builder/s";
        for odd in [
            answer("123456789013", role),
            answer("12345", "arn:aws:iam::12345:root"),
            answer(
                "123456789012",
                "arn:aws:sts::123456789012:assumed-role/builder",
            ),
            answer(
                "123456789012",
                "arn:aws:sts::123456789012:assumed-role/a/b/c",
            ),
            answer("123456789012", &format!("{role}</Arn><Arn>{role}")),
            answer("123456789012", "&lt;"),
            String::new(),
            "<html>".to_owned(),
        ] {
            assert_eq!(claims(&odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}", authorization in ".{0,60}") {
            let _ = check(&text, &audiences(), &[], now());
            let _ = claims(&text);
            let _ = endpoint(&text, &[]);
            let _ = signed_headers(&authorization);
        }
    }
}
