//! Whether a content address and a path info belong together: `src/libstore/store-dir-config.cc`.
//!
//! Apart from [`ContentAddress`], because a path info holds an address, and these methods of the address look at
//! the whole path info.

use sha2::{Digest as _, Sha256};

use crate::content_address::ContentAddress;
use crate::path_info::PathInfo;
use crate::store_path::{StoreDir, StorePathHash};

impl ContentAddress {
    /// Whether a path info whose NAR hash is right is proved by its content address: the address is that of its
    /// NAR, and the store path's hash follows from it.
    ///
    /// True for SHA-256 of a NAR without a reference to itself alone. Of the other kinds the hash of the address
    /// does not follow from the NAR hash, so they prove nothing here.
    #[must_use]
    pub fn proves(info: &PathInfo, store_dir: &StoreDir) -> bool {
        let of_nar = |address: &Self| address.is_of_nar(info) && address.leads_to(info, store_dir);
        info.ca.as_ref().is_some_and(of_nar)
    }

    /// Whether this can be the content address of a path: the path's hash follows from the address, its name and
    /// its references, and an address of its NAR is that of the NAR hash. Nix takes a path with another one for
    /// damaged, or stops.
    #[must_use]
    pub fn fits(&self, info: &PathInfo, store_dir: &StoreDir) -> bool {
        let of_another_nar = self.as_str().starts_with(OF_NAR)
            && !info.references.contains(&info.path)
            && !self.is_of_nar(info);
        !of_another_nar && self.leads_to(info, store_dir)
    }

    /// The address is the hash of the path's NAR, as it is.
    fn is_of_nar(&self, info: &PathInfo) -> bool {
        let digest = self.as_str().strip_prefix(OF_NAR);
        digest == Some(info.nar_hash.to_base32().as_str()) && !info.references.contains(&info.path)
    }

    /// As `makeFixedOutputPathFromCA` in `src/libstore/store-dir-config.cc` does it.
    fn leads_to(&self, info: &PathInfo, store_dir: &StoreDir) -> bool {
        let Some((method, algorithm, digest)) = self.parts() else {
            return false;
        };
        let digest = data_encoding::HEXLOWER.encode(&digest);
        let (kind, digest) = match (method, algorithm) {
            ("text:", _) | ("fixed:r:", "sha256") => {
                let (word, may_name_itself) = match method {
                    "text:" => ("text", false),
                    _ => ("source", true),
                };
                let mut kind = word.to_owned();
                for reference in info.references.iter().filter(|path| **path != info.path) {
                    kind.push(':');
                    kind.push_str(&store_dir.display(reference));
                }
                if info.references.contains(&info.path) {
                    if !may_name_itself {
                        return false;
                    }
                    kind.push_str(":self");
                }
                (kind, digest)
            }
            // Nix lets none of these refer to anything.
            _ if !info.references.is_empty() => return false,
            _ => {
                let method = method.trim_start_matches("fixed:");
                let text = format!("fixed:out:{method}{algorithm}:{digest}:");
                let digest: [u8; 32] = Sha256::digest(text).into();
                let digest = data_encoding::HEXLOWER.encode(&digest);
                ("output:out".to_owned(), digest)
            }
        };
        let text = format!("{kind}:sha256:{digest}:{store_dir}:{}", info.path.name());
        info.path.hash() == compressed(&Sha256::digest(text).into())
    }
}

/// How an address begins that is the hash of a NAR by which a path can be proved.
const OF_NAR: &str = "fixed:r:sha256:";

/// Folds a hash into the length of a store path's (`compressHash` in `src/libutil/hash.cc`).
fn compressed(digest: &[u8; 32]) -> StorePathHash {
    let mut folded = [0; 20];
    for (index, byte) in digest.iter().enumerate() {
        folded[index % 20] ^= byte;
    }
    StorePathHash::from_bytes(folded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NarHash;

    /// By `nix-store --add-fixed`, `nix store add --mode git`, `nix-instantiate`, and builds of content-addressed
    /// derivations, of Nix 2.34.8.
    #[test]
    fn an_address_fits_the_path_that_nix_makes_of_it_and_no_other() {
        let store_dir = StoreDir::default();
        for (path, nar_hash, ca, references) in MADE_BY_NIX {
            let info = PathInfo {
                path: path.parse().unwrap(),
                nar_hash: nar_hash.parse().unwrap(),
                nar_size: 1,
                references: references
                    .iter()
                    .map(|path| path.parse().unwrap())
                    .collect(),
                deriver: None,
                signatures: Vec::new(),
                ca: Some(ca.parse().unwrap()),
            };
            let fits = |info: &PathInfo| info.ca.as_ref().unwrap().fits(info, &store_dir);
            assert!(fits(&info), "{path}");
            let of_nar = ca.starts_with("fixed:r:sha256:") && !info.references.contains(&info.path);
            assert_eq!(ContentAddress::proves(&info, &store_dir), of_nar, "{path}");
            let mut other = info.clone();
            other.path = format!("{path}x").parse().unwrap();
            assert!(!fits(&other), "another name");
            let mut other = info.clone();
            let stranger = "00000000000000000000000000000000-x".parse().unwrap();
            other.references.insert(stranger);
            assert!(!fits(&other), "another reference");
            let mut other = info.clone();
            other.nar_hash = NarHash::of(b"");
            assert_eq!(fits(&other), !of_nar, "another NAR");
        }
    }

    /// Path, NAR hash, content address and references.
    type Made = (
        &'static str,
        &'static str,
        &'static str,
        &'static [&'static str],
    );

    const MADE_BY_NIX: [Made; 12] = [
        (
            "0qi648jq1h7p6l366cgdllsy8v461mm5-d",
            "sha256-2VD35R+ze2oS2wod5MbPe9ckn9zHIiCLCb/QdhzXR94=",
            "fixed:r:sha1:081ym1z9ip0yzyih01dz3pmvnkr6jxp1",
            &[],
        ),
        (
            "1p9q0bz6f22dyxh4lw8xs08p4201vyq4-f",
            "sha256-HDfQGvQL4ugGkd48w99EN3ppmvuxfGjwgJZLL9Bx/BM=",
            "fixed:sha256:00xyyr3fi8l6hb839bv3f7yb86yjv7xi1cgh1xnhipym4asvb4aq",
            &[],
        ),
        (
            "5vnjnky1alckna8d0mxh4l6alpsadgz3-refs.drv",
            "sha256-GYvX+3sCPjpb6Ngw6arqfQGegLKxXiahX8zMtXhwVlI=",
            "text:sha256:1xa0f82rryy45i8610qwz78ylj8z9qnmz40m86majh31zaf8mmpf",
            &["srks74lnaz4mlngn9kwmbas0n7yhj9h5-dep.drv"],
        ),
        (
            "73j0b3a4s7j9abkll8kb61zam2n0cmmn-f",
            "sha256-HDfQGvQL4ugGkd48w99EN3ppmvuxfGjwgJZLL9Bx/BM=",
            "fixed:sha512:0lrc0dwnvipqviibf7qfm1y492qvjwb1zhkcyi05cndmva1mr5gjcgrnz1x36djmk0sfg8djd2n0qv68vib2jg590mwznar9jcjphp7",
            &[],
        ),
        (
            "7s9z2am75yq73wgn24qpijd5jf44vb5s-f",
            "sha256-HDfQGvQL4ugGkd48w99EN3ppmvuxfGjwgJZLL9Bx/BM=",
            "fixed:md5:4425hx5d1mc9y39llj4k4nm55i",
            &[],
        ),
        (
            "ipqrgzbqia8la21g4hhi296r55a80kxk-d",
            "sha256-2VD35R+ze2oS2wod5MbPe9ckn9zHIiCLCb/QdhzXR94=",
            "fixed:r:sha256:1pj7swf7dl5z165j08n7vjgj9mvvrz3f878avc96lyxk3zjzfl6r",
            &[],
        ),
        (
            "k7phd5753w73cl056vjk34xj4x00v514-d",
            "sha256-2VD35R+ze2oS2wod5MbPe9ckn9zHIiCLCb/QdhzXR94=",
            "fixed:git:sha1:2l7vi766vvjnx9mfbmlk3c5dd845i2a8",
            &[],
        ),
        (
            "pbqmppvgnnyqxagz7bnmwfdfvr3h43f2-f",
            "sha256-HDfQGvQL4ugGkd48w99EN3ppmvuxfGjwgJZLL9Bx/BM=",
            "fixed:sha1:iwjz551fyw0cxcjgf4l6c879zabd6wpm",
            &[],
        ),
        (
            "srks74lnaz4mlngn9kwmbas0n7yhj9h5-dep.drv",
            "sha256-2H5QEFGHPwLtocY1rx5U+zK82DGxVK2ZNIQBLGBT7io=",
            "text:sha256:0gydiplk6zilcmz3d8gpak97xjj58q1ri6s6xkfwsxz4209w0p2a",
            &[],
        ),
        (
            "7ljs7fbik9lws7yi7xqkq0kz2l9sdc5z-refs",
            "sha256-Lsqufue2MSYqDzaWWocPeBAyKQ42eS/4xgARTPD+AKw=",
            "fixed:r:sha256:1b00zvq4q480qvw2yy9n1qlk443q1y3mm5in1wm2ccdnwxzaxjif",
            &["k0bq3s4hdvxal217l04jr24n8jm5l29g-dep"],
        ),
        (
            "k0bq3s4hdvxal217l04jr24n8jm5l29g-dep",
            "sha256-e9vJ5kB9nT7UCtxk10a+Y2a19Y7maMawKGYAi771cgI=",
            "fixed:r:sha256:00kjynz8n03652qccs76ivsvark3pr3dfr6w1ba3x7bx83kcknvv",
            &[],
        ),
        (
            "m7lczhpwx9s17lbzlrrvx4zrray15n1r-self",
            "sha256-ahBq+5RMAp0/fx4ByJ1aGFFEzNra1QCWi1y4zw2ftn0=",
            "fixed:r:sha256:01axabd7ids4hmvm55rbf2yn0z65z8awswdyf5908g26p3j1xfbf",
            &[
                "k0bq3s4hdvxal217l04jr24n8jm5l29g-dep",
                "m7lczhpwx9s17lbzlrrvx4zrray15n1r-self",
            ],
        ),
    ];
}
