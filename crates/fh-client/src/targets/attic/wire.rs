//! What travels: attic's JSON, as its server reads and writes it (`attic/src/api/v1/`).

use bytes::Bytes;
use fh_nix::{PathInfo, StoreDir};
use serde::{Deserialize, Serialize};

use super::super::CacheName;
use crate::error::Result;
use crate::http::to_json;

/// The body of `POST /_api/v1/get-missing-paths`.
#[derive(Debug, Serialize)]
pub(super) struct MissingPathsQuestion<'a> {
    pub(super) cache: &'a str,
    pub(super) store_path_hashes: Vec<String>,
}

/// The answer to it.
#[derive(Debug, Deserialize)]
pub(super) struct MissingPathsAnswer {
    pub(super) missing_paths: Vec<String>,
}

/// What is told of a NAR with its upload: `UploadPathNarInfo`.
#[derive(Debug, Serialize)]
struct NarDescription<'a> {
    cache: &'a str,
    store_path_hash: String,
    /// With the store directory.
    store_path: String,
    /// Base names, without the store directory.
    references: Vec<String>,
    /// Nobody tells, not even the server's own client.
    system: Option<&'a str>,
    /// Without the store directory.
    deriver: Option<String>,
    sigs: Vec<String>,
    ca: Option<&'a str>,
    /// `sha256:` and 64 hexadecimal digits: every version of the server reads that.
    nar_hash: String,
    nar_size: u64,
}

/// The JSON that describes a NAR.
pub(super) fn describe(cache: &CacheName, info: &PathInfo, store_dir: &StoreDir) -> Result<Bytes> {
    let description = NarDescription {
        cache: cache.as_str(),
        store_path_hash: hash_part(info),
        store_path: store_dir.display(&info.path),
        references: info.references.iter().map(ToString::to_string).collect(),
        system: None,
        deriver: info.deriver.as_ref().map(ToString::to_string),
        sigs: info.signatures.iter().map(ToString::to_string).collect(),
        ca: info.ca.as_ref().map(fh_nix::ContentAddress::as_str),
        nar_hash: format!("sha256:{}", info.nar_hash.to_hex()),
        nar_size: info.nar_size,
    };
    to_json(&description)
}

/// The part of a store path by which the server knows it.
pub(super) fn hash_part(info: &PathInfo) -> String {
    info.path.hash().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nar_is_described_as_the_server_reads_it() {
        let path = "0123456789abcdfghijklmnpqrsvwxyz-app-1.0";
        let info = PathInfo {
            path: path.parse().unwrap(),
            nar_hash: fh_nix::NarHash::of(b""),
            nar_size: 120,
            references: [path.parse().unwrap()].into(),
            deriver: Some(
                "0123456789abcdfghijklmnpqrsvwxyz-app-1.0.drv"
                    .parse()
                    .unwrap(),
            ),
            signatures: Vec::new(),
            ca: None,
        };
        let cache = "main".parse().unwrap();
        let json = describe(&cache, &info, &StoreDir::default()).unwrap();
        insta::assert_snapshot!(String::from_utf8_lossy(&json), @r#"{"cache":"main","store_path_hash":"0123456789abcdfghijklmnpqrsvwxyz","store_path":"/nix/store/0123456789abcdfghijklmnpqrsvwxyz-app-1.0","references":["0123456789abcdfghijklmnpqrsvwxyz-app-1.0"],"system":null,"deriver":"0123456789abcdfghijklmnpqrsvwxyz-app-1.0.drv","sigs":[],"ca":null,"nar_hash":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","nar_size":120}"#);
    }
}
