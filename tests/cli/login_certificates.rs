//! `fh login` to servers whose certificates are of one's own authority, or self-signed.

use fh_testkit::assert_contains;
use fh_testkit::server::{TestServer, self_signed_into};

use crate::world::World;

#[test]
fn over_tls_with_an_authority_of_one_s_own() {
    let server = TestServer::builder().tls().start().unwrap();
    let mut world = World::new();
    let login = ["login", "--scope", "user", "--server", server.url()];
    world
        .with_stdin(&login, server.admin_token())
        .code(1)
        .says(&["certificate is not trusted", "NIX_SSL_CERT_FILE"]);
    world.set("SSL_CERT_FILE", server.authority_file().unwrap());
    world.with_stdin(&login, server.admin_token()).success();
    world.typed("status").success();
}

#[test]
fn a_self_signed_certificate_is_named_once() {
    let mut world = World::new();
    let tls = self_signed_into(&world.path("")).unwrap();
    let server = TestServer::builder()
        .settings(move |settings| settings.tls = Some(tls))
        .start()
        .unwrap();
    let login = ["login", "--scope", "user", "--server", server.url()];
    let with = |file: &'static str| [login.as_slice(), &["--ca-file", file]].concat();

    // What cannot be used changes nothing.
    world
        .with_stdin(&login, server.admin_token())
        .code(1)
        .says(&["it is self-signed", "fh login --ca-file FILE"])
        .never_says(&["CaUsedAsEndEntity"]);
    world.write("no.pem", "no certificate");
    for (file, said) in [("nowhere.pem", "nowhere.pem"), ("no.pem", "PEM")] {
        world
            .with_stdin(&with(file), server.admin_token())
            .code(1)
            .says(&[said]);
    }
    assert!(!world.config("fh/config.toml").exists());

    // Once named it is remembered, by a path that is good in every directory.
    world
        .with_stdin(&with("certificate.pem"), server.admin_token())
        .success()
        .says(&["ssl-cert-file"]);
    let file = world.path("certificate.pem");
    let remembered = format!("ca-file = \"{}\"\n", file.display());
    assert!(world.read("fh/config.toml").contains(&remembered));
    world.typed("status").success();
    world.typed("list flakes").success();

    // Where Nix trusts it already, nothing is said of that; and another login keeps it.
    let conf = format!(
        "{}ssl-cert-file = {}\n",
        world.read("nix/nix.conf"),
        file.display()
    );
    world.write(".config/nix/nix.conf", &conf);
    world.fh(&login).success().never_says(&["does not trust"]);
    assert!(world.read("fh/config.toml").contains(&remembered));

    // The variable does for a single command, and what is remembered is named where it is gone.
    world.set("NIX_SSL_CERT_FILE", file.clone());
    world.typed("status").success();
    std::fs::remove_file(&file).unwrap();
    world.set("NIX_SSL_CERT_FILE", "");
    world
        .typed("list flakes")
        .code(1)
        .says(&["certificate.pem", "fh login --ca-file FILE"]);
}

/// Certificates are for TLS: whoever names some does not mean a server without it.
#[test]
fn a_file_of_certificates_means_tls() {
    let world = World::new();
    let tls = self_signed_into(&world.path("")).unwrap();
    let server = TestServer::builder()
        .settings(move |settings| settings.tls = Some(tls))
        .start()
        .unwrap();
    let bare = server.url().trim_start_matches("https://");
    let plain = format!("http://{bare}");
    let login = |world: &World, address: &str| {
        let login = ["login", "--scope", "user", "--ca-file"];
        let login = [&login[..], &["certificate.pem", address]].concat();
        world.with_stdin(&login, server.admin_token())
    };
    // With a scheme it is what it says, and that cannot be meant.
    login(&world, &plain)
        .code(2)
        .says(&["--ca-file names certificates for TLS", server.url()]);
    assert!(!world.config("fh/config.toml").exists());
    // Also where a server without TLS is known there, be it the default one.
    let known = format!("default-server = \"a\"\n[servers.a]\nurl = \"{plain}\"\n");
    for config in ["", known.as_str()] {
        world.write(".config/fh/config.toml", config);
        login(&world, bare).success();
        let config = world.read("fh/config.toml");
        assert_contains(&config, &[&format!("url = \"{}\"", server.url())]);
        world.fh(&["status", "--server", server.url()]).success();
        world.typed("logout").success();
    }
    world.write(".config/fh/config.toml", &known);
    world
        .with_stdin(
            &["login", "--scope", "user", "--ca-file", "certificate.pem"],
            server.admin_token(),
        )
        .code(2);
    // Without the file, what answers in another language is told of.
    let run = world.with_stdin(&["login", "--scope", "user", bare], server.admin_token());
    run.code(1).says(&["https://"]);
}
