//! The platforms that give identities to what runs on them, and the words for them.

use crate::words::words;

/// Where a workload has its identity from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// A job of GitHub Actions, also on GitHub Enterprise Server.
    GitHub,
    /// A job of GitLab CI, also on a server of one's own.
    GitLab,
    /// A job of Buildkite.
    Buildkite,
    /// A job of CircleCI.
    CircleCi,
    /// A job of Semaphore.
    Semaphore,
    /// A machine, a job or a service on Google Cloud.
    GoogleCloud,
    /// A pod with a projected token.
    Kubernetes,
    /// Whatever has credentials of AWS.
    Aws,
    /// A JWT in a file or a variable, whoever put it there.
    Token,
}

impl Provider {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 9] = [
        Self::Token,
        Self::GitHub,
        Self::GitLab,
        Self::Buildkite,
        Self::CircleCi,
        Self::Semaphore,
        Self::Kubernetes,
        Self::Aws,
        Self::GoogleCloud,
    ];

    /// Their words, in the order of the manual.
    pub const WORDS: [&str; 9] = [
        "github",
        "gitlab",
        "buildkite",
        "circleci",
        "semaphore",
        "gcp",
        "kubernetes",
        "aws",
        "token",
    ];
}

// What people are shown stands as in "the identity of this GitHub Actions job".
words!(
    Provider,
    "github, gitlab, buildkite, circleci, semaphore, gcp, kubernetes, aws, token",
    GitHub = "github" shown "GitHub Actions job",
    GitLab = "gitlab" shown "GitLab CI job",
    Buildkite = "buildkite" shown "Buildkite job",
    CircleCi = "circleci" shown "CircleCI job",
    Semaphore = "semaphore" shown "Semaphore job",
    GoogleCloud = "gcp" shown "Google Cloud service account",
    Kubernetes = "kubernetes" shown "Kubernetes pod",
    Aws = "aws" shown "AWS role",
    Token = "token" shown "workload"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_provider() {
        for word in Provider::WORDS {
            assert_eq!(word.parse::<Provider>().unwrap().as_str(), word);
        }
        assert!("GitHub".parse::<Provider>().is_err());
    }
}
