//! Invitations, follows, leaving, kept names and trusted keys on the command line.

use fh_testkit::assert_contains;
use fh_testkit::server::TestServer;

use crate::world::World;

/// A server where anyone makes organisations, and people who are logged in with all permissions.
fn scene<const N: usize>(people: [&str; N]) -> (TestServer, [World; N]) {
    let server = TestServer::builder()
        .anyone_makes_organizations()
        .start()
        .unwrap();
    let worlds = people.map(|name| {
        server.create_user(name).unwrap();
        World::of(&server, name)
    });
    (server, worlds)
}

/// Runs commands one after the other: what they print, then what they say.
fn transcript(server: &TestServer, commands: &[(&World, &str)]) -> String {
    let mut told = String::new();
    for (who, command) in commands {
        let run = who.typed(command);
        told.push_str(&format!(
            "$ fh {command}\n{}{}",
            run.printed(server),
            run.said(server)
        ));
    }
    told
}

#[test]
fn what_is_offered_counts_once_it_is_accepted() {
    let (server, [ann, bob]) = scene(["ann", "bob"]);
    let told = transcript(
        &server,
        &[
            (&ann, "org create acme"),
            (&ann, "flake create acme/app"),
            (&ann, "grant add acme/app bob read"),
            (&ann, "grant list acme/app"),
            (&bob, "list flakes"),
            (&bob, "invitation list"),
            (&bob, "invitation accept acme"),
            (&bob, "list flakes"),
            (&ann, "member set acme bob"),
            (&ann, "member list acme"),
            (&bob, "invitation accept acme"),
            (&bob, "invitation list"),
            (&bob, "org leave acme --yes"),
            (&bob, "org leave acme --yes"),
            (&ann, "grant add acme/* bob write"),
            (&bob, "invitation decline acme"),
            (&bob, "invitation decline acme"),
        ],
    );
    insta::assert_snapshot!(told, @r"
    $ fh org create acme
    Created the organisation acme. Create a flake in it: `fh flake create acme/PROJECT`
    $ fh flake create acme/app
    Created the private flake acme/app. Push to it: `fh push acme/app PATH`
    $ fh grant add acme/app bob read
    bob is invited to read acme/app; it takes effect when they accept: `fh invitation accept acme`
    $ fh grant list acme/app
    subject,role,pending,on,created_at,by,users
    bob,read,true,acme/app,[TIME],grant,
    ann,admin,false,acme/*,[TIME],owner,ann
    $ fh list flakes
    flake,visibility,role,paths,nar_size,last_push_at,description
    $ fh invitation list
    organization,membership,grants,created_at,accepted_at
    acme,,read on acme/app,[TIME],
    $ fh invitation accept acme
    You are a guest of acme: its grants are in effect (read on acme/app). Anyone who can push there can decide what runs on your machines.
    $ fh list flakes
    flake,visibility,role,paths,nar_size,last_push_at,description
    acme/app,private,read,0,0,,
    $ fh member set acme bob
    bob is invited to be a member of acme; it takes effect when they accept: `fh invitation accept acme`
    $ fh member list acme
    user,role,invited,kind,created_at
    ann,owner,false,human,[TIME]
    bob,member,true,human,[TIME]
    $ fh invitation accept acme
    You are a member of acme: its flakes come before those of other organisations.
    $ fh invitation list
    organization,membership,grants,created_at,accepted_at
    $ fh org leave acme --yes
    You have left acme: its grants no longer apply to you.
    $ fh org leave acme --yes
    Error: cannot leave acme
    Caused by: not found, or you do not have access
    Hint: You do not belong to it. `fh invitation decline ORG` declines its invitation.
    $ fh grant add acme/* bob write
    bob is invited to read and push to acme/*; it takes effect when they accept: `fh invitation accept acme`
    $ fh invitation decline acme
    Declined the invitation of acme, and removed its grants.
    $ fh invitation decline acme
    Error: cannot decline the invitation of acme
    Caused by: not found, or you do not have access
    Hint: `fh invitation list` shows the invitations; `fh org leave ORG` leaves an organisation as a member.
    ");
}

#[test]
fn what_is_followed_is_an_ordered_list() {
    let (server, [ann, bob]) = scene(["ann", "bob"]);
    let admin = World::logged_in(&server, server.admin_token());
    let told = transcript(
        &server,
        &[
            (&ann, "org create acme"),
            (&ann, "flake create acme/open --visibility public"),
            (&ann, "flake create acme/more --visibility public"),
            (&ann, "flake show acme/open"),
            (&bob, "follow acme/open"),
            (&bob, "follow acme/* --first"),
            (&bob, "follow"),
            (&bob, "unfollow ACME/*"),
            (&bob, "unfollow acme/*"),
            (&bob, "follow acme/absent"),
            (&ann, "follow acme/open --org acme"),
            (&ann, "follow list --org acme"),
            (&bob, "follow acme/open --everybody"),
            (&admin, "follow acme/open --everybody"),
            (&bob, "follow --everybody"),
        ],
    );
    insta::assert_snapshot!(told, @r"
    $ fh org create acme
    Created the organisation acme. Create a flake in it: `fh flake create acme/PROJECT`
    $ fh flake create acme/open --visibility public
    Created the public flake acme/open. Push to it: `fh push acme/open PATH`
    Everybody can read it at [SERVER]/cache/acme/open; at the root address, members of acme and anyone who follows it: `fh follow acme/open`
    $ fh flake create acme/more --visibility public
    Created the public flake acme/more. Push to it: `fh push acme/more PATH`
    Everybody can read it at [SERVER]/cache/acme/more; at the root address, members of acme and anyone who follows it: `fh follow acme/more`
    $ fh flake show acme/open
    Flake:       acme/open
    Visibility:  public
    Read at:     [SERVER]/cache/acme/open; at the root address, members of acme and anyone who follows it: `fh follow acme/open`
    Description:
    Your role:   admin
    Store paths: 0
    Size:        0 B
    Last push:   never
    Created:     [DATE] (just now)
    Id:          [ID]
    $ fh follow acme/open
    You follow acme/open at the root address now, as number 1 of the list.
    Anyone who can push there can decide what runs on your machines.
    $ fh follow acme/* --first
    You follow acme/* at the root address now, as number 1 of the list.
    Anyone who can push there can decide what runs on your machines.
    $ fh follow
    position,flake
    1,acme/*
    2,acme/open
    $ fh unfollow ACME/*
    You follow ACME/* no longer.
    $ fh unfollow acme/*
    acme/* was not followed.
    $ fh follow acme/absent
    Error: cannot follow acme/absent
    Caused by: not found, or you do not have access
    Hint: Only public flakes can be followed. `fh list flakes acme` shows them.
    $ fh follow acme/open --org acme
    The members of acme follow acme/open at the root address now, as number 1 of the list.
    Anyone who can push there can decide what runs on their machines.
    $ fh follow list --org acme
    position,flake
    1,acme/open
    $ fh follow acme/open --everybody
    Error: cannot follow acme/open
    Caused by: this is only for server administrators
    Hint: `fh status` shows what your token may do.
    $ fh follow acme/open --everybody
    Everybody follows acme/open at the root address now, as number 1 of the list.
    Anyone who can push there can decide what runs on their machines.
    $ fh follow --everybody
    position,flake
    1,acme/open
    ");
    assert_eq!(bob.typed("follow *").code, Some(2));
    for refused in ["--list acme/open", "list acme/open", "list --first"] {
        let words: Vec<&str> = refused.split(' ').collect();
        let run = bob.fh(&[&["follow"][..], &words].concat()).code(2);
        assert_eq!(run.stdout, "", "{refused}");
    }
    let list = bob.json("follow");
    for same in ["list", "ls", "--list"] {
        let words = ["follow", same, "--json"];
        assert_eq!(bob.fh(&words).success().json(), list, "{same}");
    }
    assert_eq!(list[0]["flake"], "acme/open");
}

#[test]
fn an_organisation_for_somebody_else_is_made_without_oneself() {
    let server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let ann = World::of(&server, "ann");
    let admin = World::logged_in(&server, server.admin_token());
    let told = transcript(
        &server,
        &[
            (&admin, "org create team --owner ann"),
            (&admin, "org create team --owner ann --if-missing"),
            (&admin, "org create more --owner nobody"),
            (&admin, "member list team"),
            (&ann, "member list team"),
            (&ann, "org create more --owner admin"),
        ],
    );
    insta::assert_snapshot!(told, @r#"
    $ fh org create team --owner ann
    Created the organisation team. ann owns it, and you are not in it.
    $ fh org create team --owner ann --if-missing
    The organisation team exists already, and ann owns it.
    $ fh org create more --owner nobody
    Error: cannot create the organisation more
    Caused by: there is no user named "nobody"
    Hint: `fh user list` shows all accounts.
    $ fh member list team
    Error: cannot list the members of team
    Caused by: not found, or you do not have access
    Hint: `fh org list` shows your organisations.
    $ fh member list team
    user,role,invited,kind,created_at
    ann,owner,false,human,[TIME]
    $ fh org create more --owner admin
    Error: cannot create the organisation more
    Caused by: only server administrators can create organisations for somebody else, with a token that is not narrowed
    Hint: Ask a server administrator for one: `fh org create ORG --owner USER`.
    "#);
}

#[test]
fn names_are_kept_and_keys_are_trusted() {
    let server = TestServer::start().unwrap();
    server.create_user("ann").unwrap();
    let ann = World::of(&server, "ann");
    let admin = World::logged_in(&server, server.admin_token());
    let key = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
    let own = server.get("/.well-known/fh", None).unwrap().json().unwrap();
    let own = own["public_keys"][0]["public_key"]
        .as_str()
        .unwrap()
        .to_owned();
    let trust = format!("org set acme --trust-key {key}");
    let refused = format!("org set acme --trust-key {own}");
    let name = own.split(':').next().unwrap();
    let told = transcript(
        &server,
        &[
            (&ann, "org create acme"),
            (&admin, "org create acme"),
            (&admin, &trust),
            (&admin, &refused),
            (&admin, "org set acme --no-trust-keys"),
            (&admin, "org delete acme --yes"),
            (&admin, "org create acme"),
            (&admin, "org free-name"),
            (&ann, "org free-name acme"),
            (&admin, "org free-name acme"),
            (&admin, "org free-name acme"),
            (&admin, "user free-name"),
            (&admin, "org create acme"),
        ],
    );
    let told = told.replace(&own, "[OWN-KEY]").replace(name, "[OWN]");
    insta::assert_snapshot!(told, @r#"
    $ fh org create acme
    Error: cannot create the organisation acme
    Caused by: only server administrators can create organisations here, with a token that is not narrowed: the server's option organization-creation is "administrators"
    Hint: Ask a server administrator for one: `fh org create ORG --owner USER`.
    $ fh org create acme
    Created the organisation acme. Create a flake in it: `fh flake create acme/PROJECT`
    $ fh org set acme --trust-key cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=
    Organisation: acme
    You are:      owner
    Who pushes:   writers
    Who renews:   people
    Trusted keys: cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=
    Created:      [DATE] (just now)
    Id:           [ID]
    $ fh org set acme --trust-key [OWN-KEY]
    Error: cannot change acme
    Caused by: [OWN] is a key of this server, which signs for every organisation: its signature proves nothing
    $ fh org set acme --no-trust-keys
    Organisation: acme
    You are:      owner
    Who pushes:   writers
    Who renews:   people
    Trusted keys:
    Created:      [DATE] (just now)
    Id:           [ID]
    $ fh org delete acme --yes
    Deleted the organisation acme.
    $ fh org create acme
    Error: cannot create the organisation acme
    Caused by: the name acme belonged to another organisation, and is reserved until a server administrator frees it
    Hint: `fh org list` shows your organisations. `fh org free-name` lists the reserved names (server administrators).
    $ fh org free-name
    name,reserved_at,leads_to
    acme,[TIME],
    $ fh org free-name acme
    Error: cannot free the name acme
    Caused by: this is only for server administrators
    Hint: `fh status` shows what your token may do.
    $ fh org free-name acme
    The name acme can be used again.
    $ fh org free-name acme
    Error: cannot free the name acme
    Caused by: not found, or you do not have access
    Hint: `fh org free-name` lists the reserved names.
    $ fh user free-name
    name,reserved_at,leads_to
    $ fh org create acme
    Created the organisation acme. Create a flake in it: `fh flake create acme/PROJECT`
    "#);
    assert_eq!(admin.typed("org set acme").code, Some(2));
}

/// The words of a line of a shell: what stands in double quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The commands of the README, word for word but for the address and the administrator's token file: an
/// organisation, a flake, and somebody else who reads it at once.
#[test]
fn the_five_minutes_of_the_readme_are_as_they_stand_there() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("## A cache in five minutes").unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    let server = TestServer::start().unwrap();
    let token_file = server.data_dir().join("admin.token");
    let (admin, alice) = (World::new(), World::new());
    let mut who = &admin;
    let mut done = Vec::new();
    for line in section
        .lines()
        .filter_map(|line| line.strip_prefix("$ fh "))
    {
        let line = line.split("  #").next().unwrap();
        let line = line.replace("http://127.0.0.1:8484", server.url()).replace(
            "~/.local/share/fh-server/admin.token",
            token_file.to_str().unwrap(),
        );
        // What needs a Nix, or is the server itself, is done elsewhere.
        let mut words = words(&line);
        if ["serve", "push", "doctor"].contains(&words[0].as_str()) {
            continue;
        }
        if words[0] == "login" {
            if line.contains("alice.token") {
                who = &alice;
            }
            words.extend(["--scope".to_owned(), "user".to_owned()]);
        }
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let run = who.fh(&arguments).success();
        // The administrator hands the token over.
        if let Some(at) = words.iter().position(|word| word == "--out") {
            let token = who.path(&words[at + 1]);
            assert_eq!(crate::world::mode(&token), 0o600);
            std::fs::rename(token, alice.path(&words[at + 1])).unwrap();
        }
        done.push((words[..2.min(words.len())].join(" "), run.stdout));
    }
    let commands: Vec<&str> = done.iter().map(|(command, _)| command.as_str()).collect();
    assert_eq!(
        commands,
        [
            "login --server",
            "org create",
            "flake create",
            "user create",
            "grant add",
            "token create",
            "login --server",
            "list flakes"
        ]
    );
    let listed = &done.last().unwrap().1;
    assert_contains(&listed, &["acme/app,private,read,"]);
}
