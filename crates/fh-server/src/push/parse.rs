//! The request for a plan, parsed field by field. Nothing that a client wrote goes on as text.

use std::collections::{BTreeSet, HashMap, HashSet};

use fh_api::{PushPath, PushRequest};
use fh_nix::{NarHash, PathInfo, PublicKey, Realisation, StoreDir, StorePath, StorePathHash};

use super::realisations;
use crate::error::ApiError;
use crate::signatures::few_of_a_name;

/// Signatures of one path, and keys of one request: more are nobody's in earnest.
pub(super) const MAX_SIGNATURES: usize = 64;

/// A request for a plan that makes sense by itself.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The paths to push, in the request's order.
    pub(super) paths: Vec<PathInfo>,
    /// Paths that are only told of, by their hash part.
    pub(super) context: HashMap<StorePathHash, PathInfo>,
    /// What these have signed is left out.
    pub(super) upstream_keys: Vec<PublicKey>,
    /// Only tell.
    pub(super) dry_run: bool,
    /// Derivations whose build logs could be sent, each once.
    pub(super) logs: BTreeSet<StorePath>,
    /// To which paths outputs were built; each output once.
    pub(super) realisations: Vec<Realisation>,
}

impl Wanted {
    /// Whether anything in it is signed.
    pub(super) fn has_signatures(&self) -> bool {
        let infos = self.paths.iter().chain(self.context.values());
        infos
            .map(|info| &info.signatures)
            .chain(self.realisations.iter().map(|it| &it.signatures))
            .any(|signatures| !signatures.is_empty())
    }
}

/// Parses a request.
///
/// # Errors
/// 400, naming the path and the field.
pub(super) fn parse(
    request: PushRequest,
    store_dir: &StoreDir,
    largest_nar: u64,
) -> Result<Wanted, ApiError> {
    if request.skip_signed_by.len() > MAX_SIGNATURES {
        return Err(ApiError::BadRequest(format!(
            "skip_signed_by names more than {MAX_SIGNATURES} keys"
        )));
    }
    let upstream_keys = request
        .skip_signed_by
        .iter()
        .map(|key| key.parse())
        .collect::<Result<Vec<_>, fh_nix::Error>>()
        .map_err(|error| error.to_string())
        .and_then(few_of_a_name)
        .map_err(|error| ApiError::BadRequest(format!("skip_signed_by: {error}")))?;
    let logs = parse_logs(&request)?;
    let realisations = realisations::parse(&request.realisations, store_dir)?;
    let mut seen = HashSet::with_capacity(request.paths.len());
    let mut sizes: HashMap<NarHash, u64> = HashMap::with_capacity(request.paths.len());
    let mut wanted = Wanted {
        paths: Vec::with_capacity(request.paths.len()),
        context: HashMap::new(),
        upstream_keys,
        dry_run: request.dry_run,
        logs,
        realisations,
    };
    for path in request.paths {
        let context = path.context;
        let info = parse_path(path, store_dir, largest_nar)?;
        if !seen.insert(info.path.hash()) {
            return Err(field(&info.path, "path", &"it is in the push twice"));
        }
        if context {
            wanted.context.insert(info.path.hash(), info);
            continue;
        }
        let size = *sizes.entry(info.nar_hash).or_insert(info.nar_size);
        if size != info.nar_size {
            let problem = format!("another path with the same NAR says {size}");
            return Err(field(&info.path, "nar_size", &problem));
        }
        wanted.paths.push(info);
    }
    Ok(wanted)
}

fn parse_logs(request: &PushRequest) -> Result<BTreeSet<StorePath>, ApiError> {
    if request.logs.len() > request.paths.len() {
        return Err(ApiError::BadRequest(
            "logs: there are more of them than paths".to_owned(),
        ));
    }
    let parse = |name: &String| match name.parse::<StorePath>() {
        Ok(path) if path.is_derivation() => Ok(path),
        Ok(path) => Err(ApiError::BadRequest(format!(
            "logs: {path} is not the name of a derivation"
        ))),
        Err(error) => Err(ApiError::BadRequest(format!("logs: {error}"))),
    };
    request.logs.iter().map(parse).collect()
}

fn parse_path(
    path: PushPath,
    store_dir: &StoreDir,
    largest_nar: u64,
) -> Result<PathInfo, ApiError> {
    let name = named_path(&path.path, store_dir)
        .map_err(|error| ApiError::BadRequest(format!("path: {error}")))?;
    let nar_hash = path
        .nar_hash
        .parse()
        .map_err(|error: fh_nix::Error| field(&name, "nar_hash", &error))?;
    if path.nar_size == 0 {
        return Err(field(&name, "nar_size", &"no NAR has 0 bytes"));
    }
    if path.nar_size > largest_nar && !path.context {
        let problem = format!(
            "{} bytes are more than this server accepts, which is {largest_nar}",
            path.nar_size
        );
        return Err(field(&name, "nar_size", &problem));
    }
    if path.signatures.len() > MAX_SIGNATURES {
        let problem = format!("there are more than {MAX_SIGNATURES}");
        return Err(field(&name, "signatures", &problem));
    }
    let info = PathInfo {
        nar_hash,
        nar_size: path.nar_size,
        references: parse_all::<BTreeSet<_>, _>(&name, "references", &path.references)?,
        deriver: path
            .deriver
            .map(|deriver| deriver.parse())
            .transpose()
            .map_err(|error: fh_nix::Error| field(&name, "deriver", &error))?,
        signatures: parse_all(&name, "signatures", &path.signatures)?,
        ca: path
            .ca
            .map(|ca| ca.parse())
            .transpose()
            .map_err(|error: fh_nix::Error| field(&name, "ca", &error))?,
        path: name,
    };
    // Nix stops where it is told of one that cannot be the path's.
    if let Some(ca) = &info.ca
        && !ca.fits(&info, store_dir)
    {
        let problem = format!("{ca} is the address of another path");
        return Err(field(&info.path, "ca", &problem));
    }
    Ok(info)
}

/// The store path that is named by its base name, or in full.
pub(super) fn named_path(text: &str, store_dir: &StoreDir) -> Result<StorePath, fh_nix::Error> {
    if text.starts_with('/') {
        store_dir.parse_path(text)
    } else {
        text.parse()
    }
}

fn parse_all<C, T>(path: &StorePath, name: &'static str, texts: &[String]) -> Result<C, ApiError>
where
    C: FromIterator<T>,
    T: std::str::FromStr<Err = fh_nix::Error>,
{
    texts
        .iter()
        .map(|text| text.parse())
        .collect::<Result<C, _>>()
        .map_err(|error| field(path, name, &error))
}

/// The error of one field of one path.
fn field(path: &StorePath, field: &'static str, problem: &dyn std::fmt::Display) -> ApiError {
    ApiError::BadRequest(format!("{path}: {field}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";

    fn path(name: &str) -> PushPath {
        PushPath {
            path: format!("00000000000000000000000000000000-{name}"),
            nar_hash: HASH.to_owned(),
            nar_size: 96,
            references: Vec::new(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
            context: false,
        }
    }

    fn refusal(paths: Vec<PushPath>) -> String {
        let request = PushRequest {
            paths,
            skip_signed_by: Vec::new(),
            dry_run: false,
            logs: Vec::new(),
            realisations: Vec::new(),
        };
        match parse(request, &StoreDir::default(), 1000) {
            Err(ApiError::BadRequest(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_bad_field_is_named_with_its_path() {
        type Spoil = fn(&mut PushPath);
        let cases: [(Spoil, &str); 11] = [
            (|path| path.nar_hash = "sha256:short".to_owned(), "nar_hash"),
            (|path| path.nar_size = 0, "nar_size"),
            (|path| path.nar_size = 1001, "nar_size"),
            (|path| path.references = vec!["x".to_owned()], "references"),
            (
                |path| path.references = vec![format!("{}\nCA: x", path.path)],
                "references",
            ),
            (
                |path| path.references = vec![format!("/nix/store/{}", path.path)],
                "references",
            ),
            (|path| path.deriver = Some("a\nb".to_owned()), "deriver"),
            (
                |path| path.signatures = vec!["key:sig\nSig: x".to_owned()],
                "signatures",
            ),
            (
                |path| path.signatures = vec!["key:c2ln".to_owned(); 65],
                "signatures",
            ),
            (
                |path| path.ca = Some("text:sha256:x\nURL: y".to_owned()),
                "ca",
            ),
            (
                |path| path.ca = Some(HASH.replace("sha256:", "fixed:r:sha256:")),
                "ca",
            ),
        ];
        for (spoil, field) in cases {
            let mut bad = path("bad");
            spoil(&mut bad);
            let message = refusal(vec![bad]);
            assert!(
                message.starts_with(&format!("00000000000000000000000000000000-bad: {field}: ")),
                "{message}"
            );
            assert!(!message.contains('\n'), "{message:?}");
        }
    }

    #[test]
    fn bad_paths_are_quoted() {
        for bad in [
            "/gnu/store/00000000000000000000000000000000-x",
            "/nix/store/../store/00000000000000000000000000000000-x",
            "/nix/store/00000000000000000000000000000000-x/bin",
            "00000000000000000000000000000000-x\ny",
            "00000000000000000000000000000000-..",
            "../../etc/passwd",
            "",
        ] {
            let mut wrong = path("x");
            wrong.path = bad.to_owned();
            let message = refusal(vec![wrong]);
            assert!(message.starts_with("path: "), "{message}");
            assert!(!message.contains('\n'), "{message:?}");
        }
    }

    #[test]
    fn a_path_stands_there_once_and_a_nar_has_one_size() {
        let message = refusal(vec![path("x"), path("x")]);
        assert!(message.contains("twice"), "{message}");
        let mut other = path("y");
        other.path.replace_range(..1, "1");
        other.nar_size = 97;
        let message = refusal(vec![path("x"), other]);
        assert!(message.contains("nar_size: another path"), "{message}");
    }

    #[test]
    fn full_paths_self_references_and_context_are_fine() {
        let mut full = path("x");
        full.references = vec![full.path.clone()];
        full.path = format!("/nix/store/{}", full.path);
        let mut context = path("c");
        context.path.replace_range(..1, "1");
        context.context = true;
        context.nar_size = 5000;
        let request = PushRequest {
            paths: vec![full, context],
            skip_signed_by: Vec::new(),
            dry_run: true,
            logs: Vec::new(),
            realisations: Vec::new(),
        };
        let wanted = parse(request, &StoreDir::default(), 1000).unwrap();
        assert_eq!(wanted.paths.len(), 1);
        assert_eq!(wanted.context.len(), 1);
        assert!(wanted.dry_run);
    }
}
