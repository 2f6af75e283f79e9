//! Organisations, flakes, users and grants.

use fh_testkit::rows;
use fh_testkit::server::TestServer;
use fh_testkit::{assert_contains, assert_lacks};

use crate::world::World;

#[test]
fn the_way_of_a_new_flake() {
    let (server, world) = World::administrator();
    let said = world.said_by(
        &server,
        &[
            "org create acme",
            "flake create acme/app --description What_we_sell",
            "user create alice",
            "user create builder --kind service",
            "grant add acme/app alice read",
            "grant add acme/app builder write",
            "grant add acme/app alice admin",
            "grant remove acme/app builder",
        ],
    );
    insta::assert_snapshot!(said, @r"
    Created the organisation acme. Create a flake in it: `fh flake create acme/PROJECT`
    Created the private flake acme/app. Push to it: `fh push acme/app PATH`
    Created the account alice. Create a token for it: `fh token create --user alice`
    Created the account builder. Create a token for it: `fh token create --user builder`
    alice may now read acme/app.
    builder may now read and push to acme/app.
    alice may now read, push to and manage acme/app.
    Before, the role was read. To restore it: `fh grant add acme/app alice read`
    Removed the role of builder on acme/app.
    ");
    let printed = world.printed_by(
        &server,
        &[
            "org list",
            "flake show acme/app",
            "flake set acme/app --visibility unlisted",
            "list flakes",
            "user list",
            "grant list acme/app",
        ],
    );
    insta::assert_snapshot!(printed, @r"
    $ fh org list
    name,role,push,created_at,id
    acme,owner,writers,[TIME],[ID]
    $ fh flake show acme/app
    Flake:       acme/app
    Visibility:  private
    Description: What_we_sell
    Your role:   admin
    Store paths: 0
    Size:        0 B
    Last push:   never
    Created:     [DATE] (just now)
    Id:          [ID]
    $ fh flake set acme/app --visibility unlisted
    Flake:       acme/app
    Visibility:  unlisted
    Read at:     [SERVER]/cache/acme/app
    Description: What_we_sell
    Your role:   admin
    Store paths: 0
    Size:        0 B
    Last push:   never
    Created:     [DATE] (just now)
    Id:          [ID]
    $ fh list flakes
    flake,visibility,role,paths,nar_size,last_push_at,description
    acme/app,unlisted,admin,0,0,,What_we_sell
    $ fh user list
    name,kind,server_admin,organization,disabled_at,created_at,id
    admin,human,true,,,[TIME],[ID]
    alice,human,false,,,[TIME],[ID]
    builder,service,false,,,[TIME],[ID]
    $ fh grant list acme/app
    subject,role,pending,on,created_at,by,users
    alice,admin,false,acme/app,[TIME],grant,alice
    admin,admin,false,acme/*,[TIME],owner,admin
    ,,false,acme/app,,visibility,
    ");
}

#[test]
fn everything_made_can_be_had_as_json() {
    let (_server, world) = World::administrator();
    let json = |command: &str| world.json(command);
    assert_eq!(json("org create acme")["name"], "acme");
    assert_eq!(json("flake create acme/app")["visibility"], "private");
    assert_eq!(
        json("flake set acme/app --visibility public")["visibility"],
        "public"
    );
    assert_eq!(json("user create alice")["kind"], "human");
    assert_eq!(json("grant add acme/app alice read")["role"], "read");
    assert_eq!(json("grant list acme/app")[0]["subject"], "alice");
    assert_eq!(
        json("grant remove acme/app alice")["role"],
        serde_json::Value::Null
    );
    assert_eq!(json("user list").as_array().unwrap().len(), 2);
}

#[test]
fn errors_of_the_server_say_what_could_not_be_done() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    let reader = server.user_with_role("alice", "acme/app", "read").unwrap();
    let reader = World::logged_in(&server, &reader);
    let mut said = String::new();
    for (who, command) in [
        (&world, "org create acme"),
        (&world, "flake create acme/app"),
        (&world, "flake create nowhere/app"),
        (&world, "flake show acme/other"),
        (&world, "user create alice"),
        (&world, "grant add acme/app nobody read"),
        (&world, "grant remove acme/app nobody"),
        (&reader, "grant list acme/app"),
        (&reader, "user list"),
        (&reader, "flake set acme/app --visibility public"),
        (&reader, "flake show acme/hidden"),
    ] {
        let run = who.typed(command).code(1);
        assert_eq!(run.stdout, "", "{command}");
        said.push_str(&format!("$ fh {command}\n{}", run.said(&server)));
    }
    insta::assert_snapshot!(said, @r#"
    $ fh org create acme
    Error: cannot create the organisation acme
    Caused by: the organisation acme exists already
    Hint: `fh org list` shows your organisations. `fh org free-name` lists the reserved names (server administrators).
    $ fh flake create acme/app
    Error: cannot create the flake acme/app
    Caused by: the flake acme/app exists already
    Hint: Show it: `fh flake show acme/app`
    $ fh flake create nowhere/app
    Error: cannot create the flake nowhere/app
    Caused by: not found, or you do not have access
    Hint: `fh org list` shows your organisations. Create one: `fh org create nowhere`
    $ fh flake show acme/other
    Error: cannot show acme/other
    Caused by: not found, or you do not have access
    Hint: `fh list flakes` shows what you may see.
    $ fh user create alice
    Error: cannot create the account alice
    Caused by: the user alice exists already
    Hint: `fh user list` shows all accounts. `fh user free-name` lists the reserved names.
    $ fh grant add acme/app nobody read
    Error: cannot grant nobody a role on acme/app
    Caused by: there is no user named "nobody"
    Hint: An administrator of the server can create the account: `fh user create nobody`
    $ fh grant remove acme/app nobody
    Error: cannot remove the role of nobody on acme/app
    Caused by: there is no user named "nobody"
    Hint: `fh grant list acme/app` shows who has a role.
    $ fh grant list acme/app
    Error: cannot list the roles on acme/app
    Caused by: this needs the role admin on acme/app (yours is read) and a token with the permission "admin" (this one lacks it)
    Hint: The role can be granted by the administrators of acme: `fh grant add acme/app alice admin`
    Hint: A token with the permission can be created by a server administrator, or by you with a token that has it: `fh token create --user alice --permission admin`
    Hint: `fh status` shows what your token may do.
    $ fh user list
    Error: cannot list the accounts
    Caused by: this token lacks the permission "admin"
    Hint: `fh status` shows what your token may do.
    $ fh flake set acme/app --visibility public
    Error: cannot change acme/app
    Caused by: this needs the role admin on acme/app (yours is read) and a token with the permission "admin" (this one lacks it)
    Hint: `fh status` shows what your token may do.
    $ fh flake show acme/hidden
    Error: cannot show acme/hidden
    Caused by: not found, or you do not have access
    Hint: `fh list flakes` shows what you may see.
    "#);
}

#[test]
fn without_a_login_what_is_public_can_be_listed() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/public", "public").unwrap();
    server.create_flake("acme/private", "private").unwrap();
    let mut world = World::new();
    world
        .typed("list flakes")
        .code(1)
        .says(&["fh login --server URL"]);
    world.set("FH_SERVER", server.url());
    // At the root there is what the server shows to everybody: nothing, unless its administrator says so.
    let list = world.typed("list flakes").success().stdout;
    assert_lacks(&list, &["acme/"]);
    let list = world.typed("list flakes --owner acme");
    let list = list.success().stdout;
    assert_contains(&list, &["acme/public,public,,0,0,,"]);
    assert_lacks(&list, &["private"]);
}

/// Whoever says `push` for `write` is understood, of roles and of permissions, and reads `write` of both. JSON and CSV
/// keep what scripts compare.
#[test]
fn roles_and_permissions_are_printed_in_one_vocabulary() {
    let server = TestServer::start().unwrap();
    server.create_flake("acme/app", "private").unwrap();
    server.create_user("alice").unwrap();
    let world = World::logged_in(&server, server.admin_token());
    for (word, role) in [
        ("pull", "read"),
        ("push", "write"),
        ("read", "read"),
        ("write", "write"),
    ] {
        let granted = world.json(format!("grant add acme/app alice {word}"));
        assert_eq!(granted["role"], role, "{word}");
    }
    for (word, permission) in [("read", "pull"), ("write", "push"), ("pull", "pull")] {
        let json = world.json(format!("token create --permission {word}"));
        let found = &json["info"]["permissions"];
        assert_eq!(found, &serde_json::json!([permission]), "{word}");
    }
    let weak = server.token_for("admin", &["pull", "mint"]).unwrap();
    let push_only = server.token_for("admin", &["push"]).unwrap();
    for [token, command, status, told] in rows(
        r#"
        strong | status                                           | 0 | May:        read write mint admin
        strong | token inspect                                    | 0 | May:         read write mint admin
        strong | token create --permission push --permission mint | 0 | for admin: write mint on *
        strong | token create --permission grow                   | 2 | [possible values: read, write, mint, admin]
        strong | grant add acme/app alice grow                    | 2 | [possible values: read, write, admin]
        weak   | token create --permission push                   | 1 | lacks the permission "write"
        push   | flake show acme/app                              | 1 | the permission "read" (this one lacks it)
        strong | token list                                       | 0 | ,pull mint,
        "#,
    ) {
        let mut world = World::logged_in(&server, server.admin_token());
        match token {
            "weak" => world.set("FH_TOKEN", &weak),
            "push" => world.set("FH_TOKEN", &push_only),
            _ => {}
        }
        let run = world.typed(command).code(status.parse().unwrap());
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(told), "{command}: {said}");
    }
    world.typed("grant add acme/app alice mint").code(2);
}
