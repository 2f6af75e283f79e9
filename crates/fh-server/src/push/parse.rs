//! The request for a plan, parsed field by field. Nothing that a client wrote goes on as text.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;

use fh_access::ApiError;
use fh_api::{PushPath, PushRealisation, PushRequest};
use fh_nix::{DrvOutput, NarHash, PathInfo, Realisation, StoreDir, StorePath};

use super::request::{MAX_SIGNATURES, ParsedRequest, refused};
use crate::signatures::few_of_a_name;

/// Realisations for each path of a request, at most: of the derivations that come to it, under both forms of its key.
const MOST_OF_A_PATH: usize = 64;

/// Parses a request.
///
/// # Errors
/// 400, naming the path and the field.
pub(super) fn parse(
    request: PushRequest,
    store_dir: &StoreDir,
    largest_nar: u64,
) -> Result<ParsedRequest, ApiError> {
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
    let realisations = parse_realisations(&request.realisations, store_dir)?;
    let mut seen = HashSet::with_capacity(request.paths.len());
    let mut sizes: HashMap<NarHash, u64> = HashMap::with_capacity(request.paths.len());
    let mut parsed = ParsedRequest {
        paths: Vec::with_capacity(request.paths.len()),
        context: HashMap::new(),
        upstream_keys,
        dry_run: request.dry_run,
        logs,
        realisations,
    };
    for path in request.paths {
        let context = path.context;
        let info = parse_path(&path, store_dir, largest_nar)?;
        if !seen.insert(info.path.hash()) {
            return Err(field(&info.path, "path", &"it is in the push twice"));
        }
        if context {
            parsed.context.insert(info.path.hash(), info);
            continue;
        }
        let size = *sizes.entry(info.nar_hash).or_insert(info.nar_size);
        if size != info.nar_size {
            let problem = format!("another path with the same NAR says {size}");
            return Err(field(&info.path, "nar_size", &problem));
        }
        parsed.paths.push(info);
    }
    Ok(parsed)
}

/// Checks that a request has not more realisations than its paths can have.
///
/// # Errors
/// 400 where it has.
pub(super) fn check_number(request: &PushRequest) -> Result<(), ApiError> {
    let most = request.paths.len().saturating_mul(MOST_OF_A_PATH);
    if request.realisations.len() > most {
        return Err(ApiError::BadRequest(format!(
            "realisations: there are more than {MOST_OF_A_PATH} for each path"
        )));
    }
    Ok(())
}

/// Parses realisations. An output that stands there twice with one path counts once.
///
/// # Errors
/// 400, naming the output.
fn parse_realisations(
    realisations: &[PushRealisation],
    store_dir: &StoreDir,
) -> Result<Vec<Realisation>, ApiError> {
    let mut seen: HashMap<DrvOutput, usize> = HashMap::new();
    let mut parsed: Vec<Realisation> = Vec::new();
    for wanted in realisations {
        let realisation = parse_realisation(wanted, store_dir)?;
        match seen.get(&realisation.id) {
            None => {
                seen.insert(realisation.id.clone(), parsed.len());
                parsed.push(realisation);
            }
            Some(&there) if parsed[there].out_path == realisation.out_path => {}
            Some(_) => {
                let problem = "another realisation of it names another path";
                return Err(refused(&realisation.id, problem));
            }
        }
    }
    Ok(parsed)
}

fn parse_realisation(
    wanted: &PushRealisation,
    store_dir: &StoreDir,
) -> Result<Realisation, ApiError> {
    let id: DrvOutput = wanted
        .id
        .parse()
        .map_err(|error| ApiError::BadRequest(format!("realisations: {error}")))?;
    if wanted.signatures.len() > MAX_SIGNATURES {
        return Err(refused(
            &id,
            &format!("there are more than {MAX_SIGNATURES} signatures"),
        ));
    }
    let out_path = named_path(&wanted.out_path, store_dir);
    let signatures = wanted.signatures.iter().map(|text| text.parse());
    Ok(Realisation {
        out_path: out_path.map_err(|error| refused(&id, &error.to_string()))?,
        signatures: signatures
            .collect::<Result<_, fh_nix::Error>>()
            .map_err(|error| refused(&id, &error.to_string()))?,
        id,
    })
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
    path: &PushPath,
    store_dir: &StoreDir,
    largest_nar: u64,
) -> Result<PathInfo, ApiError> {
    let name = named_path(&path.path, store_dir)
        .map_err(|error| ApiError::BadRequest(format!("path: {error}")))?;
    let nar_hash = parse_field(&name, "nar_hash", &path.nar_hash)?;
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
        deriver: parse_any(&name, "deriver", path.deriver.as_deref())?,
        signatures: parse_all(&name, "signatures", &path.signatures)?,
        ca: parse_any(&name, "ca", path.ca.as_deref())?,
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
fn named_path(text: &str, store_dir: &StoreDir) -> Result<StorePath, fh_nix::Error> {
    if text.starts_with('/') {
        store_dir.parse_path(text)
    } else {
        text.parse()
    }
}

fn parse_field<T>(path: &StorePath, name: &'static str, text: &str) -> Result<T, ApiError>
where
    T: FromStr<Err = fh_nix::Error>,
{
    text.parse().map_err(|error| field(path, name, &error))
}

/// As [`parse_field`], where there may be nothing.
fn parse_any<T>(
    path: &StorePath,
    name: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, ApiError>
where
    T: FromStr<Err = fh_nix::Error>,
{
    text.map(|text| parse_field(path, name, text)).transpose()
}

/// As [`parse_field`], of all.
fn parse_all<C, T>(path: &StorePath, name: &'static str, texts: &[String]) -> Result<C, ApiError>
where
    C: FromIterator<T>,
    T: FromStr<Err = fh_nix::Error>,
{
    let parsed = texts.iter().map(|text| parse_field(path, name, text));
    parsed.collect()
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
