//! Where a request to the Security Token Service goes.

use crate::error::Result;
use crate::workload::identity::no_identity;

/// Where the request goes, with a final slash.
pub(super) fn endpoint(given: Option<&str>, region: Option<&str>) -> Result<String> {
    if let Some(given) = given {
        let url = given.parse::<crate::ServerUrl>()?;
        return Ok(format!("{url}/"));
    }
    let Some(region) = region else {
        return Ok("https://sts.amazonaws.com/".to_owned());
    };
    let is_name = |region: &str| {
        !region.is_empty()
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !is_name(region) {
        return Err(no_identity(
            "AWS_REGION is not a valid region",
            "A region is a word such as eu-central-1.",
        ));
    }
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    Ok(format!("https://sts.{region}.{domain}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_that_of_the_region() {
        for (given, region, url) in [
            (None, None, "https://sts.amazonaws.com/"),
            (
                None,
                Some("eu-central-1"),
                "https://sts.eu-central-1.amazonaws.com/",
            ),
            (
                None,
                Some("cn-north-1"),
                "https://sts.cn-north-1.amazonaws.com.cn/",
            ),
            (
                Some("http://localhost:5000"),
                Some("eu-central-1"),
                "http://localhost:5000/",
            ),
        ] {
            assert_eq!(endpoint(given, region).unwrap(), url);
        }
        assert!(endpoint(None, Some("evil.example/")).is_err());
    }
}
