//! `Debug` of what holds a secret.

/// Implements `Debug` with these fields alone: of the others it is only told that there are some.
#[macro_export]
macro_rules! debug_fields {
    ($($type:ty: $($field:ident),*;)+) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    )+};
}
