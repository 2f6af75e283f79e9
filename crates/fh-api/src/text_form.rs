//! Serde for the values whose one form is their text: `Display` to write, `FromStr` to read.

fh_nix::serde_as_text! {
    crate::FlakeName: "a string",
    crate::FlakePattern: "a string",
    crate::ForgeRoot: "a string",
    crate::Name: "a string",
    crate::Network: "a string",
    crate::Subject: "a string",
}
