//! Enumerations of which each variant has a word, in files and on the command line.

/// A word that is none of those known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be one of {expected}")]
pub struct UnknownWord {
    /// The words that are known, as a sentence lists them.
    pub(crate) expected: &'static str,
}

/// Gives an enumeration its words, and reads them: `Variant = "word"`; where people are shown something else,
/// `Variant = "word" shown "other"`.
macro_rules! words {
    (@shown $word:literal) => { $word };
    (@shown $word:literal $shown:literal) => { $shown };
    ($type:ident, $expected:literal, $($variant:ident = $word:literal $(shown $shown:literal)?),+) => {
        impl $type {
            /// The word in files and on the command line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        /// What people are shown.
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self {
                    $(Self::$variant => crate::words::words!(@shown $word $($shown)?),)+
                })
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
