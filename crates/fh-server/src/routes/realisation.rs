//! `GET /realisations/<id>.doi`, and `GET /build-trace-v2/<derivation>/<output>.doi`: to which path an output of a
//! derivation was built. The first is what Nix up to 2.34 asks, the second what it does from 2.35 on.
//!
//! 2.8 and 2.26 write `!` into the address as it is, and 2.34 as `%21`.

use fh_nix::{DrvOutput, StorePath};

use super::log::unescaped;

/// The output that an address names, which begins with `realisations/` or `build-trace-v2/`.
pub(super) fn output(path: &str) -> Option<DrvOutput> {
    let path = path.strip_suffix(".doi")?;
    if let Some(id) = path.strip_prefix("realisations/") {
        let id = unescaped(id)?.parse().ok()?;
        return matches!(id, DrvOutput::Hash { .. }).then_some(id);
    }
    let (derivation, output) = path.strip_prefix("build-trace-v2/")?.split_once('/')?;
    let derivation: StorePath = unescaped(derivation)?.parse().ok()?;
    DrvOutput::of_path(derivation, &unescaped(output)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const DRV: &str = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar";

    #[test]
    fn addresses_as_the_versions_of_nix_write_them() {
        for (address, name) in [
            (
                format!("realisations/sha256:{HEX}!out.doi"),
                format!("sha256:{HEX}!out"),
            ),
            (
                format!("realisations/sha256:{HEX}%21dev.doi"),
                format!("sha256:{HEX}!dev"),
            ),
            (
                format!("realisations/sha256%3a{HEX}%21dev.doi"),
                format!("sha256:{HEX}!dev"),
            ),
            (
                format!("build-trace-v2/{DRV}.drv/foo.doi"),
                format!("{DRV}.drv^foo"),
            ),
            (
                format!("build-trace-v2/{DRV}%2B%3F.drv/foo.doi"),
                format!("{DRV}+?.drv^foo"),
            ),
        ] {
            let found = output(&address).unwrap_or_else(|| panic!("{address}"));
            assert_eq!(found.to_string(), name);
        }
    }

    #[test]
    fn what_is_no_output_names_nothing() {
        for address in [
            String::new(),
            format!("realisations/sha256:{HEX}!out"),
            format!("realisations/sha256:{HEX}.doi"),
            format!("realisations/sha256:{HEX}!.doi"),
            format!("realisations/sha256:{HEX}!..%2f..%2fetc.doi"),
            format!("realisations/sha256:{HEX}!a/b.doi"),
            format!("realisations/sha256:{HEX}%2121%.doi"),
            format!("realisations/sha256:{HEX}!out%0a.doi"),
            format!("realisations/sha256:{}!out.doi", HEX.to_uppercase()),
            format!("realisations/{DRV}.drv^out.doi"),
            format!("realisations/{DRV}.drv%5Eout.doi"),
            format!("build-trace-v2/sha256:{HEX}!out.doi"),
            format!("build-trace-v2/{DRV}/out.doi"),
            format!("build-trace-v2/{DRV}.drv.doi"),
            format!("build-trace-v2/{DRV}.drv/.doi"),
            format!("build-trace-v2/{DRV}.drv/../out.doi"),
            format!("build-trace-v2/{DRV}.drv/a/out.doi"),
            format!("build-trace-v2/..%2f{DRV}.drv/out.doi"),
            format!("build-trace-v2//nix/store/{DRV}.drv/out.doi"),
        ] {
            assert_eq!(output(&address), None, "{address}");
        }
    }
}
