//! What the modules of `flake.nix` give a machine, by real Nix and without a NixOS.

#![allow(
    dead_code,
    reason = "every test binary compiles this module and uses a part of it"
)]

use std::fmt::Write as _;
use std::process::Command;

use fh_testkit::nix::{Home, Nix, versions};
use serde_json::{Value, json};

/// What the owner of a machine writes.
pub(crate) const CLIENT: &str = r#"
  programs.fh = {
    enable = true;
    server = "https://cache.example.org";
    publicKeys = [ "cache.example.org-1:AAAA" "cache.example.org-2:BBBB" ];
    tokenFile = "/run/secrets/fh-token";
  };
"#;

pub(crate) fn newest() -> &'static Nix {
    versions().last().unwrap()
}

/// A machine's (or a person's) configuration, evaluated, as JSON. `module` is what stands between its braces.
pub(crate) fn evaluate(nix: &Nix, kind: &str, module: &str, wanted: &str) -> Result<Value, String> {
    evaluate_module(nix, kind, &format!("{{ {module} }}"), wanted)
}

/// The same with a whole module, which may be a function.
pub(crate) fn evaluate_module(
    nix: &Nix,
    kind: &str,
    module: &str,
    wanted: &str,
) -> Result<Value, String> {
    let home = Home::new().unwrap();
    let evaluate = fh_testkit::workspace().join("tests/nixos/evaluate.nix");
    let expression = format!(
        "let config = import {} {{ kind = \"{kind}\"; module = {module}; }}; in {wanted}",
        evaluate.display()
    );
    nix.run(
        "nix-instantiate",
        &home,
        // The configuration file of the server really goes to the store.
        [
            "--eval",
            "--strict",
            "--json",
            "--read-write-mode",
            "--expr",
            &expression,
        ],
    )
    .map(|text| serde_json::from_str(&text).unwrap())
    .map_err(|error| format!("{error:#}"))
}

/// nix.conf as NixOS writes it of `nix.settings`.
pub(crate) fn nix_conf(settings: &Value) -> String {
    let mut conf = String::new();
    for (name, value) in settings.as_object().unwrap() {
        let words: Vec<&str> = match value {
            Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
            word => vec![word.as_str().unwrap()],
        };
        writeln!(conf, "{name} = {}", words.join(" ")).unwrap();
    }
    conf
}

/// A token as the server at this address makes them. Nobody asked it, so it is good for nothing there.
pub(crate) fn token_of(issuer: &str, expires_at: i64, signature: &str) -> String {
    let claims = json!({
        "iss": issuer, "aud": "urn:fh:x", "iat": 0, "nbf": 0, "exp": expires_at,
        "sub": "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10", "jti": "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d11",
    });
    let claims = data_encoding::BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    format!("fh1_eyJhbGciOiJFZERTQSJ9.{claims}.{signature}")
}

/// The end of a token that outlives this test: in the year 3000.
pub(crate) const LATE: i64 = 32_503_680_000;

/// Text in which the `fh` of a package, which is not built here, is the one that was built.
pub(crate) fn with_real_fh(text: &str) -> String {
    let program = "/bin/fh";
    let end = text.find(program).unwrap();
    let begin = text[..end].rfind("/nix/store/").unwrap();
    let after = &text[end + program.len()..];
    format!("{}{}{after}", &text[..begin], env!("CARGO_BIN_EXE_fh"))
}

/// Deletes what a test has added to the machine's store.
pub(crate) fn delete(nix: &Nix, path: &str) {
    let home = Home::new().unwrap();
    let mut command: Command = nix.command("nix-store", &home);
    // Whoever uses it at the same time keeps it.
    let _ = command.args(["--delete", path]).output();
}
