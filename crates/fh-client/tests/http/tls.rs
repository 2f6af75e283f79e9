//! Which certificates of a server are trusted, and what is said of the others.

use std::net::SocketAddr;
use std::sync::Arc;

use fh_client::{Client, Error, UnreachableCause};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Where all servers of these tests are.
const HOST: &str = "127.0.0.1";

const SELF_SIGNED: &str =
    "it is self-signed, and is not one of the certificates that this machine trusts";

/// A certificate for these hosts, with this common name; not yet signed.
pub(super) fn parameters(hosts: &[&str], common_name: &str) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut parameters = CertificateParams::new(hosts).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, common_name);
    parameters
}

/// The same as `openssl req -x509` makes it: marked as that of an authority.
fn openssl(hosts: &[&str], common_name: &str) -> CertificateParams {
    let mut parameters = parameters(hosts, common_name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters
}

/// A certificate that somebody else has issued, and that one's own.
pub(super) fn issued(parameters: &CertificateParams, key: &KeyPair) -> (Certificate, String) {
    let authority = openssl(&[], "an authority");
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let certificate = parameters.signed_by(key, &issuer).unwrap();
    let authority = issuer.pem();
    (certificate, authority)
}

/// A TLS server that shows this certificate, and has nothing.
async fn serve(certificate: CertificateDer<'static>, key: &KeyPair) -> SocketAddr {
    let answer = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    serve_answer(certificate, key, answer.to_owned()).await
}

/// A TLS server that shows this certificate, and gives this answer to each request.
pub(super) async fn serve_answer(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    answer: String,
) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind((HOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

/// Why the server's certificate is refused if these certificates are trusted; none if it is not.
async fn refused(address: SocketAddr, trusted: Option<&str>) -> Option<String> {
    let mut builder = Client::builder(&format!("https://{address}"))
        .unwrap()
        .retries(0);
    if let Some(pem) = trusted {
        builder = builder.ca_certificates(pem.as_bytes().to_vec());
    }
    match builder.build().unwrap().whoami().await.unwrap_err() {
        Error::Status { status: 404, .. } => None,
        Error::Unreachable {
            cause: UnreachableCause::Certificate { reason, .. },
            ..
        } => Some(reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_that_is_itself_trusted_needs_no_issuer() {
    let key = KeyPair::generate().unwrap();
    let old = |mut parameters: CertificateParams| {
        parameters.not_after = date_time_ymd(2020, 1, 1);
        parameters
    };
    let future = |mut parameters: CertificateParams| {
        parameters.not_before = date_time_ymd(4000, 1, 1);
        parameters
    };
    let used_for = |mut parameters: CertificateParams, usage: KeyUsagePurpose| {
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, usage];
        parameters
    };
    let meant_for = |mut parameters: CertificateParams, purpose: ExtendedKeyUsagePurpose| {
        parameters.extended_key_usages = vec![purpose];
        parameters
    };
    let of_person = |mut parameters: CertificateParams| {
        let name = SanType::Rfc822Name("a@a.example".try_into().unwrap());
        parameters.subject_alt_names.push(name);
        parameters
    };
    let wrong_name = Some("it is for another host name");
    let wrong_use = Some("it is not meant for servers, as its key usage says");
    for (what, parameters, reason) in [
        ("openssl req -x509", openssl(&[HOST], "any"), None),
        ("without alternative names", openssl(&[], HOST), None),
        (
            "with an address of a person",
            of_person(openssl(&[], HOST)),
            None,
        ),
        ("not an authority's", parameters(&[], HOST), None),
        (
            "with the key of a server",
            used_for(openssl(&[HOST], "any"), KeyUsagePurpose::DigitalSignature),
            None,
        ),
        (
            "for servers",
            meant_for(openssl(&[HOST], "any"), ExtendedKeyUsagePurpose::ServerAuth),
            None,
        ),
        ("another name", openssl(&["a.example"], "any"), wrong_name),
        (
            "another address",
            openssl(&["127.0.0.2"], "any"),
            wrong_name,
        ),
        // The common name counts only where nothing else names hosts.
        ("two names", openssl(&["a.example"], HOST), wrong_name),
        ("a name of nobody", openssl(&[], "an authority"), wrong_name),
        (
            "expired",
            old(openssl(&[HOST], "any")),
            Some("it has expired"),
        ),
        (
            "of tomorrow",
            future(openssl(&[HOST], "any")),
            Some("it is not valid yet (is the clock right?)"),
        ),
        (
            "an authority proper",
            used_for(openssl(&[HOST], "any"), KeyUsagePurpose::CrlSign),
            wrong_use,
        ),
        (
            "for clients",
            meant_for(openssl(&[HOST], "any"), ExtendedKeyUsagePurpose::ClientAuth),
            wrong_use,
        ),
    ] {
        let certificate = parameters.self_signed(&key).unwrap();
        let address = serve(certificate.der().clone(), &key).await;
        let pem = certificate.pem();
        assert_eq!(
            refused(address, Some(&pem)).await.as_deref(),
            reason,
            "{what}"
        );
        // Nobody believes it who was not told to.
        assert!(refused(address, None).await.is_some(), "{what}");
    }
}

#[tokio::test]
async fn nothing_else_is_trusted_for_it() {
    let key = KeyPair::generate().unwrap();
    let own = openssl(&[HOST], "any").self_signed(&key).unwrap();
    // The same key, name and issuer.
    let mut again = openssl(&[HOST], "any");
    again.serial_number = Some(7_u64.into());
    let again = again.self_signed(&key).unwrap();
    let (leaf, authority) = issued(&parameters(&[HOST], "any"), &key);
    let (middle, _) = issued(&openssl(&[HOST], "any"), &key);
    let (namesake, _) = issued(&parameters(&[HOST], "an authority"), &key);
    let plain = parameters(&[HOST], "any").self_signed(&key).unwrap();
    let stranger = KeyPair::generate().unwrap();
    let other = openssl(&[HOST], "any").self_signed(&stranger).unwrap();
    let unknown = "its issuer is unknown to this machine";
    let of_authority = "it is the certificate of a certificate authority, and not that of a server";
    for (what, shown, trusted, reason) in [
        ("nobody", &own, None, Some(SELF_SIGNED)),
        ("a namesake", &own, Some(other.pem()), Some(SELF_SIGNED)),
        ("a former one", &own, Some(again.pem()), Some(SELF_SIGNED)),
        ("a leaf", &leaf, None, Some(unknown)),
        (
            "one with the name of its issuer",
            &namesake,
            None,
            Some(unknown),
        ),
        ("not an authority's", &plain, None, Some(SELF_SIGNED)),
        ("its issuer", &leaf, Some(authority), None),
        // Without its issuer, as OpenSSL does with a partial chain.
        ("the leaf itself", &leaf, Some(leaf.pem()), None),
        ("an authority", &middle, None, Some(of_authority)),
        ("among others", &own, Some(other.pem() + &own.pem()), None),
    ] {
        let address = serve(shown.der().clone(), &key).await;
        let refused = refused(address, trusted.as_deref()).await;
        assert_eq!(refused.as_deref(), reason, "{what}");
    }
}

/// What Nix would believe, which reads one file in place of the system's.
#[tokio::test]
async fn without_the_system_s_certificates_only_what_is_given_is_trusted() {
    let key = KeyPair::generate().unwrap();
    let (leaf, authority) = issued(&parameters(&[HOST], "any"), &key);
    let (_, another) = issued(&parameters(&[HOST], "any"), &key);
    let address = serve(leaf.der().clone(), &key).await;
    for (given, believed) in [
        (authority.clone(), true),
        (another.clone() + &authority, true),
        (leaf.pem(), true),
        (another, false),
    ] {
        let client = Client::builder(&format!("https://{address}"))
            .unwrap()
            .retries(0)
            .without_system_certificates()
            .ca_certificates(given.into_bytes())
            .build()
            .unwrap();
        match client.whoami().await.unwrap_err() {
            Error::Status { status: 404, .. } => assert!(believed),
            Error::Unreachable {
                cause: UnreachableCause::Certificate { is_unknown, .. },
                ..
            } => assert!(!believed && is_unknown),
            other => panic!("{other:?}"),
        }
    }
    let client = Client::builder(&format!("https://{address}")).unwrap();
    let none = client.without_system_certificates().build();
    assert!(matches!(none, Err(Error::NoCertificates)));
}

/// To name a certificate helps where nobody knows it, and nowhere else.
#[tokio::test]
async fn it_is_told_whether_it_helps_to_trust_a_certificate() {
    let key = KeyPair::generate().unwrap();
    let mut expired = openssl(&[HOST], "any");
    expired.not_after = date_time_ymd(2020, 1, 1);
    let unknown =
        |cause| matches!(cause, UnreachableCause::Certificate { is_unknown, .. } if is_unknown);
    for (what, parameters, is_trusted, expected) in [
        ("self-signed", openssl(&[HOST], "any"), false, true),
        (
            "of an unknown issuer",
            parameters(&[HOST], "any"),
            false,
            true,
        ),
        (
            "of another host",
            openssl(&["a.example"], "any"),
            true,
            false,
        ),
        ("expired", expired, true, false),
    ] {
        let certificate = parameters.self_signed(&key).unwrap();
        let address = serve(certificate.der().clone(), &key).await;
        let mut builder = Client::builder(&format!("https://{address}"))
            .unwrap()
            .retries(0);
        if is_trusted {
            builder = builder.ca_certificates(certificate.pem().into_bytes());
        }
        match builder.build().unwrap().whoami().await.unwrap_err() {
            Error::Unreachable { cause, .. } => assert_eq!(unknown(cause), expected, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn the_last_end_of_certificates_is_told() {
    let key = KeyPair::generate().unwrap();
    let ending = |year| {
        let mut parameters = openssl(&[HOST], "any");
        parameters.not_after = date_time_ymd(year, 1, 1);
        parameters.self_signed(&key).unwrap().pem()
    };
    for (pem, expected) in [
        (ending(2020), 1_577_836_800),
        (ending(2030) + &ending(2020), 1_893_456_000),
        (ending(2020) + &ending(2030), 1_893_456_000),
    ] {
        let certificates = fh_client::certificates(pem.as_bytes()).unwrap();
        let end = fh_client::certificates_expire_at(&certificates);
        assert_eq!(end, Some(expected));
    }
    assert_eq!(fh_client::certificates_expire_at(&[]), None);
}
