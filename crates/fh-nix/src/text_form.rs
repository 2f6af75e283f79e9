//! The types whose one form is their text: serde by `Display` and `FromStr`, and `Debug`.

/// Implements `Serialize` by `Display` and `Deserialize` by `FromStr`; for what is no text at all, `$expected` is what was
/// expected.
#[macro_export]
macro_rules! serde_as_text {
    ($($type:ty: $expected:literal),+ $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        formatter.write_str($expected)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    )+};
}

serde_as_text! {
    crate::Compression: "a compression method of Nix",
    crate::ContentAddress: "a content address",
    crate::NarHash: "a SHA-256 hash",
    crate::PublicKey: "a public key",
    crate::Signature: "a signature",
    crate::StoreDir: "a store directory",
    crate::StorePath: "the base name of a store path",
    crate::StorePathHash: "the hash part of a store path",
}

/// Implements `Debug` as `Type(text)`.
macro_rules! debug_as_text {
    ($($type:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for crate::$type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "{}({self})", stringify!($type))
            }
        }
    )+};
}

debug_as_text! {
    NarHash,
    OutputName,
    PublicKey,
    Signature,
    StorePath,
    StorePathHash,
}
