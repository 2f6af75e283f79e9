//! What each template makes of its fields, to the letter, and which fields it refuses.

use super::super::templates::TemplateError;
use super::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The conditions as `claim = text` or `claim ~ pattern`, and the audiences and the issuer.
fn told(template: Result<SetTrustPolicy, TemplateError>) -> Vec<String> {
    let template = template.unwrap();
    assert_eq!((template.role, template.mint), (Role::Read, false));
    assert!(template.flakes.is_empty() && !template.pull_requests && template.jwks.is_none());
    let conditions = template
        .conditions
        .iter()
        .map(|one| match (&one.equals, &one.glob) {
            (Some(text), None) => format!("{} = {text}", one.claim),
            (None, Some(glob)) => format!("{} ~ {glob}", one.claim),
            other => panic!("{other:?}"),
        });
    let mut told: Vec<String> = conditions.collect();
    told.extend(
        template
            .issuer
            .iter()
            .map(|issuer| format!("issuer {issuer}")),
    );
    told.extend(
        template
            .audiences
            .iter()
            .map(|one| format!("audience {one}")),
    );
    writing(template);
    told
}

#[test]
fn templates_for_forges_make_exactly_these_conditions() {
    assert_eq!(
        told(templates::github(&Github {
            repository: text("acme/app"),
            owner: text("acme"),
            repository_id: Some(74),
            owner_id: Some(65),
            reference: text("release-*"),
            environment: text("prod"),
            workflow: text("release.yml"),
            host: text("https://github.acme.example:8443/"),
        })),
        [
            "repository = acme/app",
            "repository_owner = acme",
            "repository_id = 74",
            "repository_owner_id = 65",
            "ref ~ refs/heads/release-*",
            "environment = prod",
            "workflow_ref ~ acme/app/.github/workflows/release.yml@**",
            "issuer https://github.acme.example:8443/_services/token",
        ]
    );
    let by_id = Github {
        owner_id: Some(65),
        ..Github::default()
    };
    assert_eq!(
        told(templates::github(&by_id)),
        ["repository_owner_id = 65"]
    );
    assert_eq!(
        told(templates::gitlab(&Gitlab {
            project: text("acme/group/app"),
            group: text("acme/group/"),
            project_id: Some(7),
            reference: text("v?"),
            unprotected: false,
            environment: text("prod/*"),
            host: text("git.acme.example"),
        })),
        [
            "project_path = acme/group/app",
            "project_path ~ acme/group/**",
            "project_id = 7",
            "ref ~ v?",
            "ref_type = branch",
            "ref_protected = true",
            "environment ~ prod/*",
            "issuer https://git.acme.example",
        ]
    );
    let open = Gitlab {
        project_id: Some(7),
        unprotected: true,
        ..Gitlab::default()
    };
    assert_eq!(told(templates::gitlab(&open)), ["project_id = 7"]);
    assert_eq!(
        told(templates::buildkite(&Buildkite {
            organization: "acme".to_owned(),
            organization_id: text("o1"),
            pipeline: text("app"),
            branch: text("main"),
            step: text("build-*"),
        })),
        [
            "organization_slug = acme",
            "organization_id = o1",
            "pipeline_slug = app",
            "build_branch = main",
            "step_key ~ build-*",
        ]
    );
    assert_eq!(
        told(templates::circleci(&Circleci {
            organization_id: "0f1e".to_owned(),
            project_id: "aa11".to_owned(),
            reference: text("main"),
        })),
        [
            "oidc.circleci.com/project-id = aa11",
            "oidc.circleci.com/vcs-ref = refs/heads/main",
            "issuer https://oidc.circleci.com/org/0f1e",
            "audience 0f1e",
        ]
    );
    assert_eq!(
        told(templates::semaphore(&Semaphore {
            organization: "acme".to_owned(),
            project_id: "p1".to_owned(),
            reference: text("refs/tags/v1"),
        })),
        [
            "prj_id = p1",
            "ref = refs/tags/v1",
            "issuer https://acme.semaphoreci.com",
            "audience https://acme.semaphoreci.com",
        ]
    );
}

#[test]
fn templates_for_clouds_and_issuers_make_exactly_these_conditions() {
    assert_eq!(
        told(templates::gcp("ci@acme.example")),
        ["email = ci@acme.example", "email_verified = true"]
    );
    assert_eq!(
        told(templates::kubernetes(
            "https://k8s.example",
            "ci",
            "builder"
        )),
        [
            "sub = system:serviceaccount:ci:builder",
            "issuer https://k8s.example"
        ]
    );
    assert_eq!(
        told(templates::aws(&Aws {
            account: "123456789012".to_owned(),
            role: text("ci"),
            session: text("run-*"),
        })),
        [
            "account = 123456789012",
            "role = ci",
            "session_name ~ run-*"
        ]
    );
    let claims = [
        ("team".to_owned(), "infra".to_owned()),
        ("/a/b".to_owned(), "x?".to_owned()),
    ];
    assert_eq!(
        told(templates::oidc("https://id.example", Some("me"), &claims)),
        [
            "sub = me",
            "team = infra",
            "/a/b ~ x?",
            "issuer https://id.example"
        ]
    );
    assert!(templates::oidc("https://id.example", None, &claims).is_ok());
}

#[test]
fn templates_refuse_what_is_no_name_or_says_more_than_one() {
    let github = |change: &dyn Fn(&mut Github)| {
        let mut fields = main_branch();
        change(&mut fields);
        templates::github(&fields).is_ok()
    };
    let long = "x".repeat(301);
    for bad in ["acme/*", "a*", "?", "a b", "", "ä", "a/b", &long] {
        assert!(!github(&|fields| fields.owner = text(bad)), "{bad:?}");
    }
    assert!(github(&|fields| fields.owner = text(&"x".repeat(300))));
    for bad in ["a/b.yml", "a.yml@x", "*.yml", ""] {
        assert!(!github(&|fields| fields.workflow = text(bad)), "{bad:?}");
    }
    let no_repository = Github {
        workflow: text("a.yml"),
        owner: text("acme"),
        ..Github::default()
    };
    assert!(matches!(
        templates::github(&no_repository),
        Err(TemplateError::Tenant(_))
    ));
    for bad in ["", "https://", "a/b", ".a", "-a", "a b", "a*", "u@a"] {
        assert!(!github(&|fields| fields.host = text(bad)), "{bad:?}");
    }
    let gitlab = |change: &dyn Fn(&mut Gitlab)| {
        let mut fields = Gitlab {
            project: text("acme/app"),
            ..Gitlab::default()
        };
        change(&mut fields);
        templates::gitlab(&fields).is_ok()
    };
    for bad in ["acme", "acme/*", ""] {
        assert!(!gitlab(&|fields| fields.project = text(bad)), "{bad:?}");
    }
    for bad in ["/", "acme*", ""] {
        assert!(!gitlab(&|fields| fields.group = text(bad)), "{bad:?}");
    }
    assert!(gitlab(&|fields| fields.reference = text("refs/tags/v1")));
    assert!(!gitlab(
        &|fields| fields.reference = text("refs/merge-requests/1/head")
    ));
    let buildkite = |organization: &str, id: &str, pipeline: &str| {
        let fields = Buildkite {
            organization: organization.to_owned(),
            organization_id: text(id),
            pipeline: text(pipeline),
            ..Buildkite::default()
        };
        templates::buildkite(&fields).is_ok()
    };
    assert!(buildkite("acme", "o", "p"));
    assert!(
        !buildkite("*", "o", "p") && !buildkite("acme", "*", "p") && !buildkite("acme", "o", "*")
    );
    let circleci = |organization: &str, project: &str| {
        let fields = Circleci {
            organization_id: organization.to_owned(),
            project_id: project.to_owned(),
            reference: None,
        };
        templates::circleci(&fields).is_ok()
    };
    assert!(circleci("0f", "aa"));
    assert!(!circleci("0f/x", "aa") && !circleci("0f", "a:a") && !circleci("", "aa"));
    let semaphore = |organization: &str, project: &str| {
        let fields = Semaphore {
            organization: organization.to_owned(),
            project_id: project.to_owned(),
            reference: None,
        };
        templates::semaphore(&fields).is_ok()
    };
    assert!(semaphore("acme", "p"));
    assert!(!semaphore("a.b", "p") && !semaphore("a:1", "p") && !semaphore("acme", "p/x"));
    let aws = |account: &str, role: &str| {
        let fields = Aws {
            account: account.to_owned(),
            role: text(role),
            session: None,
        };
        templates::aws(&fields).is_ok()
    };
    assert!(aws("123456789012", "ci"));
    assert!(!aws("12345678901x", "ci") && !aws("1234567890123", "ci"));
    assert!(!aws("123456789012", "path/ci"));
    assert!(templates::gcp("*@acme.example").is_err());
    let refused = templates::gcp(&"x".repeat(400)).unwrap_err();
    assert_eq!(
        refused,
        TemplateError::Value {
            what: "e-mail address",
            value: "x".repeat(200)
        }
    );
}

#[test]
fn what_may_be_a_strangers_work_is_told_by_each_sign_alone() {
    let circleci = writing(
        templates::circleci(&Circleci {
            organization_id: "0f1e".to_owned(),
            project_id: "aa11".to_owned(),
            reference: None,
        })
        .unwrap(),
    );
    let semaphore = writing(
        templates::semaphore(&Semaphore {
            organization: "acme".to_owned(),
            project_id: "p1".to_owned(),
            reference: None,
        })
        .unwrap(),
    );
    let oidc = writing(templates::oidc("https://id.example", Some("me"), &[]).unwrap());
    let buildkite = Buildkite {
        organization: "acme".to_owned(),
        ..Buildkite::default()
    };
    let buildkite = writing(templates::buildkite(&buildkite).unwrap());
    let gitlab = Gitlab {
        project_id: Some(7),
        unprotected: true,
        ..Gitlab::default()
    };
    let gitlab = writing(templates::gitlab(&gitlab).unwrap());
    let found = |policy: &Policy, change: Value| {
        let audience = policy.audiences.first().map_or(OWN, String::as_str);
        let mut all = claims(json!({ "iss": policy.issuer, "aud": audience }));
        for condition in &policy.conditions {
            all.insert(
                condition.claim.clone(),
                json!(condition.exact().unwrap()[0]),
            );
        }
        all.extend(claims(change));
        role(policy, &all)
    };
    let reference = "oidc.circleci.com/vcs-ref";
    for (policy, change, expected) in [
        (
            &circleci,
            json!({ reference: "refs/heads/main" }),
            Role::Write,
        ),
        (&circleci, json!({ reference: "refs/pull/3" }), Role::Read),
        (&circleci, json!({ reference: "pull/3" }), Role::Read),
        (
            &circleci,
            json!({ reference: "refs/heads/pull/3" }),
            Role::Read,
        ),
        (
            &circleci,
            json!({ reference: "refs/heads/pull/3/head" }),
            Role::Read,
        ),
        (
            &circleci,
            json!({ reference: "refs/heads/pulled" }),
            Role::Write,
        ),
        (&circleci, json!({ reference: "refs/tags/v1" }), Role::Write),
        (&circleci, json!({}), Role::Read),
        (
            &oidc,
            json!({ "ref": "refs/merge-requests/3/head" }),
            Role::Read,
        ),
        (&oidc, json!({ "ref": "refs/heads/pull/3" }), Role::Write),
        (
            &semaphore,
            json!({ "sub": "org:acme:ref_type:branch:ref:x" }),
            Role::Write,
        ),
        (
            &semaphore,
            json!({ "sub": "org:acme:ref_type:pull-request:ref:x" }),
            Role::Read,
        ),
        (
            &semaphore,
            json!({ "sub": "org:acme:pull-request" }),
            Role::Read,
        ),
        (&semaphore, json!({ "sub": "org:acme:x" }), Role::Read),
        (&buildkite, json!({}), Role::Read),
        (&buildkite, json!({ "build_branch": "main" }), Role::Write),
        (&gitlab, json!({ "pipeline_source": "web" }), Role::Write),
        (
            &gitlab,
            json!({ "pipeline_source": "merge_request_event" }),
            Role::Read,
        ),
        (
            &gitlab,
            json!({ "pipeline_source": "parent_pipeline", "ref_path": "refs/merge-requests/3/head" }),
            Role::Read,
        ),
        (
            &gitlab,
            json!({ "pipeline_source": "parent_pipeline", "ref_path": "refs/heads/main" }),
            Role::Write,
        ),
    ] {
        assert_eq!(
            found(policy, change.clone()),
            Some(expected),
            "{} {change}",
            policy.issuer
        );
    }
}

#[test]
fn a_reader_is_not_told_that_it_only_reads() {
    let mut policy = writing(templates::github(&main_branch()).unwrap());
    let pull_request = github_claims(json!({ "event_name": "pull_request" }));
    assert_eq!(
        policy.examine(&pull_request, &[OWN]).remarks.len(),
        3,
        "two of them on ids"
    );
    policy.role = Role::Read;
    let verdict = policy.examine(&pull_request, &[OWN]);
    assert_eq!((verdict.role, verdict.remarks.len()), (Some(Role::Read), 2));
}

/// GitHub runs the default branch's workflow for what strangers do as well.
#[test]
fn what_a_stranger_can_set_off_is_no_builder() {
    let policy = |builder: bool| {
        let template = templates::github(&main_branch()).unwrap();
        writing(SetTrustPolicy {
            builder,
            ..template
        })
    };
    let verdict = |builder: bool, event: &str| {
        let claims = github_claims(json!({ "event_name": event }));
        policy(builder).examine(&claims, &[OWN])
    };
    for event in [
        "push",
        "schedule",
        "workflow_dispatch",
        "merge_group",
        "release",
        "repository_dispatch",
        "deployment",
        "deployment_status",
    ] {
        assert!(verdict(true, event).builder, "{event}");
        assert!(!verdict(false, event).builder, "{event}");
    }
    for event in [
        "workflow_run",
        "workflow_call",
        "issue_comment",
        "issues",
        "discussion",
        "discussion_comment",
        "fork",
        "watch",
        "label",
        "Push",
        "pushed",
        "",
    ] {
        let told = verdict(true, event);
        assert!(!told.builder, "{event}");
        // It holds its role as before: what it pushes counts as a person's.
        assert_eq!(told.role, Some(Role::Write), "{event}");
        let of_event = |remark: &&String| remark.starts_with("event_name is");
        assert_eq!(told.remarks.iter().filter(of_event).count(), 1, "{event}");
        let plain = verdict(false, event);
        assert_eq!(plain.remarks.iter().filter(of_event).count(), 0, "{event}");
    }
    let pull_request = verdict(true, "pull_request");
    assert!(!pull_request.builder && pull_request.role == Some(Role::Read));
    // Elsewhere there are no such events.
    let oidc = templates::oidc("https://id.example", Some("me"), &[]).unwrap();
    let oidc = writing(SetTrustPolicy {
        builder: true,
        ..oidc
    });
    let identity = claims(json!({ "iss": "https://id.example", "aud": OWN, "sub": "me" }));
    assert!(oidc.examine(&identity, &[OWN]).builder);
}
