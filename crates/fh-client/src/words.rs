//! Enumerations of which each variant has a word, in files and on the command line.

/// A word that is none of those known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be one of {expected}")]
pub struct UnknownWord {
    /// The words that are known, as a sentence lists them.
    pub(crate) expected: &'static str,
}

/// Gives an enumeration its words, and reads them.
macro_rules! words {
    ($type:ident, $expected:literal, $($variant:ident = $word:literal),+) => {
        impl $type {
            /// The word in files and on the command line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::words::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::words::UnknownWord { expected: $expected }),
                }
            }
        }
    };
}

pub(crate) use words;
